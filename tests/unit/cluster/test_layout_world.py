"""Layouts change while nodes write and read: what holds whatever happens when; and seeded bugs."""

import sys
from collections.abc import Callable, Iterable
from unittest.mock import patch

import msgspec
import pytest

from cluster.layout import handover
from cluster.layout.changes import Add, Remove, Replace, SetVoters
from cluster.layout.document import Layout, Witness
from cluster.layout.handover import DRIFT, Handover, Phase
from cluster.layout.transition import Heed, Live, Stage
from cluster.model import Disk, NodeId, Region
from tests.fakes.layout_chance import Chance
from tests.fakes.layout_world import LAGGARD_S, LEASE_S, Node, Violation, World
from tests.fakes.layouts import member, safe

STEPS = 1500
RUNS = 40


def test_nothing_is_stale_or_lost_while_layouts_change():
    ended = reads = acknowledged = 0
    for seed in range(RUNS):
        try:
            world = Chance(seed).run(STEPS)
        except Violation as exc:
            pytest.fail(f"seed {seed}: {exc}")
        ended += world.ended
        reads += world.reads
        acknowledged += sum(len(events) for events in world.acknowledged.values())
    # Or the world has come to a stop, and nothing was tried.
    assert ended > 2 * RUNS
    assert reads > 20 * RUNS
    assert acknowledged > 10 * RUNS


# Seeded bugs.


def newest_only(self: Live, region, disks) -> bool:
    quorum = self.quorum_set(self.newest, region)
    return 2 * len(quorum & set(disks)) > len(quorum)


def oldest_only(self: Live, region, disks) -> bool:
    quorum = self.quorum_set(self.oldest, region) or self.quorum_set(self.newest, region)
    return 2 * len(quorum & set(disks)) > len(quorum)


def at_once(self: Handover, now: float) -> handover.View:
    return handover.View(Phase.READY, ())


def as_soon_as_met(self: Handover, now: float) -> handover.View:
    return handover.View(Phase.READY if self._met_at is not None else Phase.PULLING, ())


def serve_everybody(self: Live, named: Stage) -> Heed:
    return Heed.SERVE


needs = handover._needs


def one_giver(live: Live):
    return (need._replace(givers=frozenset(sorted(need.givers)[:1])) for need in needs(live))


def one_reader(live: Live):
    return (need._replace(number=1) for need in needs(live))


def who_leaves_is_not_asked(live: Live):
    return (need for need in needs(live) if len(need.givers) > 1 or need.readers <= need.givers)


def copies_on_who_leaves(self: Live, region, disks) -> bool:
    return self.majority(region, disks) and len(self.members & set(disks)) >= self.copies


def given_up_and_still_writing(self: Live):
    regions = {r for layout in self.layouts for r in layout.regions}
    sets = {r: {self.quorum_set(layout, r) for layout in self.layouts} for r in regions}
    return {region: tuple(s for s in found if s) for region, found in sets.items()}


@pytest.mark.parametrize(
    ("owner", "name", "wrong"),
    [
        pytest.param(Live, "majority", newest_only, id="majority of the new version only"),
        pytest.param(Live, "majority", oldest_only, id="majority of the old version only"),
        pytest.param(Handover, "view", at_once, id="v and v+2 act: a change ends at once"),
        pytest.param(Live, "heed", serve_everybody, id="requests of other stages are served"),
        pytest.param(handover, "_needs", one_reader, id="one of the new quorum has asked"),
        pytest.param(handover, "_needs", who_leaves_is_not_asked, id="who leaves is not asked"),
    ],
)
def test_chance_notices_a_seeded_bug(owner: object, name: str, wrong: Callable):
    with patch.object(owner, name, wrong):
        assert noticed(Chance(seed) for seed in range(400))


def noticed(runs: Iterable[Chance]) -> bool:
    for chance in runs:
        try:
            chance.run(STEPS)
        except Violation:
            return True
    return False


