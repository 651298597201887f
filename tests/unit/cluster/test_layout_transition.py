"""Slots that change the layout, and what counts in between."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.errors import (
    ChangeOpen,
    LayoutError,
    LayoutInvalid,
    LayoutUnreadable,
    MemberMissing,
    RegionFixed,
    VersionTaken,
)
from cluster.layout import document, transition
from cluster.layout.changes import Add, Remove, Replace, SetSettings, SetVoters, SetWeight
from cluster.layout.document import Layout, Settings
from cluster.layout.proposal import changed, genesis
from cluster.layout.rules import MEMBERS_MAX, REMOVED_MAX
from cluster.layout.transition import Begin, Belonging, End, Forsake, Heed, Live, Stage
from cluster.model import Disk, NodeId, Region
from tests.fakes.layouts import disk, disks, layout, member, safe, with_member

EU, US = Region("eu"), Region("us")
BASE = layout("eu: a b c, us: x y z")


def begin(new: Layout, *lost: str) -> Begin:
    return Begin(document.encode(new), lost)


REPLACED = changed(
    BASE,
    Replace(NodeId("b"), member("d"), safe(BASE, "b")),
    Replace(NodeId("c"), member("e"), safe(BASE, "c")),
    SetVoters(frozenset(NodeId(n) for n in "axyzd")),
)
JOINT = Live(BASE).after(begin(REPLACED))


def test_a_change_begins_and_ends():
    live = Live(BASE)
    assert live.stage == Stage(1, 1)
    assert not live.stage.joint
    assert JOINT.stage == Stage(1, 2)
    assert JOINT.layouts == (BASE, REPLACED)
    after = JOINT.after(End(2))
    assert after.stage == Stage(2, 2)
    assert after.layouts == (REPLACED,)
    assert [live.stage, JOINT.stage, after.stage] == sorted({(1, 1), (1, 2), (2, 2)})


def test_one_change_at_a_time():
    with pytest.raises(ChangeOpen, match="the change to version 2 has not ended"):
        JOINT.after(begin(changed(REPLACED, SetWeight(NodeId("a"), 5))))


def test_two_of_one_version():
    """Both slots are decided; the second changes nothing, on any node."""
    first = changed(BASE, SetWeight(NodeId("a"), 5))
    second = changed(BASE, SetWeight(NodeId("a"), 7))
    live = Live(BASE).after(begin(first)).after(End(2))
    with pytest.raises(VersionTaken, match="version 2 is live and 2 does not follow it"):
        live.after(begin(second))


@pytest.mark.parametrize("step", [End(2), End(1), Forsake(2, ("a-disk1",))])
def test_nothing_ends_that_has_not_begun(step):
    with pytest.raises(VersionTaken):
        Live(BASE).after(step)


@pytest.mark.parametrize("step", [End(1), End(3), Forsake(3, ("a-disk1",))])
def test_a_step_is_of_the_change_that_goes_on(step):
    with pytest.raises(VersionTaken):
        JOINT.after(step)


def test_a_slot_is_judged_by_everybody():
    """Broken: whoever proposes a member in another region has it."""
    moved = with_member(changed(BASE, SetWeight(NodeId("a"), 5)), "a", region=US)
    with pytest.raises((RegionFixed, LayoutInvalid)):
        Live(BASE).after(begin(moved))
    with pytest.raises(MemberMissing):
        Live(BASE).after(begin(REPLACED, "no-such-disk"))


def test_a_later_version_of_atoll_makes_this_one_stop():
    """It must not go on by a layout that is not live any more; and knows which version it lacks."""
    data = document.encode(changed(BASE, SetWeight(NodeId("a"), 5)))
    assert data[1] == document.FORMAT
    later = data[:1] + b"\x02" + data[2:]
    with pytest.raises(LayoutUnreadable) as caught:
        Live(BASE).after(Begin(later))
    assert caught.value.version == 2
    # What would be refused anyway stops nobody.
    with pytest.raises(ChangeOpen):
        JOINT.after(Begin(later))
    with pytest.raises(VersionTaken):
        JOINT.after(End(2)).after(Begin(later))


steps = st.one_of(
    st.builds(Begin, st.binary(max_size=20), st.tuples(st.text(max_size=5))),
    st.builds(Forsake, st.integers(0, 9), st.tuples(st.text(max_size=5))),
    st.builds(End, st.integers(0, 2**40)),
)


@given(steps)
def test_a_step_is_read_as_it_was_written(step):
    assert transition.decode(transition.encode(step)) == step


@pytest.mark.parametrize(
    "data",
    [b"", b"\x92\xa3end", b"\x92\xa3fin\x01", b"\x93\xa3end\x01\x02", b"\x92\xa3end\xcc\x01"],
)
def test_another_step_is_unreadable(data: bytes):
    with pytest.raises(LayoutUnreadable):
        transition.decode(data)


@pytest.mark.parametrize(
    ("having", "enough"),
    [
        ("a b", False),
        ("b c", False),
        ("d e", False),
        ("a d", False),
        ("a b d", True),
        ("b c d e", True),
        ("a x y", False),
        ("", False),
    ],
)
def test_majorities_of_both_versions(having: str, enough: bool):
    """a, b, c become a, d, e. Broken: two majorities do not meet, and one does not know."""
    found = {Disk(NodeId(n), f"{n}-disk1") for n in having.split()}
    assert JOINT.majority(EU, found) is enough
    for alone, version in ((Live(BASE), "b c"), (Live(REPLACED), "d e")):
        assert alone.majority(EU, disks(alone.newest, version))


def test_a_reader_counts_itself_where_it_is_in_the_quorum():
    a, b, d = disk(BASE, "a"), disk(BASE, "b"), disk(REPLACED, "d")
    assert JOINT.covers(EU, a, {b, d})
    assert not JOINT.covers(EU, a, {b})
    assert not JOINT.covers(EU, d, {b})
    assert JOINT.covers(EU, d, {a, b})
    assert not JOINT.covers(EU, disk(BASE, "x"), {a})
    assert not JOINT.covers(Region("ap"), a, {a, b, d})


def test_in_a_region_that_stays_as_it_is_one_majority_is_enough():
    assert JOINT.quorums[US] == (BASE.quorum_set(US),)
    assert JOINT.majority(US, disks(BASE, "x y"))


def test_a_region_that_is_new_and_one_that_is_given_up():
    moved = changed(
        layout("eu: a b c, us: x"),
        Remove(NodeId("x"), safe(BASE, "x")),
        Add(member("p", "ap")),
        SetVoters(frozenset(NodeId(n) for n in "abp")),
    )
    live = Live(layout("eu: a b c, us: x")).after(begin(moved))
    assert live.majority(Region("ap"), disks(moved, "p"))
    assert not live.majority(US, disks(live.oldest, "x a b c"))


def test_copies_are_the_most_that_a_live_version_asks_for():
    three = changed(BASE, SetSettings(Settings(copies=3)))
    assert Live(BASE).after(begin(three)).copies == 3
    again = changed(three, SetSettings(Settings(copies=2)))
    assert Live(three).after(begin(again)).copies == 3


def test_a_copy_on_who_leaves_is_none():
    assert not JOINT.suffice(US, disks(BASE, "x") | disks(BASE, "b"))
    two = disks(BASE, "x y")
    assert JOINT.suffice(US, two)
    # c does not count as one of two, though it does for the majority of before.
    assert JOINT.suffice(EU, disks(BASE, "c a") | disks(REPLACED, "e"))


def test_events_are_taken_from_members_of_either_version():
    """U5: what only a leaving member has is still wanted."""
    assert JOINT.members == BASE.disks | REPLACED.disks
    ended = JOINT.after(End(2))
    assert disk(BASE, "b") not in ended.members
    assert Disk(NodeId("a"), "another-disk") not in ended.members


@pytest.mark.parametrize(
    ("live", "node", "belongs"),
    [
        (Live(BASE), Disk(NodeId("a"), "a-disk1"), Belonging.MEMBER),
        (Live(BASE), Disk(NodeId("a"), "a-disk2"), Belonging.STRANGER),
        (Live(BASE), Disk(NodeId("p"), "p-disk1"), Belonging.STRANGER),
        (JOINT, Disk(NodeId("b"), "b-disk1"), Belonging.MEMBER),
        (JOINT, Disk(NodeId("d"), "d-disk1"), Belonging.MEMBER),
        (JOINT.after(End(2)), Disk(NodeId("b"), "b-disk1"), Belonging.GONE),
        (JOINT.after(Forsake(2, ("a-disk1",))), Disk(NodeId("a"), "a-disk1"), Belonging.GONE),
        (JOINT.after(End(2)), Disk(NodeId("renamed"), "b-disk1"), Belonging.GONE),
    ],
)
def test_what_a_node_is_to_the_cluster(live: Live, node: Disk, belongs: Belonging):
    """U5. Broken: a member that was removed comes back with what was deleted meanwhile."""
    assert live.belonging(node) is belongs


def test_voters_count_from_the_slot_behind():
    assert JOINT.voters == REPLACED.voters


@pytest.mark.parametrize(
    ("named", "heed"),
    [
        (Stage(1, 1), Heed.REFUSE),
        (Stage(1, 2), Heed.SERVE),
        (Stage(2, 2), Heed.LEARN),
        (Stage(2, 3), Heed.LEARN),
    ],
)
def test_only_requests_of_the_own_stage_are_served(named, heed):
    assert JOINT.heed(named) is heed


FORSAKEN = JOINT.after(Forsake(2, ("a-disk1",)))
ALL = [Live(BASE), JOINT, FORSAKEN, JOINT.after(End(2)), FORSAKEN.after(End(2))]


@pytest.mark.parametrize("live", ALL)
def test_what_is_live_can_be_handed_on_without_its_slots(live: Live):
    again = Live.decode(live.encode())
    assert again.encode() == live.encode()
    assert (again.stage, again.lost, again.quorums) == (live.stage, live.lost, live.quorums)


def test_a_state_that_cannot_be_read_in_full_is_not_read():
    said = msgspec.msgpack.decode(JOINT.encode())
    wrong = [[*said, "more"], [said[0], said[0], said[2]], [said[0], said[1], ["b", "a"]], said[:2]]
    for each in wrong:
        with pytest.raises(LayoutUnreadable):
            Live.decode(msgspec.msgpack.encode(each))
    with pytest.raises(LayoutUnreadable):
        Live.decode(b"\xc1")


@pytest.mark.parametrize(
    ("before", "after", "step"),
    [
        (ALL[0], JOINT, begin(REPLACED)),
        (JOINT, FORSAKEN, Forsake(2, ("a-disk1",))),
        (JOINT, ALL[3], End(2)),
        (FORSAKEN, ALL[4], End(2)),
        (ALL[0], FORSAKEN, begin(REPLACED, "a-disk1")),
    ],
)
def test_the_step_between_two_states(before: Live, after: Live, step):
    assert before.step_to(after) == step


@pytest.mark.parametrize(
    ("before", "after"),
    [(0, 0), (0, 3), (1, 0), (1, 4), (2, 1), (2, 3), (3, 1), (3, 0), (4, 3)],
)
def test_states_that_no_step_joins(before: int, after: int):
    """Broken: a slot says that a change has ended without who was forsaken, or that none began."""
    with pytest.raises(LayoutError):
        ALL[before].step_to(ALL[after])


def test_the_largest_change_fits_into_a_slot():
    """A slot takes 1 MiB, and two versions of as many members as there can be are one command."""
    name = "n" * 55
    members = tuple(
        member(f"{name}-{n:03}", f"r{n % 9}", zone="z" * 63, store=f"{'s' * 55}-{n:03}")
        for n in range(MEMBERS_MAX)
    )
    removed = tuple(f"{'d' * 55}-{n:04}" for n in range(REMOVED_MAX))
    first = msgspec.structs.replace(genesis(members, Settings()), removed=removed)
    assert len(Live(changed(first, SetWeight(members[0].node, 7)), first).encode()) < 512 * 1024
