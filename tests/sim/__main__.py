"""`python -m tests.sim --seeds 0:200 --jobs 2`: many seeds, one table."""

import argparse
import gc
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

from tests.sim.identity.plan import ASKED, FAMILY, plan_of
from tests.sim.plan import OPERATIONS
from tests.sim.progress import Progress
from tests.sim.repeatable import with_fixed_hashes
from tests.sim.report import excuses, replace_section, report, report_identity
from tests.sim.shrink import save, shortest, signature, tell
from tests.sim.simulation import Result, simulate

_CHUNK: Final = 200
"""Seeds between two times that progress is kept: a minute or two."""


def run_seed(seed: str) -> Result:
    return simulate(plan_of(seed))


def _say(result: Result, *, history: bool) -> None:
    if history:
        print("\n".join(result.history), f"trace {result.trace:08x}", sep="\n")
    if result.violations:
        print(f"seed {result.seed}: {len(result.violations)} violations")
        print(*(f"  {text}" for text in result.violations[:6]), sep="\n", flush=True)


def _keep_shortest(failed: Result) -> None:
    """Make a test of a seed that failed: the shortest plan that still does so."""
    print(f"looking for the shortest plan that fails like seed {failed.seed}", flush=True)
    wanted = signature(failed.violations[0])
    plan, result = shortest(plan_of(failed.seed), wanted, simulate)
    tell(plan, result)
    print(f"kept as {save(plan, f'seed-{failed.seed}'.replace(' ', '-'))}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim")
    parser.add_argument("--seeds", default="0:200", help="first:end, or one seed")
    parser.add_argument(
        "--identity", action="store_true", help="seeds of who may do what (tests.sim.identity)"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--report", type=Path, help="put the report into this Markdown file")
    parser.add_argument("--history", action="store_true", help="print what the clients saw")
    parser.add_argument("--no-coverage", action="store_true", help="too few seeds to meet all")
    parser.add_argument("--as-it-is", action="store_true", help="keep no test of a seed that fails")
    parser.add_argument("--keep", type=Path, help="go on with the run that this file keeps")
    args = parser.parse_args()
    first, _, end = args.seeds.partition(":")
    numbers = range(int(first), int(end or int(first) + 1))
    seeds = [f"{FAMILY} {number}" if args.identity else str(number) for number in numbers]
    kept_as = f"{FAMILY} {args.seeds}" if args.identity else args.seeds
    progress = Progress.load(args.keep, kept_as)
    with ProcessPoolExecutor(args.jobs, initializer=gc.freeze) as pool:
        while progress.done < len(seeds):
            chunk = seeds[progress.done : progress.done + _CHUNK]
            begun = time.monotonic()
            for result in pool.map(run_seed, chunk, chunksize=4):
                progress.totals.add(result)
                _say(result, history=args.history)
            progress.done += len(chunk)
            progress.wall_s += time.monotonic() - begun
            if args.keep is not None:
                progress.save(args.keep)
    totals = progress.totals
    if args.identity:
        lines = report_identity(args.seeds, totals, progress.wall_s, args.jobs)
    else:
        lines = report(args.seeds, totals, progress.wall_s, args.jobs)
    print(*lines, "", *excuses(args.seeds, totals), sep="\n")
    if args.report is not None and args.identity:
        replace_section(args.report, "Who may do what", lines)
    elif args.report is not None:
        replace_section(args.report, "Seeds", lines)
        replace_section(args.report, "Excuses", excuses(args.seeds, totals))
    if totals.failed and not args.as_it_is:
        _keep_shortest(totals.failed[0])
    lacking = totals.lacking(ASKED if args.identity else OPERATIONS)
    return 1 if totals.failed or (lacking and not args.no_coverage) else 0


if __name__ == "__main__":
    with_fixed_hashes("tests.sim")
    sys.exit(main())
