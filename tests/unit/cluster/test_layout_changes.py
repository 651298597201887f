"""The next version of a layout: what each change does, and whom a refusal names."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.errors import (
    CopiesAtStake,
    CopiesUnmet,
    LayoutInvalid,
    LayoutRefused,
    MemberKnown,
    MemberMissing,
    NotDrained,
    RegionFixed,
    VersionTaken,
    WitnessUnfit,
)
from cluster.layout.changes import (
    Add,
    Circumstances,
    DropRule,
    NameWitness,
    Remove,
    Replace,
    SetAvailability,
    SetRoles,
    SetRule,
    SetSettings,
    SetVoters,
    SetWeight,
    SetZone,
)
from cluster.layout.document import (
    Availability,
    DegradedWrites,
    Layout,
    RegionRule,
    Role,
    Settings,
    decode,
    encode,
)
from cluster.layout.promises import follows
from cluster.layout.proposal import changed, genesis
from cluster.layout.removal import safe_to_remove
from cluster.layout.rows import Row
from cluster.layout.rules import REMOVED_MAX, check, unmet
from cluster.model import Digest, NodeId, Region
from tests.fakes.layouts import changed_by, layout, member, safe, with_member

EU, US = Region("eu"), Region("us")
BASE = layout("eu: a b c d, us: x y z")


def N(*names: str) -> frozenset[NodeId]:
    return frozenset(NodeId(name) for name in names)


def voters(of: Layout) -> str:
    return " ".join(voter.node for voter in of.voters)


def drained(of: Layout, *nodes: str) -> Layout:
    changes = [SetAvailability(NodeId(node), Availability.DRAINING) for node in nodes]
    return changed(of, *changes)


def test_the_first_version():
    made = genesis([member("b"), member("a"), member("c", "us")], Settings())
    assert made.version == 1
    assert [m.node for m in made.members] == ["a", "b", "c"]
    assert voters(made) == "a b c"


def test_a_first_version_that_could_take_no_write_is_refused():
    settings = Settings(degraded_writes=DegradedWrites.REFUSE)
    with pytest.raises(CopiesUnmet, match="copies: 2 wanted, 1 possible"):
        genesis([member("a")], settings)
    assert unmet(genesis([member("a")], Settings()))


def test_a_member_is_added():
    made = changed(BASE, Add(member("e", zone="r1", weight=50)))
    assert made.version == 2
    added = made.member(NodeId("e"))
    assert added is not None
    assert (added.zone, added.weight, added.since) == ("r1", 50, 2)
    assert BASE.member(NodeId("e")) is None


@pytest.mark.parametrize(
    ("new", "why"),
    [
        (member("a"), "the name is taken"),
        (member("e", store="x-disk1"), "x has disk x-disk1"),
    ],
    ids=["name", "disk"],
)
def test_a_name_and_a_disk_are_given_once(new, why):
    with pytest.raises(MemberKnown, match=why) as caught:
        changed(BASE, Add(new))
    assert caught.value.node == new.node


def test_a_removed_disk_does_not_come_back():
    """U5: what is on it was deleted meanwhile, or was never acknowledged."""
    gone = changed(drained(BASE, "d"), Remove(NodeId("d"), safe(drained(BASE, "d"), "d")))
    assert gone.removed == ("d-disk1",)
    with pytest.raises(MemberKnown, match="d-disk1 was removed; it has to be empty"):
        changed(gone, Add(member("d")))
    back = changed(gone, Add(member("d", disk=2)))
    assert back.member(NodeId("d")) is not None


def test_the_oldest_removed_disks_are_forgotten():
    full = msgspec.structs.replace(BASE, removed=tuple(f"old-{n}" for n in range(REMOVED_MAX)))
    made = changed_by(full, Remove(NodeId("d")), lost=N("d"))
    assert len(made.removed) == REMOVED_MAX
    assert made.removed[0] == "old-1"
    assert made.removed[-1] == "d-disk1"


@pytest.mark.parametrize(
    "change",
    [
        lambda n: Remove(n),
        lambda n: Replace(n, member("e")),
        lambda n: SetWeight(n, 5),
        lambda n: SetZone(n, "r1"),
        lambda n: SetRoles(n, frozenset({Role.STORE})),
        lambda n: SetVoters(frozenset({n})),
        lambda n: SetAvailability(n, Availability.PAUSED),
        lambda n: NameWitness(EU, n),
    ],
)
def test_who_is_not_there_is_named(change):
    with pytest.raises(MemberMissing, match="nobody is not in the layout") as caught:
        changed(BASE, change(NodeId("nobody")))
    assert caught.value.node == "nobody"


def test_weight_and_zone():
    made = changed(BASE, SetWeight(NodeId("d"), 250), SetZone(NodeId("d"), "r9"))
    found = made.member(NodeId("d"))
    assert found is not None
    assert (found.weight, found.zone, found.since) == (250, "r9", 1)
    with pytest.raises(LayoutInvalid, match="weight 0"):
        changed(BASE, SetWeight(NodeId("d"), 0))


def test_availability_remembers_since_when():
    made = drained(BASE, "d")
    found = made.member(NodeId("d"))
    assert found is not None
    assert found.since == 2
    again = changed(made, SetAvailability(NodeId("d"), Availability.DRAINING))
    assert again.member(NodeId("d")) == found


@pytest.mark.parametrize("availability", [Availability.PAUSED, Availability.DRAINING])
def test_too_few_would_take_copies(availability):
    """Broken: the next push waits for a copy that nobody takes."""
    small = layout("eu: a b c")
    one = changed(small, SetAvailability(NodeId("a"), availability))
    with pytest.raises(CopiesUnmet, match="copies: 2 wanted, 1 possible"):
        changed(one, SetAvailability(NodeId("b"), availability))


def test_nobody_goes_before_somebody_looked():
    with pytest.raises(NotDrained, match="d cannot go: nobody has looked"):
        changed(BASE, Remove(NodeId("d")))
    with pytest.raises(NotDrained, match="nobody has looked"):
        changed(BASE, Remove(NodeId("d"), safe(BASE, "x")))


def test_a_verdict_of_another_version_says_nothing():
    """Broken: copies are counted on a member that was removed meanwhile."""
    verdict = safe(BASE, "d")
    later = changed(BASE, SetWeight(NodeId("a"), 7))
    with pytest.raises(VersionTaken):
        changed(later, Remove(NodeId("d"), verdict))


@pytest.mark.parametrize(
    "go",
    [
        lambda v: Remove(NodeId("d"), v),
        lambda v: Replace(NodeId("d"), member("e"), v),
        lambda v: Replace(NodeId("d"), member("d", disk=2), v),
        lambda v: SetRoles(NodeId("d"), frozenset({Role.PROXY}), v),
        lambda v: SetRoles(NodeId("d"), frozenset({Role.VOTER}), v),  # in place of c
    ],
    ids=["remove", "replace", "replace its disk", "become a proxy", "vote only"],
)
def test_last_copies_keep_a_member_however_it_would_go(go):
    made = drained(BASE, "d")
    heard = {m.node: 2 for m in made.members}
    rows = [
        Row(Digest.of(b"last"), 10, N("d")),
        Row(Digest.of(b"short"), 5, N("a", "d")),
        Row(Digest.of(b"enough"), 5, N("a", "x", "d")),
    ]
    with pytest.raises(CopiesAtStake, match=r"1 blobs \(10 bytes\) are nowhere else") as caught:
        changed(made, go(safe_to_remove(made, NodeId("d"), rows, heard)))
    assert (caught.value.last, caught.value.short) == (1, 1)
    with pytest.raises(CopiesAtStake, match="1 blobs would have too few copies elsewhere"):
        changed(made, go(safe_to_remove(made, NodeId("d"), rows[1:], heard)))
    verdict = safe_to_remove(made, NodeId("d"), rows[2:], heard)
    resigned = SetRoles(NodeId("c"), frozenset({Role.STORE}))
    change = go(verdict)
    votes = isinstance(change, SetRoles) and Role.VOTER in change.roles
    result = changed(made, change, *([resigned] if votes else []))
    assert "d-disk1" not in {m.store for m in result.stores()}


def test_too_few_members_would_be_left():
    """Two of two: without the second nothing could be pushed, or on one disk only."""
    small = layout("eu: a b")
    with pytest.raises(CopiesUnmet, match="copies: 2 wanted, 1 possible"):
        changed(small, Remove(NodeId("b"), safe(small, "b")), SetVoters(N("a")))


def test_what_was_unmet_may_stay_so_and_become_better():
    lone = layout("eu: a", copies=3)
    two = changed(lone, Add(member("b")), SetVoters(N("a", "b")))
    assert next(str(each) for each in unmet(two)) == "copies: 3 wanted, 2 possible"
    with pytest.raises(CopiesUnmet):
        changed(two, Remove(NodeId("b"), safe(two, "b")), SetVoters(N("a")))


def test_more_copies_than_stores_are_refused():
    small = layout("eu: a b c")
    assert changed(small, SetSettings(Settings(copies=3))).settings.copies == 3
    with pytest.raises(CopiesUnmet, match="copies: 4 wanted, 3 possible"):
        changed(small, SetSettings(Settings(copies=4)))
    with pytest.raises(CopiesUnmet, match="regions with copies: 2 wanted, 1 possible"):
        changed(small, SetSettings(Settings(regions_min=2)))


def test_the_rule_of_a_region():
    made = changed(BASE, SetRule(RegionRule(EU, 3)))
    assert made.rule(EU).copies == 3
    with pytest.raises(CopiesUnmet, match="copies in region eu: 5 wanted, 4 possible"):
        changed(BASE, SetRule(RegionRule(EU, 5)))
    with pytest.raises(CopiesUnmet, match="copies in region eu: 3 wanted, 2 possible"):
        drained(made, "a", "b")
    assert changed(made, DropRule(EU)).rules == ()
    with pytest.raises(LayoutInvalid, match="region ap, which has no store"):
        changed(BASE, SetRule(RegionRule(Region("ap"), 1)))


def test_a_rule_goes_with_its_region():
    made = changed(layout("eu: a b c, us: x"), SetRule(RegionRule(US, 1)))
    gone = changed(made, Remove(NodeId("x"), safe(made, "x")), SetVoters(N("a", "b", "c")))
    assert gone.rules == ()


def test_a_region_is_for_life():
    with pytest.raises(RegionFixed, match="d is in region eu and cannot move to us") as caught:
        changed(BASE, Replace(NodeId("d"), member("d", "us", disk=2), safe(BASE, "d")))
    assert (caught.value.node, caught.value.region, caught.value.wanted) == ("d", EU, US)


def test_whoever_proposes_it_a_document_with_a_moved_member_does_not_follow():
    moved = msgspec.structs.replace(with_member(BASE, "d", region=US), version=2)
    check(moved)
    with pytest.raises(RegionFixed):
        follows(BASE, moved)


@pytest.mark.parametrize(
    ("made", "error"),
    [
        (msgspec.structs.replace(BASE, version=1), VersionTaken),
        (msgspec.structs.replace(BASE, version=3), VersionTaken),
        (msgspec.structs.replace(BASE, version=2, members=BASE.members[1:]), MemberKnown),
        (
            msgspec.structs.replace(
                BASE,
                version=2,
                members=(
                    *BASE.members[:-1],
                    msgspec.structs.replace(member("zz"), store="z-disk1"),
                ),
            ),
            MemberKnown,
        ),
    ],
    ids=["the same", "one is missing", "a disk is not remembered", "a disk under another name"],
)
def test_what_does_not_follow(made, error):
    with pytest.raises(error):
        follows(BASE, made)


def test_a_removed_disk_stays_remembered():
    """Broken: whoever proposes the version after next brings the disk back."""
    gone = changed_by(BASE, Remove(NodeId("d")), lost=N("d"))
    after = changed(gone, SetWeight(NodeId("a"), 7))
    assert after.removed == ("d-disk1",)
    with pytest.raises(MemberKnown, match="disk d-disk1 goes without being remembered"):
        follows(gone, msgspec.structs.replace(after, removed=()))


def test_a_witness_is_measured_once_and_named():
    """
    Broken: `quorum_set` asks who is nearest now. Two nodes measure differently, and {a, x} and
    {b, y} are both majorities of the region of a and b.
    """
    one = layout("eu: a, us: x y z")
    measured = {(EU, NodeId("x")): 90.0, (EU, NodeId("y")): 30.0, (EU, NodeId("z")): 80.0}
    made = changed_by(one, Add(member("b")), distance=measured)
    assert made.witness(EU) == "y"
    # Whoever reads the slot has the same, whatever it measures itself.
    assert decode(encode(made)).quorum_set(EU) == made.quorum_set(EU)
    later = {(EU, NodeId("z")): 1.0, **dict.fromkeys(measured, 99.0)}
    assert changed_by(made, SetWeight(NodeId("a"), 5), distance=later).witness(EU) == "y"


def test_a_witness_that_goes_is_replaced_by_the_nearest():
    made = changed(layout("eu: a b, us: x y z w"), NameWitness(EU, NodeId("w")))
    measured = {(EU, NodeId("z")): 10.0, (EU, NodeId("x")): 20.0}
    others = SetVoters(N("a", "b", "x", "y", "z"))
    gone = changed_by(made, Remove(NodeId("w"), safe(made, "w")), others, distance=measured)
    assert gone.witness(EU) == "z"


def test_a_witness_is_needed_by_two_and_nobody_else():
    made = layout("eu: a b, us: x y z")
    three = changed(made, Add(member("c")))
    assert three.witnesses == ()
    with pytest.raises(WitnessUnfit, match="x cannot be witness of region eu: it needs none"):
        changed(three, NameWitness(EU, NodeId("x")))
    with pytest.raises(WitnessUnfit, match=r"a cannot be witness .* name one of x, y, z") as caught:
        changed(made, NameWitness(EU, NodeId("a")))
    assert caught.value.candidates == ("x", "y", "z")


nodes = st.sampled_from([NodeId(n) for n in "abcdexyz"])
single = st.one_of(
    st.builds(Add, st.builds(member, st.sampled_from("aefg"), st.sampled_from(["eu", "us"]))),
    st.builds(Remove, nodes),
    st.builds(Replace, nodes, st.builds(member, st.sampled_from("dfh"), disk=st.integers(1, 3))),
    st.builds(SetWeight, nodes, st.integers(-1, 300)),
    st.builds(SetZone, nodes, st.sampled_from(["", "r1", "R"])),
    st.builds(SetRoles, nodes, st.frozensets(st.sampled_from(Role))),
    st.builds(SetVoters, st.frozensets(nodes)),
    st.builds(SetAvailability, nodes, st.sampled_from(Availability)),
    st.builds(SetSettings, st.builds(Settings, st.integers(0, 4), st.integers(1, 3))),
    st.builds(NameWitness, st.sampled_from([EU, US]), nodes),
)


@settings(max_examples=60)
@given(st.lists(st.lists(single, min_size=1, max_size=2), max_size=8), st.frozensets(nodes))
def test_whatever_is_asked_for_the_next_version_is_sound_or_refused(asked, lost):
    now = layout("eu: a b c, us: x y")
    for changes in asked:
        try:
            new = changed(now, *changes, circumstances=Circumstances(lost=lost))
        except (LayoutRefused, LayoutInvalid):
            continue
        check(new)
        follows(now, new)
        assert decode(encode(new)) == new
        for member_now in new.members:
            before = now.member(member_now.node)
            assert before is None or before.region == member_now.region
        gone = now.disks - new.disks
        assert {disk.node for disk in gone} <= lost, "nobody had a verdict"
        assert {disk.store for disk in gone} <= set(new.removed)
        if not gone:
            assert len(unmet(new)) <= len(unmet(now)) or new.settings == now.settings
        now = new
