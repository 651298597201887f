"""Placement and the choice of sources."""

import math
import random
from collections import Counter

import pytest

from cluster.model import Digest, Member, NodeId, Region
from cluster.replication.placement import place
from cluster.replication.sources import TRIES_MAX, Sources
from cluster.routing.preference import order
from tests.builders import a_member

EU = Region("eu")


def digests(count: int) -> list[Digest]:
    return [Digest.of(str(n).encode()) for n in range(count)]


def members(*names: str) -> list[Member]:
    return [a_member(name, name[:2]) for name in names]


def many(count: int, region: str = "eu") -> list[Member]:
    return members(*(f"{region}-{n}" for n in range(count)))


(ME,) = members("ap-me")
"""In a region of its own: the others are told apart by what they draw alone."""


def ranked(digest: Digest, others: list[Member]) -> list[NodeId]:
    placed = place(digest, ME, others)
    assert placed[0] == ME.node
    return placed[1:]


def test_every_node_places_alike():
    """The order of the member table differs from node to node; the placement must not."""
    others = many(9)
    for digest in digests(50):
        assert ranked(digest, others) == ranked(digest, others[::-1])


def test_blobs_spread_evenly():
    counts = Counter(ranked(d, many(5))[0] for d in digests(5000))
    assert len(counts) == 5
    # Five sigma of a binomial distribution with p = 1/5.
    assert all(abs(count - 1000) < 5 * math.sqrt(5000 * 0.2 * 0.8) for count in counts.values())


def test_a_new_node_moves_only_what_it_wins():
    before, after = many(5), many(6)
    moved = 0
    for digest in digests(3000):
        old, new = ranked(digest, before)[0], ranked(digest, after)[0]
        if old != new:
            assert new == "eu-5"
            moved += 1
    assert abs(moved - 500) < 5 * math.sqrt(3000 / 6 * 5 / 6)


def test_a_lost_node_moves_only_what_it_had():
    for digest in digests(500):
        ranking = ranked(digest, many(6))
        left = [member for member in many(6) if member.node != "eu-3"]
        assert ranked(digest, left) == [node for node in ranking if node != "eu-3"]


def test_this_node_then_its_region_then_the_rest():
    (me,) = members("eu-me")
    for digest in digests(50):
        placed = place(digest, me, [*many(3, "us"), *many(3, "eu")])
        assert placed[0] == me.node
        assert [name[:2] for name in placed[1:]] == ["eu"] * 3 + ["us"] * 3
        assert len(set(placed)) == 7


def test_the_own_region_comes_first_and_in_each_region_the_holders():
    """P8: a neighbour may have pulled it, without telling anybody."""
    connected = members("us-1", "eu-1", "eu-2", "us-2")
    holders = {NodeId("us-1"), NodeId("eu-2"), NodeId("gone")}
    chosen = order(holders, connected, EU, random.Random(1))
    assert chosen == ["eu-2", "eu-1", "us-1", "us-2"]


def test_equal_sources_share_the_load():
    connected = members("eu-1", "eu-2", "eu-3")
    rng = random.Random(7)
    holders = {member.node for member in connected}
    counts = Counter(order(holders, connected, EU, rng)[0] for _ in range(3000))
    assert all(abs(counts[node] - 1000) < 150 for node in holders)


def asked(sources: Sources) -> list[NodeId]:
    found = []
    while (node := sources.next()) is not None:
        found.append(node)
    return found


A, B, C = NodeId("a"), NodeId("b"), NodeId("c")


def test_sources_are_asked_in_order_and_once():
    sources = Sources([A, B, C])
    assert asked(sources) == [A, B, C]


def test_a_source_that_gave_bytes_may_resume_a_bounded_number_of_times():
    """A link that breaks in the middle is worth another try; one that always breaks is not."""
    sources = Sources([A])
    tries = 0
    while (node := sources.next()) is not None:
        sources.gave(node)
        sources.broke_off(node)
        tries += 1
    assert tries == TRIES_MAX


def test_a_source_that_refused_is_not_asked_again():
    sources = Sources([A, B])
    assert sources.next() == A
    sources.broke_off(A, refused=True)
    assert asked(sources) == [B]


def test_a_source_that_said_nothing_comes_again_behind_the_others():
    """If this fails, one lost message makes a blob unavailable that its only holder would give."""
    sources = Sources([A, B])
    assert sources.next() == A
    sources.broke_off(A)
    assert asked(sources) == [B, A]


def test_a_guess_that_said_nothing_is_not_asked_again():
    sources = Sources([A, B], guesses=[A])
    assert sources.next() == A
    sources.broke_off(A)
    assert asked(sources) == [B]


def test_a_sole_giver_of_wrong_bytes_is_left_out():
    sources = Sources([A, B])
    assert sources.next() == A
    sources.gave(A)
    assert sources.mismatch() == {A}
    assert sources.cautious
    assert asked(sources) == [B]


def test_several_givers_are_asked_again_each_alone():
    sources = Sources([A, B, C])
    for node in (A, B):
        assert sources.next() == node
        sources.gave(node)
    assert sources.mismatch() == {A, B}
    assert sources.cautious
    assert asked(sources) == [C, A, B]


@pytest.mark.parametrize("seed", range(20))
def test_any_sequence_of_outcomes_ends(seed):
    """A bound on everything: no outcome keeps a transfer going for ever."""
    rng = random.Random(seed)
    sources = Sources([NodeId(str(n)) for n in range(8)])
    steps = 0
    while (node := sources.next()) is not None:
        steps += 1
        if rng.random() < 0.8:
            sources.gave(node)
        if rng.random() < 0.5:
            sources.broke_off(node, refused=rng.random() < 0.5)
        else:
            sources.mismatch()
    assert steps <= 8 * TRIES_MAX
