"""How far a write has to be: `local`, `region`, `global`; and waiting until it is somewhere."""

import asyncio
from collections.abc import Awaitable

import pytest

from cluster.errors import BlobUnavailable, NotDurable, NotEnoughNodes, UnknownRegion
from cluster.model import Acknowledged, Consistency, Dot, NodeId, Region, Spread, SpreadNode, Status
from tests.fakes.fleet import FAST_DETECTOR, Engine, Fleet, fleet

EU, US = Region("eu"), Region("us")
LOCAL, REGION, GLOBAL = Consistency


# --- rules ---------------------------------------------------------------------------------------


def test_only_too_few_nodes_are_degraded():
    assert Acknowledged(1, 2).degraded
    assert not Acknowledged(2, 2).degraded


def state(node: str, region: Region, *, live: bool = True, has: bool = True) -> SpreadNode:
    return SpreadNode(NodeId(node), region, live, has)


@pytest.mark.parametrize(
    ("nodes", "missing"),
    [
        ([state("a", EU)], []),
        ([state("a", EU), state("b", EU, has=False)], ["b"]),
        ([state("a", EU), state("b", EU, live=False, has=False)], []),
        ([state("a", EU), state("b", US, live=False)], ["b"]),
        ([state("a", EU), state("b", US, live=False, has=False), state("c", US)], []),
    ],
    ids=["there", "lacking", "dead, others have it", "a region without nodes", "one is enough"],
)
def test_an_event_is_there_when_every_live_node_has_it(nodes, missing):
    found = Spread.of(nodes, None)
    assert [s.node for s in found.missing] == missing
    assert found.complete == (not missing)


def test_other_regions_do_not_count():
    nodes = [state("a", EU), state("b", US, has=False)]
    assert Spread.of(nodes, [EU]).complete
    assert not Spread.of(nodes, [EU, US]).complete
    assert Spread.of(nodes, [EU]) == Spread((nodes[0],))


@pytest.mark.parametrize(
    "text", ["", "a/1", "a/1/x", "A/1/2", "a/1/2/3", "a/-1/2", "a/1/" + "9" * 20]
)
def test_what_is_no_event(text):
    with pytest.raises(ValueError, match="NODE/EPOCH/SEQUENCE"):
        Dot.parse(text)


def test_an_event_is_named_as_it_is_printed():
    dot = Dot("eu-1.rack", 1 << 60, 7)
    assert Dot.parse(str(dot)) == dot


# --- engines -------------------------------------------------------------------------------------


async def test_local_waits_for_nobody_and_makes_no_copies():
    async with fleet() as ships:
        a, b, c = await ships.trio(durable_timeout_s=0.2)
        b.records.disk.clear()
        c.records.disk.clear()
        digest = await a.put(b"x" * 2000)
        assert await a.cluster.ensure_copies([(digest, 2000)], LOCAL) == 1
        dot = a.records.write("x")
        assert not (await a.cluster.wait_durable(dot, LOCAL)).degraded
        with pytest.raises(NotDurable):
            await a.cluster.wait_durable(dot, REGION)
        assert a.statistics.totals.degraded == 0
        b.records.disk.set()
        c.records.disk.set()


async def test_global_waits_for_every_live_node_and_copies_blobs_to_all():
    async with fleet() as ships:
        a, b, c = await ships.trio("eu", "us", "ap")
        digest = await a.put(b"x" * 2000)
        assert await a.cluster.ensure_copies([(digest, 2000)], GLOBAL) == 3
        assert b.blobs.size(digest) == c.blobs.size(digest) == 2000
        c.records.disk.clear()
        dot = a.records.write("x")
        async with asyncio.TaskGroup() as group:
            wait = group.create_task(a.cluster.wait_durable(dot, GLOBAL))
            await a.cluster.wait_durable(dot, REGION)
            assert not wait.done()
            c.records.disk.set()
        assert c.records.knows(dot)
        assert wait.result() == (3, 2)


