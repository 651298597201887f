"""Directed worlds: none ends with a stale read, but for those beyond what is promised."""

from collections.abc import Callable

import pytest

from tests.freshness import scenarios
from tests.freshness.oracles import Violation
from tests.freshness.world import World


@pytest.mark.parametrize("scenario", scenarios.SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_nothing_stale_is_read(scenario: Callable[[], World]):
    world = scenario()
    assert world.counts["acknowledgements"] > 0, "it shows nothing"


@pytest.mark.parametrize("scenario", scenarios.LIMITS, ids=lambda scenario: scenario.__name__)
def test_a_limit_is_where_the_decision_says(scenario: Callable[[], World]):
    """What does not fail here any more is no limit: take it out of decision 28."""
    with pytest.raises(Violation, match="I1"):
        scenario()
