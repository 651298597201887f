"""Changes of the layout, as operators ask for them, over whole engines."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress

import pytest

from cluster.errors import (
    CopiesAtStake,
    CopiesUnmet,
    MemberMissing,
    MemberNotDead,
    MemberUnknown,
    NewcomerAbsent,
    NotDecided,
    NotDrained,
    PlanUnknown,
    RegionFixed,
    SurvivorsUnfit,
    VersionTaken,
)
from cluster.layout.changes import (
    Add,
    Remove,
    Replace,
    SetAvailability,
    SetSettings,
    SetWeight,
    SetZone,
)
from cluster.layout.document import Availability, LayoutMember, Role, Settings, fingerprint
from cluster.layout.rows import Row
from cluster.model import Consistency, Digest, NodeId, Region, Status
from tests.fakes.fleet import Engine, Fleet, fleet

A, B, C = NodeId("a"), NodeId("b"), NodeId("c")


def rows_of(engine: Engine, *digests: Digest) -> Callable[[NodeId], AsyncGenerator[Row, None]]:
    """The blobs that some repository has, as *engine* sees their holders."""

    async def rows(node: NodeId) -> AsyncGenerator[Row, None]:
        for digest in digests:
            having = engine.cluster.having(digest)
            if node in having:
                yield Row(digest, 4, set(having))

    return rows


async def at_version(ships: Fleet, version: int) -> None:
    await ships.until(
        lambda: all(e.stage == (version, version) for e in ships.engines.values() if e.runs)
    )


async def test_everybody_goes_by_what_one_of_them_changed():
    async with fleet() as ships:
        a, b, c = await ships.trio()
        assert await b.cluster.layouts.change(SetWeight(A, 250), SetZone(C, "rack-7")) == 2
        await at_version(ships, 2)
        for engine in (a, b, c):
            layout = engine.cluster.layouts.live.newest
            assert [(m.node, m.weight, m.zone) for m in layout.members] == [
                (A, 250, ""),
                (B, 100, ""),
                (C, 100, "rack-7"),
            ]
            assert [entry.live.newest.version for entry in engine.cluster.layouts.entries][-1] == 2


async def test_a_plan_is_applied_as_it_was_shown_or_not_at_all():
    async with fleet() as ships:
        a, b, _ = await ships.trio()
        planned = await a.cluster.layouts.plan(SetWeight(B, 7))
        other = await a.cluster.layouts.plan(SetWeight(B, 9))
        assert [each.newest for each in a.cluster.layouts.plans] == [planned, other]
        with pytest.raises(PlanUnknown):
            await a.cluster.layouts.apply(planned.version, "another fingerprint")
        with pytest.raises(PlanUnknown):
            await b.cluster.layouts.apply(planned.version, fingerprint(planned))
        await b.cluster.layouts.change(SetWeight(B, 8))
        await at_version(ships, 2)
        with pytest.raises(VersionTaken):
            await a.cluster.layouts.apply(planned.version, fingerprint(planned))
        assert a.cluster.layouts.plans == []
        again = await a.cluster.layouts.plan(SetWeight(B, 7))
        await a.cluster.layouts.apply(again.version, fingerprint(again))
        assert a.cluster.layouts.live.newest == again


async def test_of_two_changes_at_once_both_come_about_one_after_the_other():
    async with fleet() as ships:
        a, b, _ = await ships.trio()
        versions = await asyncio.gather(
            a.cluster.layouts.change(SetWeight(A, 1)), b.cluster.layouts.change(SetWeight(B, 2))
        )
        assert sorted(versions) == [2, 3]
        await at_version(ships, 3)
        weights = {m.node: m.weight for m in a.cluster.layouts.live.newest.members}
        assert weights == {A: 1, B: 2, C: 100}


async def test_what_cannot_be_is_refused_before_anything_is_asked():
    async with fleet() as ships:
        a, _, _ = await ships.trio()
        layouts = a.cluster.layouts
        with pytest.raises(MemberMissing):
            await layouts.change(SetWeight(NodeId("nobody"), 1))
        with pytest.raises(CopiesUnmet):
            await layouts.change(SetSettings(Settings(copies=4)))
        with pytest.raises(MemberMissing):
            await layouts.drain(NodeId("nobody"), rows_of(a), patience_s=1.0)
        assert layouts.live.newest.version == 1


async def test_a_node_that_moved_to_another_region_is_not_added_again():
    async with fleet() as ships:
        a, _, _ = await ships.trio()
        moved = LayoutMember(C, "another-disk", Region("us"), roles=(Role.STORE,))
        with pytest.raises(RegionFixed):
            await a.cluster.layouts.plan(Replace(C, moved), lost=[C])


async def test_who_is_removed_gives_up_its_copies_first():
    async with fleet() as ships:
        a, b, c = await ships.trio(repair_pause_s=0.01)
        digest = await ships.stored(b"data", b, c)
        await a.cluster.layouts.remove(C, rows_of(a, digest), patience_s=5.0)
        assert set(a.holding(digest)) == {A, B}
        assert [m.node for m in a.cluster.layouts.live.newest.members] == [A, B]
        # The voters go with it: two of a cluster of two.
        assert {v.node for v in a.cluster.layouts.live.voters} == {A, B}


async def test_who_cannot_give_up_its_copies_stays_as_it_was():
    async with fleet() as ships:
        a, _, c = await ships.trio()  # nobody repairs
        digest = await ships.stored(b"data", c)
        with pytest.raises(CopiesAtStake):
            await a.cluster.layouts.drain(C, rows_of(a, digest), patience_s=1.0)
        member = a.cluster.layouts.live.newest.member(C)
        assert member is not None
        assert member.availability is Availability.ACTIVE


async def test_why_draining_was_given_up_is_told_though_it_cannot_be_taken_back():
    """Broken: an operator is told that nothing was decided, and not whose copies are at stake."""
    async with fleet() as ships:
        a, b, c = await ships.trio()
        digest = await ships.stored(b"data", c)

        async def rows(node: NodeId) -> AsyncGenerator[Row, None]:
            if b.runs:
                await ships.kill(b)
                await a.until_connected("c")
            yield Row(digest, 4, {node})

        ships.network.block(c.address, "tell")  # without b there is no majority
        with pytest.raises(CopiesAtStake):
            await a.cluster.layouts.drain(C, rows, patience_s=0.0)
        [line] = [line for line in a.log.lines if line.event == "member left draining"]
        assert line.fields["peer"] == C
        member = a.cluster.layouts.live.newest.member(C)
        assert member is not None
        assert member.availability is Availability.DRAINING


async def test_who_drains_gets_no_copies_and_its_own_count_no_more():
    async with fleet() as ships:
        a, b, c = await ships.trio()
        digest = await ships.stored(b"data", b, c)
        assert set(a.holding(digest)) == {B, C}
        await a.cluster.layouts.change(SetAvailability(C, Availability.DRAINING))
        await at_version(ships, 2)
        assert a.holding(digest) == [B]
        other = await ships.stored(b"other", a)
        await a.cluster.ensure_copies([(other, 5)])
        assert set(a.holding(other)) == {A, B}


async def test_without_a_majority_nothing_is_decided_and_who_is_missing_is_named():
    """Pushes are another matter: they need their own majority, not that of the voters."""
    async with fleet() as ships:
        a, b, c = await ships.trio()
        await ships.kill(b)
        await ships.kill(c)
        with pytest.raises(NotDecided) as refused:
            await a.cluster.layouts.change(SetWeight(A, 9))
        assert set(refused.value.missing) == {B, C}
        assert a.cluster.layouts.live.newest.version == 1


async def test_a_dead_member_is_removed_by_an_operators_word():
    async with fleet() as ships:
        a, b, c = await ships.trio()
        await ships.kill(c)
        await a.cluster.layouts.change(Remove(C), lost=[C])
        assert [m.node for m in b.cluster.layouts.live.newest.members] == [A, B]


async def test_a_change_goes_on_without_a_member_that_died_meanwhile():
    """D is added and dies: the change waits for it, and says so, until somebody gives it up."""
    async with fleet() as ships:
        a, b, c = await ships.trio(open_joining=False)
        d = ships.add("d", seeds=("a:1",), open_joining=False)
        ships.start(d)
        await a.until_connected("b", "c", "d")
        member = LayoutMember(d.member.node, d.member.store, Region("eu"), roles=(Role.STORE,))
        ships.network.block("d:1", "pull")
        changing = asyncio.create_task(a.cluster.layouts.change(Add(member)))
        await ships.until(lambda: a.stage == (1, 2))
        await ships.kill(d)
        await ships.kill(c)
        await asyncio.sleep(12)
        view = a.cluster.layouts.view()
        assert view is not None
        assert view.phase == "stalled"
        assert {h.node for h in view.hindrances} >= {"d"}
        await b.cluster.layouts.forsake([d.member.node])
        assert await changing == 2


async def test_who_has_come_is_added_as_it_says_itself():
    async with fleet() as ships:
        a, _, _ = await ships.trio(open_joining=False)
        layouts = a.cluster.layouts
        with pytest.raises(NewcomerAbsent, match="start it with the address of a member"):
            layouts.newcomer(NodeId("d"))
        d = ships.add("d", "us", seeds=("a:1",), open_joining=False)
        ships.start(d)
        await a.until_connected("b", "c", "d")

        def has_joined() -> bool:
            with suppress(NewcomerAbsent):
                return bool(layouts.newcomer(NodeId("d")))
            return False

        await ships.until(has_joined)
        member = layouts.newcomer(NodeId("d"), zone="rack-7", weight=5)
        assert (member.store, member.region) == (d.member.store, "us")
        assert (member.zone, member.weight, member.roles) == ("rack-7", 5, (Role.STORE,))
        await layouts.change(Add(member))
        assert layouts.live.newest.member(NodeId("d")) is not None


async def test_only_who_is_not_there_can_be_lost():
    """Broken: a member goes with what only it has, by a slip of the finger."""
    async with fleet() as ships:
        a, _, c = await ships.trio()
        layouts = a.cluster.layouts
        for node in (A, C):
            with pytest.raises(MemberNotDead):
                layouts.insist_lost(node)
        with pytest.raises(MemberUnknown):
            layouts.insist_lost(NodeId("nobody"))
        await ships.kill(c)
        await a.until(lambda s: [m.status for m in s.members if m.node == C] == [Status.DEAD])
        layouts.insist_lost(C)


async def test_who_has_not_drained_is_not_dismissed():
    async with fleet() as ships:
        a, b, c = await ships.trio(repair_pause_s=0.01)
        digest = await ships.stored(b"data", b, c)
        with pytest.raises((NotDrained, CopiesAtStake)):
            await a.cluster.layouts.dismiss(C, rows_of(a, digest))
        await a.cluster.layouts.drain(C, rows_of(a, digest), patience_s=5.0)
        await a.cluster.layouts.dismiss(C, rows_of(a, digest))
        assert a.cluster.layouts.live.newest.nodes == {A, B}


async def test_after_a_disaster_the_survivors_go_on_by_an_operators_word():
    """Broken: a cluster whose voters are gone can never be changed again."""
    async with fleet() as ships:
        a, b, c = await ships.trio()
        layouts = a.cluster.layouts
        with pytest.raises(SurvivorsUnfit, match="most voters answer"):
            await a.cluster.generations.force([A])
        await ships.kill(b)
        await ships.kill(c)
        await a.until(lambda s: not any(m.connected for m in s.members))
        with pytest.raises(SurvivorsUnfit, match="a is asked"):
            await a.cluster.generations.force([B])
        with pytest.raises(MemberMissing):
            await a.cluster.generations.force([A, NodeId("nobody")])
        version = await a.cluster.generations.force([A])
        assert layouts.live.newest.version == version
        assert layouts.live.newest.nodes == {A}
        assert await layouts.change(SetWeight(A, 9)) == version + 1


async def test_a_node_begins_alone_by_an_operators_word_and_once():
    async with fleet() as ships:
        a = ships.add("a", initial=())
        ships.start(a)
        await asyncio.sleep(1)
        with pytest.raises(NotDecided, match="there is no layout yet"):
            _ = a.cluster.layouts.live
        assert (await a.cluster.generations.begin()).nodes == {A}
        with pytest.raises(VersionTaken):
            await a.cluster.generations.begin()


async def test_nobody_waits_for_copies_on_who_is_paused():
    """It gets none that it does not have; a `global` push would wait for it for ever."""
    async with fleet() as ships:
        a, b, c = await ships.trio()
        held, new = await ships.stored(b"held", a, c), await ships.stored(b"new", a)
        await a.cluster.layouts.change(SetAvailability(C, Availability.PAUSED))
        await at_version(ships, 2)
        await a.cluster.ensure_copies([(held, 4), (new, 3)], Consistency.GLOBAL)
        assert set(a.holding(held)) == {A, B, C}
        assert set(a.holding(new)) == {A, B}
        assert b.blobs.size(new) == 3
        assert c.blobs.size(new) is None
