"""One short run of the real thing, so that a change that breaks the runner is noticed early."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.faults,
    pytest.mark.timeout(180),
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
]


def test_killed_nodes_keep_every_promise(tmp_path):
    """Broken: SIGKILL loses a push or serves an old tag, or the runner itself does not work."""
    command = [sys.executable, "-m", "tests.netfaults", "--scenario", "kill", "--seconds", "10"]
    done = subprocess.run(
        [*command, "--results", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((tmp_path / "runs.jsonl").read_text())
    assert result["faults"] >= 1
    assert result["acknowledged"] > 20
    assert result["blobs"] > 20
    assert result["converged_s"] is not None
    hosts = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True)
    assert "eu-0" not in hosts.stdout, "the sandbox left its network behind"