async def test_global_is_not_acknowledged_without_a_live_node():
    async with fleet() as ships:
        a, _, c = await ships.trio("eu", "us", "ap", durable_timeout_s=0.1)
        c.records.disk.clear()
        with pytest.raises(NotDurable):
            await a.cluster.wait_durable(a.records.write("x"), GLOBAL)
        c.records.disk.set()


async def test_global_waits_for_a_living_member_that_is_cut_off_from_here():
    """If this fails, its clients read the old tag after `global` said that it is everywhere."""
    async with fleet() as ships:
        a, b, _ = await ships.trio("eu", "us", "ap", durable_timeout_s=0.2)
        ships.network.cut("a:1", "c:1")
        await a.until_connected("b")
        digest = await a.put(b"x" * 2000)
        with pytest.raises(NotEnoughNodes) as refused:
            await a.cluster.ensure_copies([(digest, 2000)], GLOBAL)
        assert (refused.value.connected, refused.value.wanted) == (2, 3)
        with pytest.raises(NotDurable):
            await a.cluster.wait_durable(a.records.write("x"), GLOBAL)
        await a.cluster.wait_durable(a.records.write("y"), REGION)
        assert b.connected() == {"a", "c"}


async def test_global_does_not_wait_for_the_dead():
    async with fleet() as ships:
        a, _, c = await ships.trio("eu", "us", "ap", **FAST_DETECTOR)
        await ships.kill(c)
        await until_dead(ships, "c", a)
        digest = await a.put(b"x" * 2000)
        assert await a.cluster.ensure_copies([(digest, 2000)], GLOBAL) == 2
        await a.cluster.wait_durable(a.records.write("x"), GLOBAL)


async def test_who_was_dead_lacks_the_copies_of_a_global_write_when_it_is_back():
    """If this fails, a push is acknowledged without who came back while it waited."""
    async with fleet() as ships:
        a, _, c = await ships.trio("eu", "us", "ap", **FAST_DETECTOR)
        await ships.kill(c)
        await until_dead(ships, "c", a)
        blobs = [(await a.put(b"x" * 2000), 2000)]
        await a.cluster.ensure_copies(blobs, GLOBAL)
        assert not await a.cluster.lacks_copies(blobs, GLOBAL)
        ships.restart(c)
        await a.until_connected("b", "c")
        assert await a.cluster.lacks_copies(blobs, GLOBAL)
        assert not await a.cluster.lacks_copies(blobs, REGION)
        await a.cluster.ensure_copies(blobs, GLOBAL)
        assert not await a.cluster.lacks_copies(blobs, GLOBAL)


async def test_with_too_few_nodes_writes_are_refused_when_the_settings_say_so():
    async with fleet() as ships:
        a, b = await ships.pair(refuse_degraded=True)
        a.cluster.check_writable()
        await ships.kill(b)
        await a.until_connected()
        with pytest.raises(NotEnoughNodes) as refused:
            a.cluster.check_writable()
        assert (refused.value.connected, refused.value.wanted) == (1, 2)
        a.cluster.check_writable(LOCAL)
        ships.restart(b)
        await a.until_connected("b")
        a.cluster.check_writable()


async def test_who_refuses_does_not_give_in_when_the_other_dies_in_the_middle_of_a_push():
    """If this fails, `refuse` acknowledges on one disk all the same, now and then."""
    async with fleet() as ships:
        a, b = await ships.pair(refuse_degraded=True, durable_timeout_s=0.2)
        b.records.disk.clear()
        digest = await a.put(b"x" * 2000)
        ships.network.block("b:1", "hold")
        dot = a.records.write("x")
        async with asyncio.TaskGroup() as group:
            event = group.create_task(raises(NotDurable, a.cluster.wait_durable(dot)))
            copies = group.create_task(
                raises(BlobUnavailable, a.cluster.ensure_copies([(digest, 2000)]))
            )
            await ships.until(lambda: ships.network.count("hold") == 1)
            await ships.kill(b)
        assert event.done()
        assert copies.done()
        with pytest.raises(NotEnoughNodes):
            await a.cluster.ensure_copies([])


