"""`python -m tests.sim --seeds 0:200 --jobs 2`: many seeds, one table."""

import argparse
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.sim import coverage
from tests.sim.plan import make_plan
from tests.sim.world import Result, simulate


def run_seed(seed: str) -> Result:
    return simulate(make_plan(seed))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim")
    parser.add_argument("--seeds", default="0:200", help="first:end, or one seed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--report", type=Path, help="write the report here (Markdown)")
    parser.add_argument("--history", action="store_true", help="print what the clients saw")
    parser.add_argument("--no-coverage", action="store_true", help="too few seeds to meet all")
    args = parser.parse_args()
    first, _, end = args.seeds.partition(":")
    seeds = [str(seed) for seed in range(int(first), int(end or int(first) + 1))]
    begun = time.monotonic()
    failed: list[Result] = []
    total: Counter[str] = Counter()
    met: Counter[tuple[str, str]] = Counter()
    converged: list[float] = []
    with ProcessPoolExecutor(args.jobs) as pool:
        for result in pool.map(run_seed, seeds, chunksize=4):
            coverage.add(result, total, met, converged)
            if args.history:
                print("\n".join(result.history), f"trace {result.trace:08x}", sep="\n")
            if result.violations:
                failed.append(result)
                print(f"seed {result.seed}: {len(result.violations)} violations")
                print(*(f"  {text}" for text in result.violations[:6]), sep="\n", flush=True)
    report = coverage.report(args.seeds, total, met, converged, failed, time.monotonic() - begun)
    print(report)
    if args.report is not None:
        args.report.write_text(report)
    lacking = [] if args.no_coverage else coverage.lacking(met)
    if lacking:
        print("never met:", *(f"{fault} x {kind}" for fault, kind in lacking))
    return 1 if failed or lacking else 0


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        # Sets of strings have another order with each start otherwise, and traces would differ.
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.sim", *sys.argv[1:]])
    sys.exit(main())
