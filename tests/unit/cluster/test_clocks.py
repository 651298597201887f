"""Whose clock is wrong: the median of what the members told."""

import pytest

from cluster.membership.clocks import ClockWatch
from cluster.model import NodeId

NOW_S = 100.0
TRUTH_MS = 5_000_000


def watch(*others_ms: int) -> ClockWatch:
    """One that has heard of members whose clocks are *others_ms* ahead of the truth."""
    clocks = ClockWatch(Clocks(), off_max_ms=400.0, fresh_s=30.0)
    for number, ahead_ms in enumerate(others_ms):
        note(clocks, f"n{number}", TRUTH_MS + ahead_ms, NOW_S, TRUTH_MS)
    return clocks


class Clocks:
    """Both clocks of a machine, where the test puts them."""

    def at(self, wall_ms: int, now_s: float) -> None:
        self.now_ms, self.now_s = lambda: wall_ms, lambda: now_s


def note(clocks: ClockWatch, node: str, wall_ms: int, answered_s: float, mine_ms: int) -> None:
    clocks._clock.at(mine_ms, answered_s)
    clocks.note(NodeId(node), wall_ms, answered_s)


def off_ms(clocks: ClockWatch, wall_ms: int, now_s: float) -> float:
    clocks._clock.at(wall_ms, now_s)
    return clocks.off_ms()


def lag_ms(clocks: ClockWatch, wall_ms: int, now_s: float) -> float:
    clocks._clock.at(wall_ms, now_s)
    return clocks.lag_ms()


@pytest.mark.parametrize(
    ("mine_ms", "others_ms", "off", "lag"),
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
def test_the_median_tells(mine_ms, others_ms, off, lag):
    clocks = watch(*others_ms)
    assert off_ms(clocks, TRUTH_MS + mine_ms, NOW_S) == off
    assert lag_ms(clocks, TRUTH_MS + mine_ms, NOW_S) == lag


def test_who_was_not_heard_of_lately_does_not_count():
    clocks, later_s, later_ms = watch(-3000, -3000), NOW_S + 31, TRUTH_MS + 31_000
    note(clocks, "late", later_ms, later_s, later_ms)
    assert off_ms(clocks, later_ms, later_s) == 0
    assert lag_ms(clocks, later_ms, later_s) == 0


LATER_S = NOW_S + 3600
LATER_MS = TRUTH_MS + 3_600_000


def test_a_jump_shows_while_nobody_is_heard_of():
    """A node that is cut off would stamp an hour ahead: unseen elsewhere for an hour."""
    clocks = watch(0, 10)
    assert off_ms(clocks, LATER_MS, LATER_S) == 0
    assert off_ms(clocks, LATER_MS + 3_600_000, LATER_S) == 3_600_000
    assert off_ms(clocks, LATER_MS + 399, LATER_S) == 0
    assert lag_ms(clocks, LATER_MS - 5000, LATER_S) == 5000, "behind: it denies nothing"
    note(clocks, "n0", LATER_MS, LATER_S, LATER_MS)
    assert off_ms(clocks, LATER_MS + 5000, LATER_S) == 5000


def test_a_clock_that_jumped_before_its_members_went_silent_is_not_right_then():
    clocks = watch(0)
    note(clocks, "n0", TRUTH_MS + 1000, NOW_S + 1, TRUTH_MS + 9000)
    assert off_ms(clocks, LATER_MS + 8000, LATER_S) == 8000
    assert off_ms(clocks, LATER_MS, LATER_S) == 0, "set right"


def test_a_member_that_was_wrong_and_died_is_not_believed():
    clocks = watch(0)
    note(clocks, "n0", TRUTH_MS - 60_000, NOW_S + 1, TRUTH_MS + 1000)
    assert off_ms(clocks, LATER_MS, LATER_S) == 0


def test_who_has_no_members_any_more_may_set_its_clock():
    clocks = watch(0)
    clocks.forget(NodeId("n0"))
    assert off_ms(clocks, LATER_MS + 5000, LATER_S) == 0


def test_who_never_agreed_with_anybody_is_not_judged_by_that():
    clocks = watch(-60_000)
    assert off_ms(clocks, TRUTH_MS, NOW_S) == 60_000
    assert off_ms(clocks, LATER_MS, LATER_S) == 0
