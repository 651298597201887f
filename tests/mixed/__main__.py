"""`python -m tests.mixed`: a cluster of two versions; exit status 1 where it does not hold."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.e2e.processes import ProcessFailed
from tests.mixed.base import NoBase, command_of, commit_of
from tests.mixed.run import Run, Wrong, say


def main() -> int:
    """Carry out the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.mixed", description=__doc__)
    parser.add_argument("--base", help="the earlier commit; else that of tests/mixed/BASE")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    try:
        commit = commit_of(arguments.base)
        say(f"the earlier version is {commit[:12]}")
        base = command_of(commit)
        with tempfile.TemporaryDirectory(prefix="atoll-mixed-") as directory:
            asyncio.run(Run(Path(directory), base, arguments.seed).carry_out())
    except (NoBase, Wrong, ProcessFailed) as exc:
        say(f"failed: {exc}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
