"""A few seeds of both families, and every plan that once showed a bug; `make sim` runs more."""

from typing import Any

import pytest

from tests.sim.identity.plan import FAMILY
from tests.sim.plan import Plan
from tests.sim.repeatable import told_by
from tests.sim.replay import OF_IDENTITY
from tests.sim.shrink import REGRESSIONS

pytestmark = pytest.mark.timeout(600)

NUMBERS = range(4)
SEEDS = [*map(str, NUMBERS), *(f"{FAMILY} {n}" for n in NUMBERS[:OF_IDENTITY])]
PLANS = {path.stem: Plan.loads(path.read_text()) for path in sorted(REGRESSIONS.glob("*.json"))}
MUTANTS = sorted(name for name, plan in PLANS.items() if "mutant" in plan.notes)
"""The others were kept when they failed; they fail until the engine is mended."""

Told = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def told() -> Told:
    """What `tests.sim.replay` says of all of them."""
    found: Told = told_by("tests.sim.replay", f"{NUMBERS.start}:{NUMBERS.stop}")
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed_holds(told: Told, seed: str):
    """Whatever the seed does to the cluster, nothing acknowledged is lost, nor let in."""
    assert told[f"seed {seed}"]["violations"] == []


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed_can_be_repeated(told: Told, seed: str):
    """If this fails, a seed that fails at night cannot be looked into in the morning."""
    assert told[f"seed {seed}"]["trace"] == told[f"seed {seed}"]["again"]


@pytest.mark.parametrize("name", PLANS)
def test_a_bug_that_was_found_stays_away(told: Told, name: str):
    assert told[name]["violations"] == []


@pytest.mark.parametrize("name", MUTANTS)
def test_its_plan_would_still_find_it(told: Told, name: str):
    """
    With the bug put back the plan has to fail as it did, or it guards nothing any more.

    If the engine's timing is all that changed, shrink another seed that notices the mutant.
    """
    wanted = PLANS[name].notes["shows"]
    assert any(text.startswith(wanted) for text in told[name]["with_bug"])