async def test_a_node_that_is_cut_off_from_a_larger_cluster_acknowledges_nothing():
    """P1: what only one disk has is lost with it, and the others go on without knowing."""
    async with fleet() as ships:
        a, b, c = await ships.trio(durable_timeout_s=0.2)
        digest = await a.put(b"x" * 2000)
        await ships.kill(b)
        await ships.kill(c)
        await a.until_connected()
        with pytest.raises(NotEnoughNodes) as refused:
            await a.cluster.ensure_copies([(digest, 2000)])
        assert (refused.value.connected, refused.value.wanted) == (1, 2)
        dot = a.records.write("x")
        with pytest.raises(NotDurable):
            await a.cluster.wait_durable(dot)
        assert await a.cluster.ensure_copies([(digest, 2000)], LOCAL) == 1
        assert not (await a.cluster.wait_durable(dot, LOCAL)).degraded
        assert a.statistics.totals.degraded == 0


async def test_a_write_that_was_awaited_in_vain_is_refused_at_once_and_says_who_is_missing():
    """If this fails, each push to a node that is cut off takes ten seconds to fail."""
    async with fleet() as ships:
        a, b, c = await ships.trio(durable_timeout_s=1.0)
        await ships.kill(b)
        await ships.kill(c)
        await a.until_connected()
        a.cluster.check_writable()
        shortage = a.cluster.shortage()
        assert shortage is not None, "it is known from the first moment"
        with pytest.raises(NotEnoughNodes):
            await a.cluster.ensure_copies([])
        # Nobody can have come back within a whole wait: from here on there is none.
        with pytest.raises(NotEnoughNodes) as refused:
            a.cluster.check_writable()
        assert refused.value.missing == ("b", "c")
        assert str(refused.value) == (
            "1 of the 2 nodes that a write needs are connected; missing: b, c"
        )
        a.cluster.check_writable(LOCAL)
        ships.restart(b)
        await a.until_connected("b")
        a.cluster.check_writable()
        assert a.cluster.shortage() is None
        with pytest.raises(NotEnoughNodes) as refused:
            a.cluster.check_writable(GLOBAL)
        assert refused.value.missing == ("c",)


async def test_a_write_is_tried_while_those_that_went_a_moment_ago_would_be_enough():
    """If this fails, pushes fail whenever a node is restarted."""
    async with fleet() as ships:
        a, b, c = await ships.trio(durable_timeout_s=1.0)
        await ships.kill(b)
        await a.until_connected("c")
        with pytest.raises(NotEnoughNodes):
            await a.cluster.ensure_copies([], GLOBAL)
        await ships.kill(c)
        await a.until_connected()
        a.cluster.check_writable()
        with pytest.raises(NotEnoughNodes) as refused:
            a.cluster.check_writable(GLOBAL)
        assert refused.value.missing == ("b", "c")
        ships.restart(c)
        await a.cluster.ensure_copies([])


async def test_a_write_waits_for_a_member_that_is_on_its_way_back():
    async with fleet() as ships:
        a, b, c = await ships.trio()
        await ships.kill(b)
        await ships.kill(c)
        await a.until_connected()
        digest = await a.put(b"x" * 2000)
        async with asyncio.TaskGroup() as group:
            copies = group.create_task(a.cluster.ensure_copies([(digest, 2000)]))
            await asyncio.sleep(0)
            ships.restart(b)
        assert copies.result() == 2


async def raises(expected: type[Exception], awaitable: Awaitable[object]) -> None:
    with pytest.raises(expected):
        await awaitable


async def test_by_default_too_few_nodes_are_no_reason_to_refuse():
    async with fleet() as ships:
        a = ships.add("a")
        ships.start(a)
        a.cluster.check_writable()
        assert (await a.cluster.wait_durable(a.records.write("x"))).degraded


