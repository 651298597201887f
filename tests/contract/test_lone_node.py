"""
The promises that the engine makes to the registry and to operators, as far as a node without peers
can keep them: of `Gate`, `BlobCopies`, `ClusterView`, `LayoutFace` and `GenerationFace`.

Held by the engine, and by what stands in for it in the tests of the API.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass

import pytest

from cluster.errors import (
    BlobUnavailable,
    MemberNotDead,
    NewcomerAbsent,
    PlanUnknown,
    UnknownRegion,
    VersionTaken,
)
from cluster.layout import Row
from cluster.layout.changes import SetWeight
from cluster.layout.document import fingerprint
from cluster.model import Consistency, Digest, Dot, NodeId, Region
from node.admin.context import GenerationFace, LayoutFace
from node.registry.ports import BlobCopies, ClusterView, Gate
from tests.fakes.fleet import PATIENCE_S, fleet
from tests.fakes.replicator import SoloReplicator, SoloView
from tests.fakes.solo_layouts import SoloLayouts

SOLO, LOCAL = NodeId("solo"), Region("local")
DATA = b"a blob"
HELD, NOBODYS = Digest.of(DATA), Digest.of(b"nobody has it")


@dataclass
class Lone:
    """A node without peers, by its faces. It holds one blob, and has written one event."""

    gate: Gate
    copies: BlobCopies
    view: ClusterView
    layouts: LayoutFace
    generations: GenerationFace
    rows: Callable[[NodeId], AsyncGenerator[Row, None]]
    written: Dot


@pytest.fixture(params=["engine", "stand-in"])
async def lone(request: pytest.FixtureRequest) -> AsyncIterator[Lone]:
    if request.param == "stand-in":
        replicator, layouts = SoloReplicator(), SoloLayouts(SOLO)
        layouts.held.append(Row(HELD, len(DATA), {SOLO}))
        yield Lone(
            replicator, replicator, SoloView(), layouts, layouts, layouts.rows, Dot(SOLO, 1, 1)
        )
        return
    async with fleet() as ships:
        engine = ships.add(SOLO, LOCAL, copies=1)
        ships.start(engine)
        async with asyncio.timeout(PATIENCE_S):
            await engine.cluster.wait_joined()
            await engine.put(DATA)
            written = engine.records.write("x")
            cluster = engine.cluster
            yield Lone(
                cluster,
                cluster,
                cluster,
                cluster.layouts,
                cluster.generations,
                engine.rows,
                written,
            )


# --- the registry's -------------------------------------------------------------------------------


async def test_it_may_read_and_write(lone: Lone):
    await lone.gate.ensure_joined()
    assert await lone.gate.ensure_current() is True
    assert await lone.gate.ensure_current(patient=True) is True
    for near in (True, False):
        await lone.gate.catch_up(near=near)
    for consistency in Consistency:
        lone.gate.check_writable(consistency)


@pytest.mark.parametrize("consistency", Consistency)
async def test_durable_here_is_durable_everywhere(lone: Lone, consistency: Consistency):
    assert await lone.gate.wait_durable(lone.written, consistency) == (1, 1)


@pytest.mark.parametrize("consistency", Consistency)
async def test_one_copy_is_enough(lone: Lone, consistency: Consistency):
    lone.copies.replicate(HELD, len(DATA))
    named = [(HELD, len(DATA))]
    assert await lone.copies.ensure_copies(named, consistency) == 1
    assert await lone.copies.ensure_copies([], consistency) is None
    assert await lone.copies.lacks_copies(named, consistency) is False


async def test_what_is_not_here_is_nowhere(lone: Lone):
    with pytest.raises(BlobUnavailable) as met:
        async with lone.copies.fetch(NOBODYS, 4):
            pass
    assert met.value.digest == NOBODYS


async def test_an_event_is_where_it_was_written(lone: Lone):
    for regions in (None, [LOCAL]):
        spread = await lone.view.wait_for(lone.written, regions, 0.1)
        assert [(state.node, state.region) for state in spread.nodes] == [(SOLO, LOCAL)]
        assert not spread.missing
    with pytest.raises(UnknownRegion):
        await lone.view.wait_for(lone.written, [Region("nowhere")], 0.1)


async def test_it_tells_of_itself(lone: Lone):
    told = lone.view.statistics()
    assert (told.node, told.region, told.joined, told.current) == (SOLO, LOCAL, True, True)
    assert (list(told.members), told.damaged, told.restoring) == ([], False, None)


# --- the operators' -------------------------------------------------------------------------------


async def test_a_change_is_a_version(lone: Lone):
    before = lone.layouts.live.newest
    assert [member.node for member in before.members] == [SOLO]
    version = await lone.layouts.change(SetWeight(SOLO, 7))
    assert version == before.version + 1
    await until_live(lone, version)
    [member] = lone.layouts.live.newest.members
    assert member.weight == 7
    slots = [entry.slot for entry in lone.layouts.entries]
    assert slots == sorted(set(slots))
    assert lone.layouts.entries[-1].live == lone.layouts.live


async def test_a_plan_changes_nothing_until_it_is_applied(lone: Lone):
    before = lone.layouts.live.newest
    planned = await lone.layouts.plan(SetWeight(SOLO, 8))
    assert lone.layouts.live.newest == before
    assert [plan.newest for plan in lone.layouts.plans] == [planned]
    with pytest.raises(PlanUnknown):
        await lone.layouts.apply(planned.version, "another one")
    [kept] = lone.layouts.plans
    await lone.layouts.apply(planned.version, fingerprint(kept.newest))
    await until_live(lone, planned.version)
    assert lone.layouts.live.newest == planned
    assert list(lone.layouts.plans) == []


async def test_who_is_no_member_is_told_apart(lone: Lone):
    with pytest.raises(NewcomerAbsent):
        lone.layouts.newcomer(NodeId("nobody"))
    with pytest.raises(MemberNotDead):
        lone.layouts.insist_lost(SOLO)


async def test_the_last_copies_are_at_stake(lone: Lone):
    verdict = await lone.layouts.verdict(SOLO, lone.rows)
    assert (verdict.node, verdict.last, verdict.safe) == (SOLO, 1, False)


async def test_what_has_begun_does_not_begin_again(lone: Lone):
    with pytest.raises(VersionTaken):
        await lone.generations.begin()


async def until_live(lone: Lone, version: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while lone.layouts.live.newest.version < version or lone.layouts.view() is not None:
            await asyncio.sleep(0.01)
