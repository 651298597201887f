"""Who is counted: the members by the layout, with the disks that it names."""

from collections.abc import Sequence

import msgspec
import pytest

from cluster.driver.roll import Roll
from cluster.layout.changes import Add, Change, Remove, Replace, SetAvailability, SetVoters
from cluster.layout.chronicle import Chronicle
from cluster.layout.document import Availability, DegradedWrites, Layout, Role
from cluster.layout.proposal import changed
from cluster.layout.transition import Live
from cluster.membership.members import Members
from cluster.membership.precedence import first_word
from cluster.model import Digest, Member, NodeId, Rumour, Standing, Status
from tests.builders import a_member
from tests.fakes.layouts import disks, layout, member, safe

NEW = ("signed", "sparse")


def gossip(node: str, region: str = "eu", disk: int = 1, features: Sequence[str] = ()) -> Member:
    """The member as it says of itself, with the disk that `layout` gives to its name."""
    said = a_member(node, region, features=features)
    return msgspec.structs.replace(said, store=f"{node}-disk{disk}")


class Known:
    """What the node `me` knows: a layout, and members of which it has heard."""

    def __init__(self, of: Layout | Live | None, me: Member | None = None) -> None:
        self.me = me or gossip("me")
        self.members = Members(self.me, 99)
        self.chronicle = Chronicle()
        self.chronicle.live = Live(of) if isinstance(of, Layout) else of
        self.roll = Roll(self.me, self.chronicle, self.members)

    def hear(self, *said: Member, connected: bool = True) -> "Known":
        for each in said:
            self.members.take(first_word(each))
            if connected:
                self.members.connect(each.node)
        return self

    def names(self, members: Sequence[Member]) -> str:
        return " ".join(sorted(m.node for m in members))


@pytest.mark.parametrize(
    ("copies", "members", "connected", "refuse", "expected"),
    [
        (2, 1, 1, False, 1),
        (2, 2, 2, False, 2),
        (2, 2, 1, False, 1),
        (2, 2, 1, True, 2),
        (2, 3, 3, False, 2),
        (2, 3, 2, False, 2),
        (2, 3, 1, False, 2),
        (3, 3, 2, False, 2),
        (3, 4, 2, False, 3),
        (1, 5, 1, False, 1),
    ],
    ids=[
        "a node of its own",
        "both of two",
        "one of two, the other away",
        "the same, refusing",
        "all of three",
        "one of three away",
        "cut off from both",
        "no more members than copies",
        "more members than copies",
        "one copy is enough",
    ],
)
def test_how_many_must_have_a_write(copies, members, connected, refuse, expected):
    names = ["me", *(f"m{n}" for n in range(members - 1))]
    degraded = DegradedWrites.REFUSE if refuse else DegradedWrites.ALLOW
    known = Known(layout(f"eu: {' '.join(names)}", copies=copies, degraded_writes=degraded))
    known.hear(*map(gossip, names[1:connected]))
    known.hear(*map(gossip, names[connected:]), connected=False)
    assert known.roll.required == expected


def test_before_there_is_a_layout_nothing_may_be_acknowledged():
    """Broken: a node that is not taken in yet acknowledges what its cluster never sees."""
    known = Known(None).hear(gossip("a"))
    assert not known.roll.has_me
    assert not known.roll.suffice([gossip("a")])
    assert known.roll.names() == known.roll.others() == known.roll.connected() == ()
    assert known.roll.quorums() == ()
    assert known.roll.places(Digest.of(b"x"), []) == []


SIX = layout("eu: me a b, us: x y z")
"""With 2 copies."""


@pytest.mark.parametrize(
    ("having", "enough"),
    [
        ("", False),
        ("a", True),
        ("a b", True),
        ("x", False),  # 2 copies, and no majority of the region
        ("x y z", False),
        ("a x", True),
    ],
)
def test_a_majority_of_the_region_has_to_have_it(having, enough):
    known = Known(SIX)
    regions = {m.node: m.region for m in SIX.members}
    said = [gossip(node, regions[NodeId(node)]) for node in having.split()]
    assert known.roll.suffice(said) is enough


def test_a_disk_that_was_replaced_does_not_count():
    """Broken: under its node's name it answers for what the earlier disk had."""
    known = Known(SIX).hear(gossip("a", disk=2), gossip("b"))
    assert not known.roll.suffice([gossip("a", disk=2)])
    assert known.names(known.roll.others()) == "b"
    assert known.names(known.roll.connected()) == "b"
    assert not known.roll.has(gossip("a", disk=2))
    assert "a" in known.roll.names()
    assert not Known(SIX, gossip("me", disk=2)).roll.has_me