# Stories: what chance would seldom find. Each goes right, and wrong with a bug.


def replaced(world: World, **successors: str) -> list[Replace]:
    now = world.live.newest
    return [Replace(NodeId(a), member(b), safe(now, a)) for a, b in successors.items()]


def pull(world: World, readers: str, givers: str) -> None:
    for reader in readers.split():
        for giver in givers.split():
            world.pull(world.node(reader), world.node(giver))


def learn(world: World, names: str) -> None:
    for name in names.split():
        world.learn(world.node(name), len(world.lives) - 1)


def push(world: World, writer: str, *others: str) -> int:
    """Returns how many events are acknowledged now."""
    node = world.node(writer)
    world.write(node)
    for other in others:
        world.confirm(node, world.node(other))
    world.acknowledge(node)
    return sum(len(events) for events in world.acknowledged.values())


def a_reader_is_cut_off_with_leases() -> None:
    """a reads by leases of b and c, which give way to d and e, who never granted a anything."""
    world = World("eu: a b c, us: x y z")
    for granter in "bc":
        world.grant(world.node("a"), world.node(granter))
    assert world.read(world.node("a"))
    world.begin(*replaced(world, b="d", c="e"), SetVoters(frozenset(map(NodeId, "axyzd"))))
    pull(world, "d e", "b c")
    assert world.handover is not None
    if world.end():
        learn(world, "d e")
        push(world, "d", "e")
        world.read(world.node("a"))
    else:
        assert world.handover.view(world.now).phase is Phase.WAITING
        world.now += (LEASE_S + LAGGARD_S) * DRIFT
        assert world.end()
        learn(world, "d e")
        assert push(world, "d", "e") == 1
        assert not world.read(world.node("a"))


def all_ask_one_that_lacks_it() -> None:
    """b and c have it, and a does not."""
    world = World("eu: a b c, us: x y z")
    assert push(world, "b", "c") == 1
    world.begin(*replaced(world, a="d", b="e", c="f"), SetVoters(frozenset(map(NodeId, "xyzde"))))
    pull(world, "d e f", "a")
    pull(world, "x y", "a b c")
    world.now += 10
    assert not world.end()


def the_second_copy_leaves() -> None:
    """a and b have asked c for all it has, and then it confirms one more event, of p."""
    world = World("eu: a b c, ap: p")
    world.begin(Remove(NodeId("c"), safe(world.live.newest, "c")), SetVoters(frozenset("abp")))
    learn(world, "a b c p")
    pull(world, "a b p", "a b c")
    world.now += 10
    early = push(world, "p", "c")
    assert world.end()
    assert early == 0
    assert push(world, "p", "a") == 1


def a_region_is_given_up_and_comes_back() -> None:
    """p is cut off while it is being removed; its region gets another member meanwhile."""
    world = World("eu: a b c, ap: p")
    world.begin(Remove(NodeId("p"), safe(world.live.newest, "p")), SetVoters(frozenset("abc")))
    learn(world, "a b c p")
    pull(world, "a b c", "p")
    p = world.node("p")
    world.write(p)
    for other in "ab":
        world.confirm(p, world.node(other))
    world.now += 10
    assert world.end()
    world.acknowledge(p)
    world.begin(Add(member("q", "ap")))
    assert world.end()
    world.read(world.node("q"))
    assert not world.acknowledged.get(Region("ap"))


def a_disk_is_replaced_under_its_name() -> None:
    """
    b is empty, and c has never heard of what a and the disk before of b acknowledged. With the bug
    the change ends; the world goes by the same wrong sets, so it is the story that says so.
    """
    world = World("eu: a b c, us: x y z")
    assert push(world, "a", "b") == 1
    again = Replace(NodeId("b"), member("b", disk=2), safe(world.live.newest, "b"))
    first = world.node("b")
    world.begin(again, SetVoters(frozenset("acxyz")))
    learn(world, "c x y")
    pull(world, "c", "b")
    for reader in "xy":
        world.pull(world.node(reader), first)
    world.now += 10
    assert not world.end()
    pull(world, "c b", "a c")
    world.now += 10
    assert world.end()


