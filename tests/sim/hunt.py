"""
Looks for seeds that notice the seeded bugs: `python -m tests.sim.hunt --seeds 1000 --jobs 2`.

A mutant counts as caught when a seed fails with it that holds without it. The seed that the table
in the documentation names is tried first, then those from 0 on whose plans have a fault that the
mutant needs. With `--replay` only the seeds of the table are tried: whether the checker still sees
what it saw.
"""

import argparse
import os
import re
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Final, NamedTuple

from tests.sim.mutants import MUTANTS, Mutant, by_name, mutated
from tests.sim.plan import BOUNDS, make_plan
from tests.sim.repeatable import with_fixed_hashes
from tests.sim.report import replace_section
from tests.sim.shrink import signature
from tests.sim.world import simulate

KNOWN: Final = Path("docs/simulation.md")


class Catch(NamedTuple):
    """A seed that notices a mutant, and what it says."""

    seed: int
    violation: str


def try_seed(name: str, seed: int) -> Catch | None:
    """What the mutant breaks in this seed, if the seed holds without it."""
    plan = make_plan(str(seed))
    with mutated(by_name(name)):
        violations = simulate(plan).violations
    if not violations or simulate(plan).violations:
        return None
    # A bug that does not fit the code any more shows at once, and shows nothing.
    for text in violations:
        assert "TypeError" not in text, f"{name}: {text}"
        assert "AttributeError" not in text, f"{name}: {text}"
    return Catch(seed, violations[0])


def earlier_catches(report: Path) -> dict[str, int]:
    """The seeds that the table of *report* names, by mutant."""
    rows = re.findall(r"^\| ([a-z0-9-]+) \| .* \| (\d+) \| [^|]+ \|", report.read_text(), re.M)
    return {name: int(seed) for name, seed in rows}


def hunt(
    pool: ProcessPoolExecutor, name: str, seeds: int, jobs: int, known: int | None = None
) -> Catch | None:
    """A seed that catches the mutant: *known*, where it still does, else the first."""
    if known is not None:
        found = pool.submit(try_seed, name, known).result()
        if found is not None:
            return found
    width, fitting = 4 * jobs, [s for s in range(seeds) if fits(by_name(name), s)]
    for start in range(0, len(fitting), width):
        for found in pool.map(partial(try_seed, name), fitting[start : start + width]):
            if found is not None:
                return found
    return None


def fits(mutant: Mutant, seed: int) -> bool:
    """Whether the seed's plan has a fault in which the mutant may show."""
    return not mutant.needs or bool(mutant.needs & _marks(seed))


@cache
def _marks(seed: int) -> set[str]:
    """
    What a plan has: kinds of steps, a node that starts with its clock wrong, logs that are trimmed,
    bounds that are narrow.
    """
    plan = make_plan(str(seed))
    found = {str(step["do"]) for step in plan.steps}
    dies = [step for step in plan.steps if step["do"] in ("kill", "power_cut")]
    found |= {"boot_clock"} if any(step["salt"] % 4 == 0 for step in dies) else set()
    found |= {"trimmed"} if "trim_interval_s" in plan.tuning else set()
    return found | ({"narrow"} if BOUNDS.items() <= plan.tuning.items() else set())


def row(mutant: Mutant, found: Catch | None, seconds: float) -> str:
    caught = f"{found.seed} | {signature(found.violation)}" if found else "**escaped** |"
    return f"| {mutant.name} | {mutant.says} | {caught} | {seconds:.0f} |"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim.hunt")
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these mutants")
    parser.add_argument(
        "--known", type=Path, default=KNOWN, help=f"try the seeds of this table first ({KNOWN})"
    )
    parser.add_argument("--report", type=Path, help="put the table into this Markdown file")
    parser.add_argument("--replay", action="store_true", help="try the seeds of the table alone")
    args = parser.parse_args()
    known = earlier_catches(args.known)
    wanted = [m for m in MUTANTS if not args.only or m.name in args.only]
    seeds = args.seeds
    if args.replay:
        print("no seed is known of:", *(m.name for m in wanted if m.name not in known))
        wanted, seeds = [m for m in wanted if m.name in known], 0
    escaped = []
    table = ["| bug | what it does | caught at seed | by | s |", "|---|---|---|---|---|"]
    print(*table, sep="\n")
    with ProcessPoolExecutor(args.jobs) as pool:
        for mutant in wanted:
            begun = time.monotonic()
            found = hunt(pool, mutant.name, seeds, args.jobs, known.get(mutant.name))
            if found is None:
                escaped.append(mutant.name)
            table.append(row(mutant, found, time.monotonic() - begun))
            print(table[-1], flush=True)
    counted = len(table) - 2
    where = "in the seed of the table" if args.replay else f"within {seeds} seeds"
    sums = f"{counted - len(escaped)} of {counted} seeded bugs are caught {where}."
    print(sums)
    if args.report is not None:
        replace_section(args.report, "Seeded bugs", [sums, "", *table])
    return 1 if escaped else 0


if __name__ == "__main__":
    with_fixed_hashes("tests.sim.hunt")
    sys.exit(main())
