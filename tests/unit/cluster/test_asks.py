"""Who is asked next to hold a blob."""

import random

import pytest

from cluster.model import NodeId
from cluster.replication.asks import Asks

A, B, C = NodeId("a"), NodeId("b"), NodeId("c")
PLACED = [A, B, C]


def asked(asks: Asks, wanted: int, now_s: float) -> list[NodeId]:
    """Who is chosen, and asked."""
    chosen = asks.choose(PLACED, wanted, now_s)
    for node in chosen:
        asks.begin(node, now_s)
    return chosen


def test_as_many_are_asked_as_are_wanted():
    asks = Asks(5.0)
    assert asked(asks, 2, 0.0) == [A, B]
    assert asked(asks, 2, 4.9) == []
    asks.end(B, None)
    assert asks.choose([A, C], 1, 4.9) == [], "a is being waited for"


def test_who_refuses_is_replaced_at_once_and_not_asked_again():
    asks = Asks(5.0)
    assert asked(asks, 1, 0.0) == [A]
    asks.end(A, error := OSError("full"))
    assert asks.refusals == {A: error}
    assert not asks.awaited
    assert asked(asks, 3, 1.0) == [B, C]


def test_beside_who_is_silent_the_next_is_asked():
    """Broken: a node whose disk hangs holds up every push whose blobs belong there."""
    asks = Asks(5.0)
    assert asked(asks, 1, 0.0) == [A]
    assert asks.pause_s(1.0) == 4.0
    assert asked(asks, 1, 5.0) == [B]
    assert asks.pause_s(6.0) == 4.0
    assert asks.awaited


def test_without_another_one_the_longest_silent_is_asked_once_more():
    """Broken: of two nodes one waits half a minute for a call that was lost."""
    asks = Asks(5.0)
    assert [asked(asks, 1, 5.0 * turn) for turn in range(5)] == [[A], [B], [C], [A], [B]]


def test_the_late_answer_of_a_silent_one_counts():
    asks = Asks(5.0)
    asked(asks, 1, 0.0)
    asked(asks, 1, 5.0)
    asks.end(A, None)
    assert asks.choose([B, C], 0, 6.0) == []
    assert asks.awaited, "b may answer"


@pytest.mark.parametrize("patience_s", [5.0, 5.1, 0.7])
@pytest.mark.parametrize("seed", range(20))
def test_who_pauses_as_long_as_is_said_asks_somebody_then(patience_s: float, seed: int):
    """Broken: the loop that asks spins without end where a sum of times is rounded."""
    asks, now_s = Asks(patience_s), random.Random(seed).random() * 1e5
    for _ in range(10):
        assert asked(asks, 1, now_s) != []
        for _ in range(3):
            if (pause_s := asks.pause_s(now_s)) is None:
                break
            assert pause_s > 0
            now_s += pause_s
        assert asks.pause_s(now_s) is None
