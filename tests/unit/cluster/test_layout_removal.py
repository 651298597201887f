"""May a member go? By who says to hold which blob."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.errors import CopiesAtStake, MemberMissing, NotDrained
from cluster.layout.changes import SetAvailability, SetSettings
from cluster.layout.document import Availability, Layout, Settings
from cluster.layout.proposal import changed
from cluster.layout.removal import EXAMPLES_MAX, Verdict, safe_to_remove
from cluster.layout.rows import Row
from cluster.model import Digest, NodeId
from tests.fakes.layouts import digests, layout

BASE = layout("eu: a b c, us: x y z")
D = NodeId("c")
"""Who is to go."""

DRAINED = changed(BASE, SetAvailability(D, Availability.DRAINING))
HEARD = {m.node: 2 for m in DRAINED.members}


def row(holders: str, size: int = 1, name: str = "blob") -> Row:
    return Row(Digest.of(name.encode()), size, [NodeId(n) for n in holders.split()])


def judged(*rows: Row, of: Layout = DRAINED, **known) -> Verdict:
    return safe_to_remove(of, D, rows, known.pop("heard", HEARD), **known)


@pytest.mark.parametrize(
    ("holders", "last", "short"),
    [
        ("c", 1, 0),
        ("a c", 0, 1),
        ("a b c", 0, 0),
        ("a c x", 0, 0),
        ("a", 0, 0),
        ("", 0, 0),
        ("c gone", 1, 0),
        ("c gone1 gone2", 1, 0),
    ],
)
def test_copies_count_on_members_that_stay(holders: str, last: int, short: int):
    found = judged(row(holders, 7))
    assert (found.last, found.short) == (last, short)
    assert (found.last_bytes, found.short_bytes) == (7 * last, 7 * short)
    assert found.safe is not bool(last or short)


def test_a_member_that_drains_does_not_count():
    """Broken: two that go together each count on the other."""
    both = changed(DRAINED, SetAvailability(NodeId("b"), Availability.DRAINING))
    heard = dict.fromkeys(HEARD, 3)
    assert safe_to_remove(both, D, [row("b c")], heard).last == 1
    assert safe_to_remove(both, NodeId("b"), [row("b c")], heard).last == 1
    paused = changed(DRAINED, SetAvailability(NodeId("b"), Availability.PAUSED))
    assert safe_to_remove(paused, D, [row("a b c")], heard).safe


def test_a_disk_that_does_not_answer_may_be_gone():
    assert judged(row("a b c"), answering={NodeId("a"), NodeId("x")}).short == 1
    assert judged(row("b c"), answering={NodeId("a")}).last == 1


def test_as_many_copies_as_can_be():
    """In a cluster of two nobody can have two copies without the one that goes."""
    two = layout("eu: a c")
    with_one = changed(two, SetSettings(Settings(copies=1)))
    draining = changed(with_one, SetAvailability(D, Availability.DRAINING))
    assert safe_to_remove(draining, D, [row("a c")], {NodeId("a"): 3, D: 3}).safe


def test_in_as_many_regions_as_asked_for():
    spread = changed(DRAINED, SetSettings(Settings(regions_min=2)))
    heard = dict.fromkeys(HEARD, 3)
    assert safe_to_remove(spread, D, [row("a b c")], heard).short == 1
    assert safe_to_remove(spread, D, [row("a c x")], heard).safe


def test_who_does_not_drain_may_get_copies_meanwhile():
    found = judged(row("a b c"), of=BASE)
    assert not found.safe
    with pytest.raises(NotDrained, match="c cannot go: it does not drain"):
        found.insist()


def test_a_region_that_may_not_know_still_counts_on_it():
    """
    Broken: x, y and z are cut off, and acknowledge with a copy on c, which is being removed.
    """
    found = judged(row("a b c"), heard={n: v for n, v in HEARD.items() if n not in ("y", "z")})
    assert found.unheard == ("us",)
    assert not found.safe
    with pytest.raises(NotDrained, match="too few of region us have said that they know"):
        found.insist()
    assert judged(heard={**HEARD, NodeId("z"): 1}).safe, "two of three are enough"
    assert judged(heard={**HEARD, NodeId("y"): 1, NodeId("z"): 1}).unheard == ("us",)
    assert judged(heard={}).unheard == ("eu", "us")


def test_later_versions_know_it_as_well():
    """What counts is since when it drains, not which version is live."""
    later = changed(DRAINED, SetSettings(Settings(copies=3)))
    assert safe_to_remove(later, D, [], HEARD).safe


def test_the_last_copies_are_told_first():
    with pytest.raises(CopiesAtStake):
        judged(row("c"), of=BASE).insist()


def test_some_blobs_are_named():
    many = [Row(digest, 1, [D]) for digest in digests(3 * EXAMPLES_MAX)]
    found = judged(*many)
    assert found.last == 3 * EXAMPLES_MAX
    assert found.examples == tuple(r.digest for r in many[:EXAMPLES_MAX])


def test_a_stranger_has_no_verdict():
    with pytest.raises(MemberMissing):
        safe_to_remove(BASE, NodeId("stranger"), [], HEARD)


holders = st.frozensets(st.sampled_from([NodeId(n) for n in ["a", "b", "c", "x", "y", "gone"]]))


@given(st.lists(holders, max_size=20), st.frozensets(st.sampled_from("abxyz")))
def test_what_is_called_safe_is_so(held: list[frozenset[NodeId]], answering: frozenset[str]):
    """Judged again without the layout: two that stay, and answer, have each blob."""
    rows = [Row(digest, 1, h) for digest, h in zip(digests(len(held)), held, strict=True)]
    found = judged(*rows, answering=answering)
    staying = [h & answering & set("abxyz") for h in held if D in h]
    assert found.safe == all(len(nodes) >= 2 for nodes in staying)
    assert found.last == sum(not nodes for nodes in staying)
