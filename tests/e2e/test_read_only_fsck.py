"""`atoll fsck` of a disk that cannot be written to, such as a snapshot or a failing disk."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.serve_cluster import ServeProcess

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a directory read-only"),
]


def test_a_read_only_directory_is_checked(tmp_path: Path):
    """Broken: the only copy of the data has to be made writable before it can be looked at."""
    node = ServeProcess.alone(tmp_path / "node")
    node.start()
    node.wait_ready()
    node.stop()
    subprocess.run(["mount", "--bind", node.data_dir, node.data_dir], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", node.data_dir], check=True)
        with pytest.raises(OSError, match="Read-only"):
            (node.data_dir / "x").write_text("")
        node.fsck()
    finally:
        subprocess.run(["umount", node.data_dir], check=True)
