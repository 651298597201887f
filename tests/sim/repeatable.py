"""A seed has to mean the same in every process."""

import json
import os
import subprocess
import sys
from typing import Any


def with_fixed_hashes(module: str) -> None:
    """
    Start *module* anew with a fixed hash seed, unless it has one.

    Sets of strings have another order with each start otherwise, and traces would differ.
    """
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", module, *sys.argv[1:]])


def told_by(module: str, *args: str) -> Any:
    """The JSON that `python -m` *module* prints; a process of its own, for its hash seed."""
    done = subprocess.run(
        [sys.executable, "-m", module, *args],
        capture_output=True,
        check=False,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
