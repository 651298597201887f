"""A seed has to mean the same in every process."""

import os
import sys


def with_fixed_hashes(module: str) -> None:
    """
    Start *module* anew with a fixed hash seed, unless it has one.

    Sets of strings have another order with each start otherwise, and traces would differ.
    """
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", module, *sys.argv[1:]])
