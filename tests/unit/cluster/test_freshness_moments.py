"""What a node had at a moment, rounded to a later one."""

from hypothesis import given
from hypothesis import strategies as st

from cluster.freshness.moments import GRAIN_S, Moments
from cluster.model import NodeId, Origin, Vector
from cluster.vectors import covers

SPAN_S = 0.2
A, B = Origin("a", 1), Origin("b", 1)


def moments() -> Moments:
    return Moments(SPAN_S, lambda node: True)


def test_what_came_since_is_not_of_the_moment():
    kept = moments()
    kept.note({A: (0, 1)}, 10.0)
    kept.note({A: (1, 2)}, 10.1)
    assert kept.at(10.05) == {A: 1}
    assert kept.at(10.1) == {A: 2}


def test_what_comes_within_the_grain_is_one_moment():
    kept = moments()
    kept.note({A: (0, 1)}, 10.0)
    kept.note({B: (0, 1)}, 10.0 + GRAIN_S / 2)
    assert kept.at(10.0) == {A: 1, B: 1}


def test_a_moment_that_is_forgotten_is_rounded_to_the_first_that_is_known():
    kept = moments()
    for seq in range(1, 11):
        kept.note({A: (seq - 1, seq)}, 10.0 + seq * 0.1)
    assert kept.at(10.1) == {A: 8}


def test_logs_of_who_never_served_here_do_not_count():
    kept = Moments(SPAN_S, lambda node: node == NodeId("a"))
    kept.note({A: (0, 1), B: (0, 1)}, 10.0)
    kept.begin({A: 1, B: 7}, 10.5)
    assert kept.at(10.5) == {A: 1}


def test_once_others_count_all_earlier_moments_are_as_now():
    """Broken: a reader is granted that lacks what a writer wrote who counts only now."""
    kept = moments()
    kept.note({A: (0, 1)}, 10.0)
    kept.begin({A: 1, B: 7}, 10.1)
    assert kept.at(10.0) == {A: 1, B: 7}


def test_an_older_word_takes_nothing_back():
    kept = moments()
    kept.note({A: (0, 5)}, 10.0)
    kept.note({A: (0, 3)}, 10.2)
    assert kept.at(10.2) == {A: 5}


STEPS = st.lists(st.tuples(st.floats(0.0, 0.12), st.sampled_from([A, B])), min_size=1, max_size=60)


@given(STEPS, st.floats(0.0, SPAN_S))
def test_never_is_less_said_than_there_was(steps: list[tuple[float, Origin]], ago_s: float):
    """Nor more than there was a grain later, of a moment within the span."""
    kept, now = moments(), 10.0
    had: list[tuple[float, Vector]] = [(0.0, {})]
    for pause_s, origin in steps:
        now += pause_s
        before = had[-1][1].get(origin, 0)
        kept.note({origin: (before, before + 1)}, now)
        had.append((now, {**had[-1][1], origin: before + 1}))
    moment = now - ago_s
    there = next(vector for time, vector in reversed(had) if time <= moment)
    later = next(vector for time, vector in reversed(had) if time <= moment + GRAIN_S)
    said = kept.at(moment)
    assert covers(said, there)
    assert covers(later, said)


def test_covers():
    assert covers({A: 2}, {A: 2})
    assert covers({A: 3, B: 1}, {A: 2})
    assert not covers({A: 1}, {A: 2})
    assert not covers({}, {A: 1})