def test_a_node_outside_the_layout_does_not_count():
    known = Known(SIX).hear(gossip("stranger"), gossip("a"))
    assert not known.roll.suffice([gossip("stranger")])
    assert known.names(known.roll.others()) == "a"
    assert not known.roll.may_give(gossip("stranger"))
    assert "stranger" not in known.roll.places(Digest.of(b"x"), ["me"])


def test_a_member_of_whom_nobody_has_heard_is_one():
    """Broken: who has just started takes itself for the whole cluster."""
    known = Known(SIX)
    assert known.roll.names() == ("a", "b", "x", "y", "z")
    assert known.roll.away() == {"a", "b", "x", "y", "z"}
    assert known.roll.others() == ()
    known.hear(gossip("a"), gossip("x", "us"))
    assert known.roll.away() == {"b", "y", "z"}
    assert known.roll.regions == {"eu", "us"}


def test_the_living_are_those_that_nobody_has_found_dead():
    known = Known(SIX).hear(gossip("a"), gossip("b"), connected=False)
    known.members.take(Rumour(gossip("b"), Standing(Status.DEAD, 1)))
    assert known.names(known.roll.living()) == "a"


def joint(*changes: Change, of: Layout = SIX) -> Live:
    return Live(changed(of, *changes), of)


SWAP = joint(
    Replace(NodeId("a"), member("c"), safe(SIX, "a")),
    Replace(NodeId("b"), member("d"), safe(SIX, "b")),
    SetVoters(frozenset(NodeId(n) for n in ["x", "y", "z", "me", "c"])),
)
"""In the region of `me`, c and d come for a and b."""


def test_between_two_versions_both_are_counted():
    known = Known(SWAP)
    assert not known.roll.suffice([gossip("a"), gossip("b")]), "no majority of the new one"
    assert not known.roll.suffice([gossip("c"), gossip("d")]), "none of the old one"
    assert known.roll.suffice([gossip("a"), gossip("c"), gossip("x", "us")])
    assert known.roll.quorums() == (disks(SIX, "me a b"), disks(SWAP.newest, "me c d"))
    assert known.roll.names() == ("a", "b", "c", "d", "x", "y", "z")


def test_what_is_on_who_leaves_is_no_copy_where_two_stay():
    """
    Broken: the last change leaves one disk with what was acknowledged by two; or one of the two
    dies, and the other goes on alone while the third one is still there.
    """
    three = layout("eu: me a b")
    left = joint(
        Remove(NodeId("b"), safe(three, "b")), SetVoters(frozenset({NodeId("me")})), of=three
    )
    known = Known(left).hear(gossip("a"), gossip("b"))
    assert not known.roll.is_small
    assert not known.roll.suffice([gossip("b")])
    assert known.roll.suffice([gossip("a")])
    assert Known(left).hear(gossip("b")).roll.required == 2


def test_who_was_removed_is_none_of_the_few():
    """Broken: it learns of that behind a write, and acknowledges what none of the two has."""
    known = Known(layout("eu: a b")).hear(gossip("a"), gossip("b"))
    assert not known.roll.has_me
    assert not known.roll.is_small
    assert known.roll.required == 2
    assert not known.roll.suffice([gossip("b")])
    assert known.roll.suffice([gossip("a"), gossip("b")])


def test_who_is_lost_counts_in_neither_version():
    live = Live(SWAP.newest, SIX, {"a-disk1", "c-disk1"})
    known = Known(live).hear(gossip("a"), gossip("c"))
    assert known.names(known.roll.others()) == ""
    assert "c" not in known.roll.keepers()


def test_copies_on_who_drains_do_not_count_and_it_gets_none():
    """Broken: a member is removed with copies that others rely on."""
    drains = changed(SIX, SetAvailability(NodeId("a"), Availability.DRAINING))
    pauses = changed(SIX, SetAvailability(NodeId("a"), Availability.PAUSED))
    for version, keeps in ((drains, False), (pauses, True)):
        known = Known(version).hear(gossip("a"), gossip("b"))
        assert ("a" in known.roll.keepers()) is keeps
        assert known.roll.present_keepers() == (("a", "b", "me") if keeps else ("b", "me"))
        assert known.roll.takers() == ("b", "me")
        assert "a" not in known.roll.places(Digest.of(b"x"), ["me"])
        assert known.roll.suffice([gossip("a")]), "events on it count as before"


