"""
Looks for seeds that notice the seeded bugs: `python -m tests.sim.hunt --seeds 1000 --jobs 2`.

A mutant counts as caught when a seed fails with it that holds without it. The seed that the table
in the documentation names is tried first, then the story of the mutant (`mutants.stories`); where
there is none, the seeds from 0 on whose plans have a fault that the mutant needs. With `--replay`
only the seeds of the table and the stories are tried: whether the checker still sees what it saw.
`make unit` tells every story as well, so CI leaves them out here: `--no-stories`.
"""

import argparse
import os
import re
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Final, NamedTuple

from tests.sim.identity.plan import plan_of
from tests.sim.mutants import MUTANTS, Mutant, by_name
from tests.sim.mutants.stories import STORIES
from tests.sim.plan import BOUNDS
from tests.sim.repeatable import with_fixed_hashes
from tests.sim.report import replace_section
from tests.sim.shrink import signature, with_bug

KNOWN: Final = Path("docs/simulation.md")


class Catch(NamedTuple):
    """What notices a mutant, and what it says."""

    by: str
    """A seed, or "story"."""

    violation: str


def try_seed(name: str, seed: int) -> Catch | None:
    """What the mutant breaks in this seed, if the seed holds without it."""
    plan = by_name(name).seed(seed)
    violations = with_bug(name)(plan_of(plan)).violations
    return _caught(str(seed), name, violations, lambda: _holds(plan))


@cache
def _holds(plan: str) -> bool:
    """Whether the engine as it is breaks nothing there; many mutants have a seed in common."""
    return not with_bug(None)(plan_of(plan)).violations


def try_story(name: str) -> Catch | None:
    """What the mutant breaks in its story, if that holds without it."""
    story = STORIES[name]
    return _caught("story", name, story.shown(name), lambda: not story.shown(None))


def _caught(by: str, name: str, violations: list[str], holds: Callable[[], bool]) -> Catch | None:
    if not violations or not holds():
        return None
    # A bug that does not fit the code any more shows at once, and shows nothing.
    for text in violations:
        assert "TypeError" not in text, f"{name}: {text}"
        assert "AttributeError" not in text, f"{name}: {text}"
    return Catch(by, violations[0])


def earlier_catches(report: Path) -> dict[str, int]:
    """The seeds that the table of *report* names, by mutant."""
    rows = re.findall(r"^\| ([a-z0-9-]+) \| .* \| (\d+) \| [^|]+ \|", report.read_text(), re.M)
    return {name: int(seed) for name, seed in rows}


class Trial(NamedTuple):
    """What was found of a mutant."""

    found: Catch | None
    seconds: float


def try_again(name: str, known: int | None) -> Trial:
    """What catches the mutant: the seed *known*, or its story."""
    begun = time.monotonic()
    found = None if known is None else try_seed(name, known)
    if found is None and name in STORIES:
        found = try_story(name)
    return Trial(found, time.monotonic() - begun)


def hunt(pool: ProcessPoolExecutor, name: str, seeds: int, jobs: int) -> Catch | None:
    """The first of so many *seeds* that catches the mutant."""
    width, fitting = 4 * jobs, [s for s in range(seeds) if fits(by_name(name), s)]
    for start in range(0, len(fitting), width):
        for found in pool.map(partial(try_seed, name), fitting[start : start + width]):
            if found is not None:
                return found
    return None


def fits(mutant: Mutant, seed: int) -> bool:
    """Whether the seed's plan has a fault in which the mutant may show."""
    return not mutant.needs or bool(mutant.needs & _marks(mutant.seed(seed)))


@cache
def _marks(seed: str) -> set[str]:
    """
    What a plan has: kinds of steps, a node that starts with its clock wrong, logs that are trimmed,
    bounds that are narrow.
    """
    plan = plan_of(seed)
    found = {str(step["do"]) for step in plan.steps}
    dies = [step for step in plan.steps if step["do"] in ("kill", "power_cut")]
    found |= {"boot_clock"} if any(step["salt"] % 4 == 0 for step in dies) else set()
    found |= {"trimmed"} if "trim_interval_s" in plan.tuning else set()
    return found | ({"narrow"} if BOUNDS.items() <= plan.tuning.items() else set())


def row(mutant: Mutant, found: Catch | None, seconds: float) -> str:
    told = "" if found is None else found.violation
    if found is not None and found.by == "story":
        told = STORIES[mutant.name].shows
    caught = f"{found.by} | {signature(told)}" if found else "**escaped** |"
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
    parser.add_argument("--replay", action="store_true", help="look for no other seeds")
    parser.add_argument(
        "--no-stories", action="store_true", help="leave out mutants that a story alone notices"
    )
    args = parser.parse_args()
    known = earlier_catches(args.known)
    wanted = [m for m in MUTANTS if not args.only or m.name in args.only]
    if args.no_stories:
        wanted = [m for m in wanted if m.name in known or m.name not in STORIES]
    escaped = []
    table = ["| bug | what it does | caught by | which shows | s |", "|---|---|---|---|---|"]
    print(*table, sep="\n")
    with ProcessPoolExecutor(args.jobs) as pool:
        trials = [pool.submit(try_again, m.name, known.get(m.name)) for m in wanted]
        for mutant, trial in zip(wanted, trials, strict=True):
            found, seconds = trial.result()
            if found is None and not args.replay and mutant.name not in STORIES:
                begun = time.monotonic()
                found = hunt(pool, mutant.name, args.seeds, args.jobs)
                seconds += time.monotonic() - begun
            if found is None:
                escaped.append(mutant.name)
            table.append(row(mutant, found, seconds))
            print(table[-1], flush=True)
    counted = len(table) - 2
    where = "the seed of the table" if args.replay else f"a seed below {args.seeds} or of the table"
    sums = f"{counted - len(escaped)} of {counted} seeded bugs are caught: by {where}, or a story."
    print(sums)
    if args.report is not None:
        command = f"`python -m tests.sim.hunt {' '.join(sys.argv[1:])}`"
        replace_section(args.report, "Seeded bugs", [command, "", sums, "", *table])
    return 1 if escaped else 0


if __name__ == "__main__":
    with_fixed_hashes("tests.sim.hunt")
    sys.exit(main())
