"""What is waited for in vain while nothing is wrong, and for how long it could be."""

import pytest

from cluster.config import ClusterConfig
from cluster.model import Consistency
from tests.sim.history import Op
from tests.sim.plan import Plan
from tests.sim.promptness import gave_up_early
from tests.sim.shrink import with_bug
from tests.sim.world import QUIET_S

NODES = [("n0", "eu"), ("n1", "us"), ("n2", "us"), ("n3", "us")]
"""One more in the other region than hands on what n0 writes."""


def hurried() -> Plan:
    """`global` pushes, in a quiet cluster that waits less than one who greets once a second."""
    push = {"do": "push", "region": "eu", "repo": "lib/app", "tag": "v1", "layers": ["a"]}
    pushes = [{**push, "at": QUIET_S + 1.0 + number, "salt": 2 * number} for number in range(6)]
    policy = {"do": "policy", "project": "lib", "consistency": "global", "region": "eu"}
    steps = [{**policy, "at": 0.1, "salt": 0}, *pushes]
    return Plan("1", NODES, steps, tuning={"durable_timeout_s": 0.5})


def test_who_gives_up_before_all_can_have_spoken_is_told_that_it_is_unknown():
    """Broken: that a write got around and its client was told so early counts as a refusal."""
    result = with_bug(None)(hurried())
    assert result.violations == []
    assert result.failed > 0
    assert result.excused["gave up early"] == result.failed


def test_what_somebody_gave_up_early_gets_around_all_the_same():
    """Broken: the excuse hides that the write is stuck."""
    told = with_bug("relay-does-not-relay")(hurried()).violations
    assert any(text.startswith("not around within") and "OutcomeUnknown" in text for text in told)


@pytest.mark.parametrize(
    ("consistency", "error", "timeout_s", "early"),
    [
        pytest.param(Consistency.GLOBAL, "OutcomeUnknown: no", 0.5, True, id="too early"),
        pytest.param(Consistency.GLOBAL, "OutcomeUnknown: no", 1.5, False, id="late enough"),
        pytest.param(Consistency.GLOBAL, "BlobUnavailable: no", 0.5, False, id="another error"),
        pytest.param(Consistency.REGION, "OutcomeUnknown: no", 0.5, False, id="nobody far away"),
    ],
)
def test_only_what_waits_for_a_word_from_far_away_is_excused(
    consistency: Consistency, error: str, timeout_s: float, early: bool
):
    """Broken: a write that hangs is excused because its client was told so."""
    op = Op(0, "push", "eu", "lib/app", "v1", "n0:1", 20.0, consistency=consistency, error=error)
    config = ClusterConfig(copies=2, durable_timeout_s=timeout_s)
    assert gave_up_early(op, config) is early
