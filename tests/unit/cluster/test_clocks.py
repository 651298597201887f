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
        clocks.note(NodeId(f"n{number}"), TRUTH_MS + ahead_ms, NOW_S, NOW_S, TRUTH_MS)
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
    clocks, later_s, later_ms = watch(-3000, -3000), NOW_S + 31, TRUTH_MS + 31_000
    clocks.note(NodeId("late"), later_ms, later_s, later_s, later_ms)
    assert clocks.off_ms(later_ms, later_s) == 0
    assert clocks.lag_ms(later_ms, later_s) == 0


LATER_S = NOW_S + 3600
LATER_MS = TRUTH_MS + 3_600_000


def test_a_jump_shows_while_nobody_is_heard_of():
    """A node that is cut off would stamp an hour ahead: unseen elsewhere for an hour."""
    clocks = watch(0, 10)
    assert clocks.off_ms(LATER_MS, LATER_S) == 0
    assert clocks.off_ms(LATER_MS + 3_600_000, LATER_S) == 3_600_000
    assert clocks.off_ms(LATER_MS + 399, LATER_S) == 0
    assert clocks.lag_ms(LATER_MS - 5000, LATER_S) == 5000, "behind: it denies nothing"
    clocks.note(NodeId("n0"), LATER_MS, LATER_S, LATER_S, LATER_MS)
    assert clocks.off_ms(LATER_MS + 5000, LATER_S) == 5000


def test_a_clock_that_jumped_before_its_members_went_silent_is_not_right_then():
    clocks = watch(0)
    clocks.note(NodeId("n0"), TRUTH_MS + 1000, NOW_S + 1, NOW_S + 1, TRUTH_MS + 9000)
    assert clocks.off_ms(LATER_MS + 8000, LATER_S) == 8000
    assert clocks.off_ms(LATER_MS, LATER_S) == 0, "set right"


def test_a_member_that_was_wrong_and_died_is_not_believed():
    clocks = watch(0)
    clocks.note(NodeId("n0"), TRUTH_MS - 60_000, NOW_S + 1, NOW_S + 1, TRUTH_MS + 1000)
    assert clocks.off_ms(LATER_MS, LATER_S) == 0


def test_who_has_no_members_any_more_may_set_its_clock():
    clocks = watch(0)
    clocks.forget(NodeId("n0"))
    assert clocks.off_ms(LATER_MS + 5000, LATER_S) == 0


def test_who_never_agreed_with_anybody_is_not_judged_by_that():
    clocks = watch(-60_000)
    assert clocks.off_ms(TRUTH_MS, NOW_S) == 60_000
    assert clocks.off_ms(LATER_MS, LATER_S) == 0
