"""
From a failing seed to the shortest plan that still fails in the same way.

    python -m tests.sim.shrink 112 [--save NAME --says TEXT]
    python -m tests.sim.shrink 29 --mutant copy-on-another-disk --save restored-copies --says TEXT

With a mutant, the plan fails with that bug and holds without it: a regression test that still
tells the two apart when the engine's timing has changed.
"""

import argparse
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.sim.identity.plan import plan_of
from tests.sim.mutants import by_name, mutated
from tests.sim.plan import Plan
from tests.sim.repeatable import with_fixed_hashes
from tests.sim.simulation import Result, simulate

REGRESSIONS: Final = Path(__file__).parent / "regressions"

Run = Callable[[Plan], Result]


def signature(violation: str) -> str:
    """The kind of a violation: what stays the same while steps are dropped."""
    return re.split(r"[:\[]| at | with ", violation)[0]


def shrink(plan: Plan, fails: Callable[[Plan], bool]) -> Plan:
    """Drop steps in ever smaller runs, then nodes at the end, while the plan still fails."""
    size = max(1, len(plan.steps) // 2)
    while True:
        at, dropped = 0, False
        while at < len(plan.steps):
            fewer = replace(plan, steps=plan.steps[:at] + plan.steps[at + size :])
            if fails(fewer):
                plan, dropped = fewer, True
            else:
                at += size
        if size == 1 and not dropped:
            break
        size = max(1, size // 2)
    while len(plan.nodes) > 2:
        fewer = replace(plan, nodes=plan.nodes[:-1])
        if not fails(fewer):
            break
        plan = fewer
    return plan


def with_bug(mutant: str | None) -> Run:
    """Simulates with that bug in the engine; with None, without any."""

    def run(plan: Plan) -> Result:
        if mutant is None:
            return simulate(plan)
        with mutated(by_name(mutant)):
            return simulate(plan)

    return run


def shortest(plan: Plan, wanted: str, run: Run, holds: Run | None = None) -> tuple[Plan, Result]:
    """
    The shortest plan made of *plan* that shows a violation of the kind *wanted*, and what it shows.

    With *holds* it must show none at all when run like that.
    """

    def fails(plan: Plan) -> bool:
        told = wanted in map(signature, run(plan).violations)
        return told and (holds is None or not holds(plan).violations)

    plan = shrink(plan, fails)
    plan.notes = {"shows": wanted}
    return plan, run(plan)


def save(plan: Plan, name: str) -> Path:
    """Keep *plan* as a test."""
    REGRESSIONS.mkdir(exist_ok=True)
    path = REGRESSIONS / f"{name}.json"
    path.write_text(plan.dumps())
    return path


def tell(plan: Plan, result: Result) -> None:
    """Print the plan, what its clients saw, and what is wrong with that."""
    print(plan.dumps(), *result.history, sep="\n")
    print(*(f"VIOLATION {text}" for text in result.violations[:8]), sep="\n", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim.shrink")
    parser.add_argument("seed")
    parser.add_argument("--mutant", help="look at what this bug does, and not at the engine")
    parser.add_argument("--like", help="the kind of violation to keep; default the first")
    parser.add_argument("--save", help="keep the plan as regressions/NAME.json")
    parser.add_argument("--says", default="", help="what the kept plan shows")
    args = parser.parse_args()
    run, plan = with_bug(args.mutant), plan_of(args.seed)
    found = [signature(text) for text in run(plan).violations]
    wanted = args.like or (found[0] if found else None)
    if wanted not in found:
        print(f"seed {args.seed} shows {found or 'nothing'}")
        return 1

    plan, result = shortest(plan, wanted, run, simulate if args.mutant else None)
    plan.notes["says"] = args.says
    if args.mutant:
        plan.notes["mutant"] = args.mutant
    tell(plan, result)
    if args.save:
        save(plan, args.save)
    return 0


if __name__ == "__main__":
    with_fixed_hashes("tests.sim.shrink")
    sys.exit(main())
