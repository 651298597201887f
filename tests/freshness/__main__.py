"""`python -m tests.freshness --seeds 0:3000`: many seeds; `--hunt NAME`: a seeded bug's."""

import argparse
import os
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.freshness import plan
from tests.freshness.hunt import first_catch
from tests.freshness.mutants import MUTANTS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.freshness")
    parser.add_argument("--seeds", default="0:1000", help="first:end")
    parser.add_argument("--size", choices=sorted(plan.SIZES), help="of every world; else any")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--hunt", choices=[mutant.name for mutant in MUTANTS])
    args = parser.parse_args()
    first, _, end = args.seeds.partition(":")
    seeds = range(int(first), int(end))
    if args.hunt is not None:
        mutant = next(mutant for mutant in MUTANTS if mutant.name == args.hunt)
        print(f'"{mutant.name}": {first_catch(mutant, seeds, args.size)},', flush=True)
        return 0
    begun, violations = time.monotonic(), 0
    counts: Counter[str] = Counter()
    with ProcessPoolExecutor(args.jobs) as pool:
        for result in pool.map(partial(plan.run, size=args.size), seeds, chunksize=10):
            counts.update(result.counts)
            counts[f"worlds of {result.size}"] += 1
            if result.violation is not None:
                violations += 1
                print(f"{result.seed} ({result.size}): {result.violation}", flush=True)
    print(f"**{violations} of {len(seeds):,} seeds with violations.**\n")
    print("| what | how much |\n|---|---|")
    for what, times in sorted(counts.items()):
        print(f"| {what} | {times:,} |")
    print(f"| wall time | {time.monotonic() - begun:,.0f} s with {args.jobs} jobs |")
    return violations > 0


if __name__ == "__main__":
    raise SystemExit(main())
