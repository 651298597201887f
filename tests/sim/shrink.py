"""
From a failing seed to the shortest plan that still fails in the same way.

    python -m tests.sim.shrink 112 [--save NAME]
"""

import argparse
import re
import sys
from dataclasses import replace
from pathlib import Path

from tests.sim.plan import Plan, make_plan
from tests.sim.world import Result, simulate

REGRESSIONS = Path(__file__).parent / "regressions"


def signature(violation: str) -> str:
    """The kind of a violation: what stays the same while steps are dropped."""
    return re.split(r"[:\[]| at | with ", violation)[0]


def fails(plan: Plan, wanted: str) -> Result | None:
    result = simulate(plan)
    return result if wanted in map(signature, result.violations) else None


def shrink(plan: Plan, wanted: str) -> Plan:
    """Drop steps in ever smaller runs, then nodes at the end, while *wanted* still shows."""
    steps, size = plan.steps, max(1, len(plan.steps) // 2)
    while True:
        at, dropped = 0, False
        while at < len(steps):
            fewer = replace(plan, steps=steps[:at] + steps[at + size :])
            if fails(fewer, wanted):
                steps, plan, dropped = fewer.steps, fewer, True
            else:
                at += size
        if size == 1 and not dropped:
            break
        size = max(1, size // 2)
    while len(plan.nodes) > 2:
        fewer = replace(plan, nodes=plan.nodes[:-1])
        if not fails(fewer, wanted):
            break
        plan = fewer
    return plan


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim.shrink")
    parser.add_argument("seed")
    parser.add_argument("--save", help="keep the plan as regressions/NAME.json")
    parser.add_argument("--like", help="the kind of violation to keep; default the first")
    args = parser.parse_args()
    plan = make_plan(args.seed)
    result = simulate(plan)
    if not result.violations:
        print(f"seed {args.seed} holds")
        return 1
    plan = shrink(plan, args.like or signature(result.violations[0]))
    result = simulate(plan)
    print(plan.dumps())
    print(*result.history, sep="\n")
    print(*(f"VIOLATION {text}" for text in result.violations[:8]), sep="\n")
    if args.save:
        REGRESSIONS.mkdir(exist_ok=True)
        (REGRESSIONS / f"{args.save}.json").write_text(plan.dumps())
    return 0


if __name__ == "__main__":
    sys.exit(main())
