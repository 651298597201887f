"""Nodes that go by different layouts confirm nothing to each other, over whole engines."""

import asyncio

import pytest

from cluster.errors import PeerRefused, StageDiffers
from cluster.layout.changes import SetWeight
from cluster.messages import NO_STAGE, PushAnswer, Stage
from cluster.model import Event, NodeId
from tests.fakes.fleet import PATIENCE_S, Engine, Fleet, fleet

A, B, D = NodeId("a"), NodeId("b"), NodeId("d")


async def one_to_push(ships: Fleet, writer: Engine, other: Engine) -> list[Event]:
    """An event that *writer* has and *other* has not."""
    ships.network.block(other.address, "push")
    dot = writer.records.write("x")
    return list(writer.records.events_after(dot.origin, dot.seq - 1, max_bytes=1000))


async def test_a_push_of_an_earlier_stage_is_taken_and_confirms_nothing():
    """Broken: a write is acknowledged by a version that has ended."""
    async with fleet() as ships:
        a, b, _ = await ships.trio(antientropy_interval_s=1000.0)
        (event,) = await one_to_push(ships, b, a)
        assert await a.cluster.service.push(B, NO_STAGE, [event]) == PushAnswer({})
        assert a.records.knows(event.dot), "it is news all the same"
        again = await a.cluster.service.push(B, b.stage, [event])
        assert again.have == {event.origin: event.dot.seq}


async def test_a_push_of_a_later_stage_confirms_nothing_before_it_is_learned():
    async with fleet() as ships:
        a, b, _ = await ships.trio(antientropy_interval_s=1000.0)
        (event,) = await one_to_push(ships, b, a)
        assert await a.cluster.service.push(B, Stage(8, 9), [event]) == PushAnswer({})
        assert a.records.knows(event.dot)


@pytest.mark.parametrize("stage", [NO_STAGE, Stage(1, 2), Stage(9, 9)])
async def test_a_pull_of_another_stage_is_refused(stage: Stage):
    """Broken: who pulls takes over what the earlier version acknowledged, and lacks the rest."""
    async with fleet() as ships:
        a, _ = await ships.pair()
        a.records.write("x")
        with pytest.raises(StageDiffers, match="a goes by versions 1 of the layout, not by"):
            await anext(a.cluster.service.pull(B, stage, {}))
        assert await anext(a.cluster.service.pull(B, a.stage, {}))


async def test_a_later_stage_is_learned_before_it_is_served():
    """Broken: each change of the layout costs pulls until all have heard of it."""
    async with fleet() as ships:
        a, b, _ = await ships.trio()
        a.records.write("x")
        ships.network.block(b.address, "tell")
        changing = asyncio.create_task(a.cluster.layouts.change(SetWeight(A, 7)))
        await ships.until(lambda: a.stage > b.stage)
        pulled = asyncio.create_task(anext(b.cluster.service.pull(A, a.stage, {})))
        await asyncio.sleep(0.3)
        assert not pulled.done()
        assert b.stage == (1, 1)
        ships.network.unblock(b.address, "tell")
        async with asyncio.timeout(PATIENCE_S):
            (event,) = await pulled
            assert event.dot.node == A
            assert b.stage > (1, 1)
            await changing


async def test_a_round_that_a_change_of_the_layout_meets_begins_again():
    """Broken: each change of the layout has reads refused that ask the region then."""
    async with fleet() as ships:
        a, b, c = await ships.trio(antientropy_interval_s=1000.0)
        await ships.until(lambda: a.statistics.current)
        for other in (b, c):
            ships.network.block(other.address, "pull")
        asking = asyncio.create_task(a.ask_region())
        changing = asyncio.create_task(a.cluster.layouts.change(SetWeight(A, 7)))
        await ships.until(lambda: a.stage > (1, 1))
        assert not asking.done()
        for other in (b, c):
            ships.network.unblock(other.address, "pull")
        async with asyncio.timeout(PATIENCE_S):
            assert await asking
            await changing


async def test_events_come_from_members_only():
    """Broken: what a removed disk, or a stranger, has been keeping comes back (U5)."""
    async with fleet() as ships:
        a, _ = await ships.pair(open_joining=False)
        d = ships.add("d", seeds=("a:1",), open_joining=False)
        d.records.write("x")
        ships.start(d)
        await ships.until(lambda: "d" in a.connected())
        events = list(d.records.events_after(d.records.origin, 0, max_bytes=1000))
        with pytest.raises(PeerRefused, match="d is no member by the layout"):
            await a.cluster.service.push(D, a.stage, events)
        with pytest.raises(PeerRefused, match="nobody is no member by the layout"):
            await a.cluster.service.push(NodeId("nobody"), a.stage, events)
        await asyncio.sleep(1.0)
        assert d.records.origin not in a.records.vector(), "nor is it pulled"
        assert not d.cluster.is_joined()
