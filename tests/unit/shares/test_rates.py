"""Rates: nobody gets more than theirs, in a table that does not grow."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.shares.rates import Meter, Rate

RATE = Rate(10, 60.0)


def meter(rate: Rate = RATE, places: int = 1 << 10) -> Meter:
    return Meter(rate, places=places, key=b"test")


def test_a_period_s_worth_may_come_at_once_and_then_one_by_one():
    limited, now = meter(), 1000.0
    grants = [limited.take("a", now) for _ in range(12)]
    assert [grant.granted for grant in grants] == [True] * 10 + [False] * 2
    assert [grant.remaining for grant in grants[:10]] == list(range(9, -1, -1))
    assert grants[-1].wait_s == pytest.approx(6.0)
    assert not limited.take("a", now + 5.9).granted
    assert limited.take("a", now + 6.0).granted
    assert not limited.take("a", now + 6.0).granted
    assert limited.look("a", now + 66.0) == (True, 10, 0.0)


def test_others_are_not_counted():
    limited = meter()
    for _ in range(11):
        limited.take("a", 0.0)
    assert limited.take("b", 0.0) == (True, 9, 0.0)


def test_looking_takes_nothing():
    limited = meter()
    assert [limited.look("a", 5.0).remaining for _ in range(3)] == [10] * 3
    for _ in range(10):
        limited.take("a", 5.0)
    found = limited.look("a", 5.0)
    assert (found.granted, found.remaining) == (False, 0)
    assert found.wait_s == pytest.approx(6.0)


@given(
    most=st.integers(1, 50),
    steps=st.lists(st.tuples(st.integers(0, 5), st.floats(0, 30)), max_size=120),
)
@settings(deadline=None)
def test_nobody_gets_more_than_their_rate(most: int, steps: list[tuple[int, float]]):
    """In any window of *w* seconds: what one period holds, and what fills up meanwhile."""
    rate = Rate(most, 60.0)
    limited, now = meter(rate, places=16), 100.0
    granted: dict[str, list[float]] = {}
    for who, pause in steps:
        now += pause
        if limited.take(f"k{who}", now).granted:
            granted.setdefault(f"k{who}", []).append(now)
    for moments in granted.values():
        for first in range(len(moments)):
            for last in range(first, len(moments)):
                window = moments[last] - moments[first]
                assert last - first + 1 <= most * (1 + window / 60.0) + 1e-6


@given(
    most=st.integers(1, 60),
    sharers=st.integers(1, 5),
    seed=st.integers(0, 1 << 32),
)
@settings(deadline=None)
def test_nodes_that_share_grant_no_more_together_than_one_alone(most: int, sharers: int, seed: int):
    """The bound across nodes: the rate, or one for each node where that is more."""
    rng, now = random.Random(seed), 0.0
    nodes = [meter(Rate(most, 60.0), places=16) for _ in range(sharers)]
    granted = 0
    for _ in range(6 * most + 20):
        now += rng.expovariate(20.0)
        granted += rng.choice(nodes).take("a", now, sharers=sharers).granted
    assert granted <= max(most, sharers) * (1 + now / 60.0)


@pytest.mark.parametrize("most", [3, 30, 100])
def test_a_client_that_is_sent_to_each_node_in_turn_gets_all_of_it(most: int):
    """Broken: behind a load balancer a client gets a third of what it was promised."""
    nodes = [meter(Rate(most, 60.0)) for _ in range(3)]
    grants = [nodes[number % 3].take("a", 0.0, sharers=3) for number in range(2 * most)]
    assert most - 2 <= sum(grant.granted for grant in grants) <= most
    assert grants[0].remaining == most - 3, "as if the others had granted as much"


def test_sides_that_do_not_see_each_other_grant_the_rate_each():
    """What is promised of a partition."""
    together, apart = [meter() for _ in range(2)], meter()
    granted = sum(node.take("a", 0.0, sharers=2).granted for node in together for _ in range(20))
    granted += sum(apart.take("a", 0.0).granted for _ in range(20))
    assert granted == 20


def test_a_million_addresses_take_no_more_memory_than_one():
    """Broken: whoever has an IPv6 network fills the memory of a node."""
    limited = Meter(Rate(100, 60.0))
    before = limited.size_bytes
    for number in range(100_000):
        limited.take(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 0.0)
    assert limited.size_bytes == before == 8 << 20
    refused = sum(not limited.take(f"192.0.2.{number}", 0.0).granted for number in range(256))
    assert refused == 0, "others are not slowed down by a crowd of quiet ones"


def test_a_busy_tenth_of_a_crowd_slows_down_few_of_the_others():
    """The error of the table, one-sided: 1 in 100 here shares all four places with busy ones."""
    limited = Meter(Rate(2, 60.0), places=1 << 12, key=b"test")
    for number in range(1600):
        for _ in range(2):
            limited.take(f"busy{number}", 0.0)
    refused = sum(not limited.take(f"quiet{number}", 0.0).granted for number in range(2000))
    assert refused <= 40


def test_nobody_can_choose_whom_to_share_with():
    one, other = Meter(RATE, places=16), Meter(RATE, places=16)
    names = [f"k{number}" for number in range(64)]
    assert [one._places(name) for name in names] != [other._places(name) for name in names]