async def test_any_node_knows_when_an_event_has_arrived():
    async with fleet() as ships:
        a, b, c = await ships.trio("eu", "us", "ap")
        c.records.disk.clear()
        dot = a.records.write("x")
        assert (await b.cluster.wait_for(dot, [EU, US], 20)).complete
        async with asyncio.TaskGroup() as group:
            waits = [group.create_task(n.cluster.wait_for(dot, None, 20)) for n in (a, b, c)]
            await ships.until(lambda: b.records.knows(dot))
            assert not any(wait.done() for wait in waits)
            c.records.disk.set()
        for wait in waits:
            assert wait.result().complete
            assert {s.node for s in wait.result().nodes} == {"a", "b", "c"}


async def test_a_wait_ends_in_time_and_tells_who_lacks_the_event():
    async with fleet() as ships:
        a, b, c = await ships.trio("eu", "us", "ap")
        await ships.kill(c)
        await a.until_connected("b")
        dot = a.records.write("x")
        found = await a.cluster.wait_for(dot, None, 0.2)
        # Nobody has declared it dead yet, so that it may well serve its region.
        assert [(s.node, s.live) for s in found.missing] == [("c", True)]
        nowhere = await b.cluster.wait_for(Dot("a", 99, 1), [EU, US], 0.05)
        assert {s.node for s in nowhere.missing} == {"a", "b"}


async def test_a_member_out_of_reach_is_waited_for_until_it_is_dead():
    """Its clients may still read there: to this node alone the line may be broken."""
    async with fleet() as ships:
        a, _, c = await ships.trio("eu", "us", "us", **FAST_DETECTOR)
        ships.network.cut("a:1", "c:1")
        await a.until_connected("b")
        dot = a.records.write("x")
        found = await a.cluster.wait_for(dot, [US], 0.05)
        while any(s.node == "b" for s in found.missing):
            found = await a.cluster.wait_for(dot, [US], 0.05)
        assert [(s.node, s.live) for s in found.missing] == [("c", True)]
        await ships.kill(c)
        await until_dead(ships, "c", a)
        assert (await a.cluster.wait_for(a.records.write("y"), [US], 20)).complete


async def until_dead(ships: Fleet, node: str, *observers: Engine) -> None:
    def is_dead(observer: Engine) -> bool:
        members = {m.node: m.status for m in observer.statistics.members}
        return members[NodeId(node)] is Status.DEAD

    await ships.until(lambda: all(map(is_dead, observers)))


async def test_what_a_member_had_that_is_out_of_reach_does_not_count():
    """If this fails, a deployment starts in a region whose only node has just been lost."""
    async with fleet() as ships:
        a, _, c = await ships.trio()
        dot = a.records.write("x")
        assert (await a.cluster.wait_for(dot, [EU], 20)).complete
        ships.network.cut(a.address, c.address)
        await a.until(lambda _: "c" not in a.connected())
        found = await a.cluster.wait_for(dot, [EU], 0.0)
        assert [state.node for state in found.missing] == ["c"]


async def test_nobody_is_ahead_that_is_out_of_reach():
    """If this fails, a dead member that had more is an alarm for ever."""
    async with fleet() as ships:
        a, b, c = await ships.trio()

        def ahead() -> int:
            (found,) = (m for m in a.statistics.members if m.node == "c")
            return found.ahead_events

        ships.network.cut(b.address, c.address)
        ships.network.block(a.address, "push")
        ships.network.block(c.address, "pull")
        c.records.write("y")
        await ships.until(lambda: ahead() == 1)
        ships.network.cut(a.address, c.address)
        await a.until(lambda _: "c" not in a.connected())
        assert ahead() == 0


async def test_nobody_waits_for_a_region_that_is_not_there():
    async with fleet() as ships:
        a, _, _ = await ships.trio()
        with pytest.raises(UnknownRegion):
            await a.cluster.wait_for(a.records.write("x"), [Region("mars")], 20)