def test_a_copy_belongs_where_the_layout_says_and_else_where_there_is_somebody():
    known = Known(SIX).hear(gossip("a"), gossip("b"), gossip("x", "us"))
    firsts = set()
    for n in range(99):
        placed = known.roll.places(Digest.of(bytes([n])), ["me"])
        assert sorted(placed) == ["a", "b", "me", "x"]
        firsts.add(next(node for node in placed if node != "me"))
    assert firsts == {"a", "b"}, "its region, by the blob"
    apart = Known(SIX).hear(gossip("x", "us"))
    assert set(apart.roll.places(Digest.of(b"x"), ["me"])) == {"me", "x"}


def test_what_is_counted_follows_layout_and_gossip():
    """Broken: what was derived once stays, and counts for another layout."""
    known = Known(layout("eu: me a"))
    assert known.roll.names() == ("a",)
    assert known.roll.connected() == ()
    known.hear(gossip("a"))
    assert known.names(known.roll.connected()) == "a"
    known.chronicle.live = Live(layout("eu: me a b"))
    assert known.roll.names() == ("a", "b")
    known.hear(gossip("b"))
    assert known.names(known.roll.connected()) == "a b"
    known.members.disconnect(NodeId("a"))
    assert known.names(known.roll.connected()) == "b"


# --- features ------------------------------------------------------------------------------------


def me_and(*others: str) -> Known:
    return Known(layout(f"eu: {' '.join(['me', *others])}"), gossip("me", features=NEW))


def test_a_feature_is_used_once_every_member_has_it():
    assert me_and().roll.uses("signed"), "alone it is the whole cluster"
    known = me_and("a", "b").hear(gossip("a", features=NEW))
    assert not known.roll.uses("signed"), "b has not been met yet and is a member all the same"
    known.hear(gossip("b", features=["sparse"]))
    assert not known.roll.uses("signed")
    assert known.roll.uses("sparse")
    known.members.greet(
        msgspec.structs.replace(gossip("b", features=NEW), epoch=2),
    )
    assert known.roll.uses("signed")
    assert not known.roll.uses("what nobody has")


def test_what_this_node_cannot_do_is_not_used():
    """A node of the version before, and all others upgraded."""
    known = Known(layout("eu: me a")).hear(gossip("a", features=NEW))
    assert not known.roll.uses("signed")


@pytest.mark.parametrize("status", [Status.ALIVE, Status.SUSPECT, Status.DEAD])
def test_who_is_dead_may_come_back_as_it_was(status: Status):
    """Broken: a member comes back to events that it cannot read."""
    known = me_and("old").hear(gossip("old"))
    known.members.take(Rumour(gossip("old"), Standing(status, 1)))
    assert not known.roll.uses("signed")


def test_who_was_removed_is_no_reason_to_wait():
    known = me_and("old").hear(gossip("old"))
    assert not known.roll.uses("signed")
    known.chronicle.live = Live(layout("eu: me"))
    assert known.roll.uses("signed")


def test_a_restarted_node_knows_what_the_absent_can_do():
    """Broken: with its memory gone it takes the others' old versions for new ones."""
    known = me_and("old")
    assert not known.roll.uses("signed"), "nobody has heard of it in this run"
    known.members.restore(Rumour(gossip("old"), Standing(Status.DEAD, 1)))
    assert not known.roll.uses("signed")


def test_who_serves_from_an_index_of_its_own():
    """Broken: a proxy answers by what it happens to have, or asks another proxy."""
    stores = layout("eu: a b, us: c")
    proxies = [Add(member(node, roles=(Role.PROXY,))) for node in ("me", "d")]
    of = changed(stores, *proxies, Add(member("e", roles=())), SetVoters(tuple("ace")))
    said = [gossip(node) for node in "abde"]
    known = Known(of).hear(*said, gossip("c", "us"))
    assert not known.roll.is_store
    assert known.names(known.roll.servers()) == "a b c"
    assert Known(layout("eu: me a")).hear(gossip("a", disk=2)).roll.servers() == ()
    assert Known(layout("eu: me a")).roll.is_store
    assert not Known(None).roll.is_store
    assert not Known(layout("eu: a b")).roll.is_store


def test_who_comes_serves_as_soon_as_it_is_a_member():
    """Broken: through the whole of a change its clients are sent to others."""
    before = layout("eu: a b c")
    coming = Live(changed(before, Add(member("me"))), before)
    assert Known(coming).roll.is_store
