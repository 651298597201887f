"""Whose clock is wrong: the median of what the members told."""

import pytest

from cluster.membership.clocks import ClockWatch
from cluster.model import NodeId

NOW_S = 100.0
TRUTH_MS = 5_000_000


def watch(*others_ms: int) -> ClockWatch:
    """One that has heard of members whose clocks are *others_ms* ahead of the truth."""
    clocks = ClockWatch(off_max_ms=400.0, fresh_s=30.0)
    for number, ahead_ms in enumerate(others_ms):
        clocks.note(NodeId(f"n{number}"), TRUTH_MS + ahead_ms, NOW_S, NOW_S)
    return clocks


@pytest.mark.parametrize(
    ("mine_ms", "others_ms", "off_ms", "lag_ms"),
    [
        pytest.param(-3000, (), 0, 0, id="alone: nothing to compare with"),
        pytest.param(-3000, (0, 0), -3000, 3000, id="behind a majority"),
        pytest.param(3000, (0, 0), 3000, -3000, id="ahead of a majority"),
        pytest.param(0, (0, 3000), 0, 0, id="another one is wrong"),
        pytest.param(-200, (0, 0), 0, 200, id="a little behind: it writes"),
        pytest.param(-3000, (0,), 0, 3000, id="of two the one behind may write, and may lag"),
        pytest.param(3000, (0,), 3000, 0, id="of two the one ahead may not write"),
        pytest.param(-3000, (0, -3000, 0), 0, 3000, id="two against two"),
    ],
)
def test_the_median_tells(mine_ms, others_ms, off_ms, lag_ms):
    clocks = watch(*others_ms)
    assert clocks.off_ms(TRUTH_MS + mine_ms, NOW_S) == off_ms
    assert clocks.lag_ms(TRUTH_MS + mine_ms, NOW_S) == lag_ms


def test_who_was_not_heard_of_lately_does_not_count():
    clocks = watch(0, 0)
    wrong_ms = TRUTH_MS + 31_000 - 3000
    assert clocks.off_ms(wrong_ms, NOW_S + 31) == 0
    assert clocks.lag_ms(wrong_ms, NOW_S + 31) == 0
