"""`python -m tests.hostile`: run it, print what was found; exit status 1 where harm was done."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.hostile import report
from tests.hostile.run import Run
from tests.hostile.verdict import delays, faults


def main() -> int:
    """Carry out the command."""
    arguments = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="atoll-hostile-") as directory:
        run = Run(
            directory=Path(directory),
            requests=arguments.requests,
            at_once=arguments.at_once,
            rate=arguments.rate,
            seed=arguments.seed,
        )
        evidence = run.carry_out()
    table = report.text(run, evidence)
    print(table)
    if arguments.publish is not None:
        report.publish(arguments.publish, table)
    slow = not arguments.any_speed and delays(evidence)
    return 1 if slow or faults(evidence) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000, help="hostile requests in all")
    parser.add_argument("--at-once", type=int, default=300, help="connections at a time")
    parser.add_argument("--rate", type=float, default=30.0, help="healthy operations a second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--publish", type=Path, help="document whose figures to replace")
    parser.add_argument("--any-speed", action="store_true", help="do not judge what is slow")
    return parser


if __name__ == "__main__":
    sys.exit(main())