def a_witness_is_near_to_one_and_far_from_another() -> None:
    """The layout names x for a and b, and y is nearer to b."""
    world = World("eu: a b, us: x y z", view)
    assert world.live.newest.witness(Region("eu")) == "x"
    world.grant(world.node("b"), world.node("y"))
    assert push(world, "a", "x") == 1
    assert not world.read(world.node("b"))


def view(live: Live, disk: Disk) -> Live:
    return Live(seen_by(disk, live.newest), seen_by(disk, live.oldest), live.lost)


def seen_by(disk: Disk, layout: Layout) -> Layout:
    return layout


def measured(disk: Disk, layout: Layout) -> Layout:
    nearest = NodeId("y" if disk.node == "b" else "x")
    return msgspec.structs.replace(layout, witnesses=(Witness(Region("eu"), nearest),))


def test_an_answer_that_comes_late_is_of_no_harm():
    """b and c have confirmed, then went over to the next version; a hears of it after that."""
    world = World("eu: a b c, us: x y z")
    a = world.node("a")
    world.write(a)
    for other in "bc":
        world.confirm(a, world.node(other))
    world.begin(*replaced(world, b="d", c="e"), SetVoters(frozenset(map(NodeId, "axyzd"))))
    pull(world, "d e", "b c")
    world.now += 10
    assert world.end()
    world.acknowledge(a)
    assert world.acknowledged == {"eu": {1}}
    learn(world, "d e")
    world.grant(world.node("d"), world.node("e"))
    assert world.read(world.node("d"))


def a_member_forgets_the_slot_that_it_acted_by() -> None:
    """
    What the rules rest on: b has said that it goes by the change, with the slot on its disk. Set
    back, it and a, which was cut off, are a majority of the version before.
    """
    world = World("eu: a b c, us: x y z")
    world.begin(*replaced(world, c="d"), SetVoters(frozenset(map(NodeId, "bxyzd"))))
    learn(world, "b c x y")
    pull(world, "b d x y", "b c")
    world.now += 10
    assert world.end()
    forget(world.node("b"))
    push(world, "a", "b")


def forget(node: Node) -> None:
    """What a synced disk does not."""


def set_back(node: Node) -> None:
    node.slots = 0


def names_are_enough(self: Layout, region: Region) -> frozenset[Disk]:
    """As if a disk were known by its node's name."""
    return frozenset(Disk(d.node, f"{d.node}-disk1") for d in quorum_set(self, region))


quorum_set = Layout.quorum_set

STORIES = [
    (a_reader_is_cut_off_with_leases, Handover, "view", as_soon_as_met),
    (all_ask_one_that_lacks_it, handover, "_needs", one_giver),
    (the_second_copy_leaves, Live, "suffice", copies_on_who_leaves),
    (a_region_is_given_up_and_comes_back, Live, "quorums", property(given_up_and_still_writing)),
    (
        a_witness_is_near_to_one_and_far_from_another,
        sys.modules[__name__],
        "seen_by",
        measured,
    ),
    (a_member_forgets_the_slot_that_it_acted_by, sys.modules[__name__], "forget", set_back),
    (a_disk_is_replaced_under_its_name, Layout, "quorum_set", names_are_enough),
]


@pytest.mark.parametrize(
    ("story", "owner", "name", "wrong"), STORIES, ids=[story[0].__name__ for story in STORIES]
)
def test_a_story_goes_right_and_with_its_bug_wrong(story, owner, name, wrong):
    story()
    expected = AssertionError if story is a_disk_is_replaced_under_its_name else Violation
    with patch.object(owner, name, wrong), pytest.raises(expected):
        story()
