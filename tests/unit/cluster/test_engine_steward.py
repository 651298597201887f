"""How a layout begins and grows without an operator, over whole engines."""

import asyncio

import pytest

from cluster.errors import NewcomerAbsent
from cluster.layout.changes import Add
from cluster.layout.document import DegradedWrites, Layout
from cluster.model import NodeId, Region
from tests.fakes.fleet import CALM, PATIENCE_S, Engine, Fleet, fleet

A, C = NodeId("a"), NodeId("c")


def newest(engine: Engine) -> Layout:
    return engine.cluster.layouts.live.newest


def voters(engine: Engine) -> str:
    return " ".join(voter.node for voter in newest(engine).voters)


async def until_alone(ships: Fleet, version: int, *engines: Engine) -> None:
    """Return once *version* is live at all of them, and no change goes on."""
    await ships.until(lambda: all(engine.stage == (version, version) for engine in engines))


async def test_the_first_version_is_of_all_that_begin():
    async with fleet() as ships:
        a, b, c = await ships.trio("eu", "eu", "us", copies=3, refuse_degraded=True)
        for engine in (a, b, c):
            first = newest(engine)
            assert first.version == 1
            assert [(m.node, m.store, m.region) for m in first.members] == [
                (e.member.node, e.member.store, e.member.region) for e in (a, b, c)
            ]
            assert (first.settings.copies, voters(engine)) == (3, "a b c")
            assert first.settings.degraded_writes is DegradedWrites.REFUSE
        assert len({engine.decides.state.head for engine in (a, b, c)}) == 1


async def test_nothing_begins_before_all_that_are_to_begin_are_there():
    """Broken: a node that starts first makes a cluster of its own."""
    async with fleet() as ships:
        a, b = (ships.add(n, seeds=("a:1", "b:1"), initial=("a", "b"), **CALM) for n in "ab")
        ships.start(a)
        await asyncio.sleep(5.0)
        assert a.decides.state.slot == 0
        assert not a.cluster.is_joined()
        ships.start(b)
        async with asyncio.timeout(PATIENCE_S):
            await a.cluster.wait_joined()
            await b.cluster.wait_joined()


async def test_voters_become_more_as_members_come():
    """1, 2, 3 and 5: an even number above two outlives no more failures than one less."""
    async with fleet() as ships:
        calm = CALM | {"antientropy_interval_s": 0.1}
        engines = [ships.add("a", **calm)]
        ships.start(engines[0])
        await engines[0].cluster.wait_joined()
        seen = [voters(engines[0])]
        for number, name in enumerate("bcde", 2):
            engines.append(ships.add(name, seeds=("a:1",), **calm))
            ships.start(engines[-1])
            await engines[-1].cluster.wait_joined()
            await until_alone(ships, number, *engines)
            seen.append(voters(engines[-1]))
        assert seen == ["a", "a b", "a b c", "a b c", "a b c d e"]


@pytest.mark.parametrize("gone", ["a", "c"], ids=["the first voter", "the last one"])
async def test_a_wiped_disk_is_replaced(gone: str):
    """Broken: the node waits for ever, or votes though it has forgotten what it promised."""
    async with fleet() as ships:
        trio = await ships.trio()
        lost = next(e for e in trio if e.member.node == gone)
        others = [e for e in trio if e is not lost]
        dot = others[0].records.write("x")
        await ships.until(lambda: lost.records.knows(dot))
        earlier = lost.member.store
        await ships.kill(lost)
        ships.wipe(lost)
        async with asyncio.timeout(PATIENCE_S):
            await lost.cluster.wait_joined()
        await until_alone(ships, 2, *trio)
        for engine in trio:
            assert {m.store for m in newest(engine).members} == {e.member.store for e in trio}
            seats = engine.decides.state.seats
            assert {seat.store for seat in seats} == {e.member.store for e in trio}
            assert earlier in newest(engine).removed, "it never comes back"
        assert lost.records.knows(dot)


async def test_nobody_is_added_where_joining_is_closed():
    async with fleet() as ships:
        a, b = await ships.pair(open_joining=False)
        d = ships.add("d", seeds=("a:1",), open_joining=False)
        ships.start(d)
        await d.until_connected("a", "b")
        await asyncio.sleep(3.0)
        assert a.keepers() == b.keepers() == ("a", "b")
        assert not d.cluster.is_joined()
        assert d.stage == (1, 1), "it knows by which layout the others go"
        assert newest(d).member(d.member.node) is None


async def test_the_witness_of_a_region_of_two_is_the_nearest_to_who_proposes():
    """Broken: each write of a region of two crosses an ocean, and there is a nearer third."""
    async with fleet() as ships:
        a, _, _ = await ships.trio("eu", "us", "ap", open_joining=False)
        d = ships.add("d", seeds=("a:1",), open_joining=False)
        ships.network.put_far("b:1", 0.3)
        ships.start(d)
        await ships.until(lambda: has_come(a, "d"))
        await asyncio.sleep(10.0)  # and the greetings from before are forgotten
        layouts = a.cluster.layouts
        await layouts.change(Add(layouts.newcomer(NodeId("d"))))
        assert newest(a).witness(Region("eu")) == C, "by name it were b"


async def test_the_first_layout_names_the_nearest_too():
    async with fleet() as ships:
        ships.network.put_far("c:1", 0.3)
        names, regions = "abcd", ("eu", "eu", "us", "ap")
        a, *_ = await ships.together(tuple(names), regions, quiet_s=5.0)
        assert newest(a).version == 1
        assert newest(a).witness(Region("eu")) == NodeId("d"), "by name it were c"


def has_come(engine: Engine, node: str) -> bool:
    """Whether *node* is there, and has the whole index."""
    try:
        engine.cluster.layouts.newcomer(NodeId(node))
    except NewcomerAbsent:
        return False
    return True
