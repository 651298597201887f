"""What happened last, whatever the order in which it is heard of."""

import random

from cluster.model import Dot
from node.desk.recent import Ring
from node.registry.happenings import Happened, Happening


def a_push(
    stamp: int, digest: str = "", tag: str = "v1", kind: Happened = Happened.PUSH
) -> Happening:
    return Happening(stamp, Dot("a", 1, stamp), kind, "lib/app", tag, digest or f"d{stamp}", "ann")


def stamps(ring: Ring, most: int = 100) -> list[int]:
    return [each.happening.stamp for each in ring.before(None, most)]


def test_the_newest_are_kept_by_their_own_time():
    """Broken: a region that was cut off pushes what others did out of the ring."""
    ring = Ring(10)
    order = list(range(1, 41))
    random.Random(7).shuffle(order)
    for stamp in order:
        ring.add(a_push(stamp))
    assert stamps(ring) == list(range(40, 30, -1))
    assert ring.complete_after == 30


def test_what_is_told_twice_is_there_once():
    ring = Ring()
    for _ in range(2):
        for stamp in (1, 2, 3):
            ring.add(a_push(stamp))
    assert stamps(ring) == [3, 2, 1]


def test_pages_follow_each_other_while_more_comes():
    ring = Ring()
    for stamp in range(1, 8):
        ring.add(a_push(stamp))
    first = ring.before(None, 3)
    ring.add(a_push(9))
    last = first[-1].happening
    rest = ring.before((last.stamp, last.dot, last.kind), 10)
    assert [each.happening.stamp for each in (*first, *rest)] == [7, 6, 5, 4, 3, 2, 1]


def test_a_push_of_what_was_there_before_returns_to_it():
    ring = Ring()
    for stamp, digest in enumerate(("x", "x", "y", "x", "x", "z", "y"), 1):
        ring.add(a_push(stamp, digest))
    returns = [each.returns_to and each.returns_to.seq for each in ring.before(None, 10)]
    assert returns == [3, None, None, 2, None, None, None]


def test_a_deletion_stands_between_two_pushes():
    ring = Ring()
    ring.add(a_push(1, "x"))
    ring.add(a_push(2, "", kind=Happened.UNTAG))
    ring.add(a_push(3, "x"))
    ring.add(a_push(4, "x", tag="v2"))
    assert [each.returns_to for each in ring.before(None, 10)] == [None, Dot("a", 1, 1), None, None]


def test_nothing_is_kept_of_what_is_dropped():
    """Broken: the memory of a node grows with all the tags that were ever pushed."""
    ring = Ring(5)
    for stamp in range(1, 100):
        ring.add(a_push(stamp, tag=f"v{stamp}"))
        ring.add(a_push(stamp, tag=f"v{stamp}", kind=Happened.CONFLICT))
    assert len(ring.before(None, 100)) == 5
    assert ring.tags_that_had("lib/app", "d99") == {"v99"}
    assert ring.tags_that_had("lib/app", "d50") == set()
    assert len(ring._by_tag) <= 3


def test_a_start_says_how_far_back_it_is_whole():
    ring = Ring()
    ring.add(a_push(9))
    ring.start([a_push(5), a_push(6)], 4)
    assert (stamps(ring), ring.complete_after) == ([9, 6, 5], 4)
