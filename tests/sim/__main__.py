"""`python -m tests.sim --seeds 0:200 --jobs 2`: many seeds, one table."""

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.sim.coverage import Totals
from tests.sim.plan import make_plan
from tests.sim.repeatable import with_fixed_hashes
from tests.sim.report import replace_section, report
from tests.sim.world import Result, simulate


def run_seed(seed: str) -> Result:
    return simulate(make_plan(seed))


def _say(result: Result, *, history: bool) -> None:
    if history:
        print("\n".join(result.history), f"trace {result.trace:08x}", sep="\n")
    if result.violations:
        print(f"seed {result.seed}: {len(result.violations)} violations")
        print(*(f"  {text}" for text in result.violations[:6]), sep="\n", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim")
    parser.add_argument("--seeds", default="0:200", help="first:end, or one seed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--report", type=Path, help="put the report into this Markdown file")
    parser.add_argument("--history", action="store_true", help="print what the clients saw")
    parser.add_argument("--no-coverage", action="store_true", help="too few seeds to meet all")
    args = parser.parse_args()
    first, _, end = args.seeds.partition(":")
    seeds = [str(seed) for seed in range(int(first), int(end or int(first) + 1))]
    begun, totals = time.monotonic(), Totals()
    with ProcessPoolExecutor(args.jobs) as pool:
        for result in pool.map(run_seed, seeds, chunksize=4):
            totals.add(result)
            _say(result, history=args.history)
    lines = report(args.seeds, totals, time.monotonic() - begun, args.jobs)
    print(*lines, sep="\n")
    if args.report is not None:
        replace_section(args.report, "Seeds", lines)
    return 1 if totals.failed or (totals.lacking() and not args.no_coverage) else 0


if __name__ == "__main__":
    with_fixed_hashes("tests.sim")
    sys.exit(main())
