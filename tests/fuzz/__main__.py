"""`python -m tests.fuzz`: fuzz for a time; exit status 1 where something is wrong."""

import argparse
import sys
import tempfile
import time
from collections import deque
from pathlib import Path

from tests.fuzz.kept import WHERE, keep
from tests.fuzz.record import Record
from tests.fuzz.report import TITLE, lines
from tests.fuzz.targets import TARGETS
from tests.fuzz.watch import Watched, end_on_sigterm
from tests.sim.report import replace_section


def main() -> int:
    """Carry out the command."""
    arguments = _parser().parse_args()
    end_on_sigterm()
    names = list(TARGETS) if "all" in arguments.target else arguments.target
    print(
        f"seed {arguments.seed}: {', '.join(names)}, {arguments.minutes:g} minutes each", flush=True
    )
    with tempfile.TemporaryDirectory(prefix="atoll-fuzz-records-") as directory:
        records = _run(names, arguments, Path(directory))
    records.sort(key=lambda record: names.index(record.target))
    told = lines(records, arguments.minutes, arguments.seed)
    print("\n".join(told))
    if arguments.report is not None:
        replace_section(arguments.report, TITLE, told)
    for record in records:
        for fault in record.faults:
            print(f"kept: {keep(arguments.keep, record.target, fault)}")
    return 1 if any(record.problems() for record in records) else 0


def _run(names: list[str], arguments: argparse.Namespace, directory: Path) -> list[Record]:
    waiting, running, records = deque(names), list[Watched](), list[Record]()
    try:
        while waiting or running:
            while waiting and len(running) < arguments.jobs:
                seconds = arguments.minutes * 60
                running.append(Watched(waiting.popleft(), seconds, arguments.seed, directory))
            time.sleep(1)
            for watched in running[:]:
                record = watched.poll()
                if record is not None:
                    running.remove(watched)
                    records.append(record)
                    found = record.problems()
                    print(f"{record.target}: {record.inputs:,} inputs", *found, flush=True)
    finally:
        for watched in running:
            watched.end()
    return records


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--target", nargs="+", choices=[*TARGETS, "all"], default=["all"])
    parser.add_argument("--minutes", type=float, default=10.0, help="for each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="targets at a time")
    parser.add_argument("--report", type=Path, help="document whose section to write")
    parser.add_argument(
        "--keep", type=Path, default=WHERE, help="where inputs are kept that failed"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
