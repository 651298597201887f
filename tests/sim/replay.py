"""
Replays the plans that are kept in regressions/, and a few seeds of both families; writes JSON for
the tests.

    python -m tests.sim.replay FIRST:END

A process of its own, for it needs a hash seed of its own (`repeatable`).
"""

import json
import sys
from typing import Any, Final

from tests.sim.identity.plan import FAMILY, plan_of
from tests.sim.plan import Plan
from tests.sim.repeatable import with_fixed_hashes
from tests.sim.shrink import REGRESSIONS, with_bug

OF_IDENTITY: Final = 2
"""Of so many seeds the plan of who may do what, too."""


def replay(plan: Plan) -> dict[str, Any]:
    """What the plan shows, and what it shows with the bug that it was kept for."""
    told: dict[str, Any] = {"violations": with_bug(None)(plan).violations}
    if mutant := plan.notes.get("mutant"):
        told["with_bug"] = with_bug(mutant)(plan).violations
    return told


def repeat(plan: Plan) -> dict[str, Any]:
    """What the plan shows, and its traces of two runs."""
    first, second = (with_bug(None)(plan) for _ in range(2))
    return {"violations": first.violations, "trace": first.trace, "again": second.trace}


def main() -> int:
    first, _, end = sys.argv[1].partition(":")
    plans = {path.stem: Plan.loads(path.read_text()) for path in sorted(REGRESSIONS.glob("*.json"))}
    seeds = range(int(first), int(end))
    names = [*map(str, seeds), *(f"{FAMILY} {seed}" for seed in seeds[:OF_IDENTITY])]
    told = {name: replay(plan) for name, plan in plans.items()}
    told |= {f"seed {name}": repeat(plan_of(name)) for name in names}
    json.dump(told, sys.stdout)
    return 0


if __name__ == "__main__":
    with_fixed_hashes("tests.sim.replay")
    sys.exit(main())
