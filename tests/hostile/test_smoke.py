"""A short storm, so that a node that strangers can harm is noticed with the next change."""

import subprocess
import sys

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.faults, pytest.mark.timeout(300)]


def test_strangers_harm_no_healthy_client():
    """Broken: some kind of hostile request fails others, is told nonsense, or leaves something."""
    command = [sys.executable, "-m", "tests.hostile", "--requests", "600", "--at-once", "100"]
    # How much slower the others become is measured, not tested: see docs/hostile.md.
    done = subprocess.run([*command, "--any-speed"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
