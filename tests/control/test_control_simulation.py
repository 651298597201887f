"""The control log keeps its promises in some hundred seeds; the docs record 20,000."""

from collections.abc import Callable
from typing import Final

import pytest

from tests.control import scenarios
from tests.control.hunt import KINDS
from tests.control.table import Table

SEEDS: Final = {"plan": range(60), "walk": range(150)}


@pytest.mark.parametrize("kind", SEEDS)
def test_seeds_without_a_violation(kind: str):
    results = [KINDS[kind](seed) for seed in SEEDS[kind]]
    assert {result.seed: result.violation for result in results if result.violation} == {}
    happened = {what for result in results for what in result.counts}
    assert happened >= HAPPENS[kind], "the seeds pass, and show nothing"


HAPPENS: Final = {
    "plan": {
        "wiped", "set back", "forced", "decommissioned", "live at the end", "told: Decided",
        "told: Taken", "told: NoMajority", "told: Unknown", "told: Refused", "fault: power cut",
        "fault: halves", "fault: weather", "fault: slow disk", "fault: isolate", "fault: pair",
    },
    "walk": {"set back", "wiped", "live at the end", "told: Decided", "told: Taken"},
}  # fmt: skip


@pytest.mark.parametrize("kind", SEEDS)
def test_a_seed_is_one_run(kind: str):
    assert KINDS[kind](7) == KINDS[kind](7)


@pytest.mark.parametrize("scenario", scenarios.SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_scenarios_end_well(scenario: Callable[[Table], None]):
    number = scenarios.SCENARIOS.index(scenario)
    result = scenarios.run(number)
    assert result.violation is None
    assert result.counts["slots decided"] > 1, "it shows nothing"
