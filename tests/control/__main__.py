"""`python -m tests.control --seeds 0:20000`: many seeds; `--hunt`: which ones notice the bugs."""

import argparse
import os
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial

from tests.control.hunt import KINDS, Catch, first_catch
from tests.control.mutants import MUTANTS, by_name
from tests.control.plan import Result


def run_seed(kind: str, seed: int) -> Result:
    return KINDS[kind](seed)


def hunt(kind: str, seeds: range, name: str) -> tuple[str, Catch | None]:
    return name, first_catch(by_name(name), kind, seeds)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.control")
    parser.add_argument("--seeds", default="0:1000", help="first:end")
    parser.add_argument("--kind", choices=sorted(KINDS), default="plan")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--hunt", action="store_true", help="look for the seeded bugs")
    parser.add_argument("names", nargs="*", help="the bugs to look for; all without any")
    args = parser.parse_args()
    first, _, end = args.seeds.partition(":")
    seeds = range(int(first), int(end))
    begun = time.monotonic()
    with ProcessPoolExecutor(args.jobs) as pool:
        if args.hunt:
            names = args.names or [mutant.name for mutant in MUTANTS]
            found = [pool.submit(hunt, args.kind, seeds, name) for name in names]
            for done in as_completed(found):
                name, catch = done.result()
                print(f'    "{name}": {catch!r},', flush=True)
            return 0
        counts: Counter[str] = Counter()
        violations = 0
        for result in pool.map(partial(run_seed, args.kind), seeds, chunksize=50):
            counts.update(result.counts)
            if result.violation is not None:
                violations += 1
                print(f"{args.kind} {result.seed}: {result.violation}", flush=True)
    print(f"**{violations} of {len(seeds):,} seeds with violations.**\n")
    print("| what | how much |\n|---|---|")
    for what, times in sorted(counts.items()):
        print(f"| {what} | {times:,} |")
    print(f"| wall time | {time.monotonic() - begun:,.0f} s with {args.jobs} jobs |")
    return violations > 0


if __name__ == "__main__":
    raise SystemExit(main())
