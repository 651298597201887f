"""What the targets of the Makefile need is there before they start."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAKE = shutil.which("make")
PATH = os.environ.get("PATH", "")

VENV = ".ci/venv /nowhere"
WORK = ("/nowhere/bin/pytest", "/nowhere/bin/atoll", "/nowhere/bin/python -m")

NEEDS = {
    "run": [VENV],
    "unit": [VENV],
    "check": [VENV],
    "docs": [VENV],
    "sim": [VENV],
    "mutants": [VENV],
    "test": [".ci/tools", VENV],
    "e2e": [".ci/tools", VENV],
    "desk": [".ci/tools chromium axe", VENV],
    "bench": [".ci/tools docker-registry wrk registry crane", VENV],
    "bench-cluster": [".ci/tools wrk ip", VENV],
    "bench-earlier": [".ci/tools wrk ip", VENV],
    "conformance": [".ci/tools conformance", VENV],
    "conformance-proxy": [".ci/tools conformance", VENV],
    "faults": [".ci/tools ip iptables faketime haproxy", VENV],
    "netfaults": [".ci/tools ip iptables faketime haproxy", VENV],
    "schemathesis": [VENV],
    "hostile": [VENV],
    "fuzz": [VENV],
    "mixed": [VENV],
}


def steps(target: str) -> list[str]:
    """The commands of *target*, in order, on a machine where nothing is installed."""
    assert MAKE is not None
    environment = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    done = subprocess.run(
        [MAKE, "--dry-run", "--no-print-directory", "VENV=/nowhere", target],
        cwd=ROOT,
        env={**environment, "PATH": PATH},
        capture_output=True,
        text=True,
        check=True,
    )
    return [line.strip() for line in done.stdout.splitlines()]


@pytest.mark.skipif(MAKE is None, reason="make is not installed")
@pytest.mark.parametrize("target", NEEDS)
def test_a_target_installs_what_it_needs_before_it_starts(target: str) -> None:
    """Broken: on a fresh machine a command of the README fails for want of a program."""
    commands = steps(target)
    begin = next(at for at, line in enumerate(commands) if any(part in line for part in WORK))
    for installer in NEEDS[target]:
        at = [at for at, line in enumerate(commands) if line.endswith(installer)]
        assert at, f"make {target} never runs {installer}"
        assert at[0] < begin, f"make {target} runs {installer} after what needs it"
