"""When a node counts as joined: seeds that are dead, wrong, or empty themselves."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from cluster.errors import JoinRefused, NotCaughtUp
from cluster.messages import Greeting
from cluster.model import Event
from tests.fakes.fleet import PATIENCE_S, Engine, Fleet, fleet


@pytest.mark.parametrize("others", [("b",), ()], ids=["another seed answers", "it has an index"])
async def test_a_dead_seed_delays_joining_only_for_a_while(others: tuple[str, ...]):
    """A region must come up without the seed that died."""
    async with fleet() as ships:
        for name in others:
            ships.start(ships.add(name))
        seeds = tuple(f"{name}:1" for name in (*others, "nobody"))
        a = ships.add("a", seeds=seeds, initial=() if others else ("a",), join_timeout_s=0.02)
        if not others:
            a.records.write("from before")
            a.renew()
        ships.start(a)
        async with asyncio.timeout(PATIENCE_S):
            await a.cluster.wait_joined()
        assert a.cluster.is_joined()
        assert a.log.named("joined without all seeds")[0].fields["missing"] == ["nobody:1"]


async def test_an_empty_node_does_not_go_on_without_any_seed():
    """
    Its disk may be new, and its cluster large: it would acknowledge pushes on this disk alone, and
    say of everything that there is no such thing.
    """
    async with fleet() as ships:
        a = ships.add(
            "a", seeds=("b:1", "c:1"), join_timeout_s=0.02, catch_up_timeout_s=0.02, copies=2
        )
        ships.start(a)
        async with asyncio.timeout(PATIENCE_S):
            while not a.log.named("no seed that has an index answers"):
                await asyncio.sleep(0.001)
        # Its clients upload, and somebody knows it: neither tells what the cluster has.
        await a.put(b"a blob")
        b = ships.add("b")
        await a.cluster.service.hello(Greeting("test", b.member, (), {}, a.clock.now_ms()))
        assert not a.cluster.is_joined()
        with pytest.raises(NotCaughtUp):
            await a.cluster.catch_up()
        ships.start(b)
        async with asyncio.timeout(PATIENCE_S):
            await a.cluster.wait_joined()
        assert "c:1" in a.log.named("joined without all seeds")[0].fields["missing"]


async def test_a_node_among_its_own_seeds_joins():
    """One seed list for all nodes is what people write."""
    async with fleet() as ships:
        a = ships.add("a", seeds=("a:1",))
        ships.start(a)
        async with asyncio.timeout(PATIENCE_S):
            await a.cluster.wait_joined()
        assert a.statistics.members == ()


@pytest.mark.parametrize("seeds", [("a:1",), ("a:1", "b:1"), ("a:1", "nobody:1")])
async def test_a_node_of_another_cluster_is_told_to_stop(seeds: tuple[str, ...]):
    """It would become ready alone, and take pushes that no node of its cluster ever sees."""
    async with fleet() as ships:
        a = ships.add("a")
        ships.start(a)
        b = ships.add("b", seeds=seeds, cluster="other", join_timeout_s=0.05)
        ships.network.services[b.address] = b.cluster.service
        b.records.write("x")
        with pytest.raises(JoinRefused, match="this is cluster 'test', not 'other'"):
            await b.cluster.run()
        assert a.records.logs == {}
        assert a.statistics.members == ()


async def test_one_wrong_seed_does_not_stop_a_node_that_another_seed_takes():
    """A stale address in the list must not keep a region down."""
    async with fleet() as ships:
        wrong, right = ships.add("a"), ships.add("c", cluster="other")
        ships.start(wrong)
        ships.start(right)
        b = ships.add("b", seeds=("a:1", "c:1"), cluster="other", join_timeout_s=0.05)
        ships.start(b)
        async with asyncio.timeout(PATIENCE_S):
            await b.cluster.wait_joined()
        await b.until_connected("c")
        assert b.connected() == {"c"}


async def two_that_wait(ships: Fleet, **tuning: object) -> tuple[Engine, Engine]:
    """Empty nodes a and b, connected, that have given up waiting for a seed called old."""
    a = ships.add("a", seeds=("old:1", "b:1"), join_timeout_s=0.05, **tuning)
    b = ships.add("b", seeds=("old:1", "a:1"), join_timeout_s=0.05, **tuning)
    for engine in (a, b):
        ships.start(engine)
    await a.until_connected("b")
    await b.until_connected("a")
    for engine in (a, b):
        await ships.until(lambda e=engine: e.log.named("no seed that has an index answers"))
        assert not engine.cluster.is_joined()
    return a, b


async def one_from_before(ships: Fleet, events: int, **tuning: object) -> Engine:
    """A cluster of one called old, which has written *events*, and is down."""
    old = ships.add("old", seeds=("a:1", "b:1"), initial=("old",), join_timeout_s=0.05, **tuning)
    for number in range(events):
        old.records.write(f"from before {number}")
    old.renew()
    ships.start(old)
    await old.cluster.wait_joined()
    await ships.kill(old)
    return old


async def test_empty_nodes_do_not_make_a_cluster_while_a_seed_may_have_an_index():
    """A cluster of one grows to three, and is slow to start: it is not gone."""
    async with fleet() as ships:
        old = await one_from_before(ships, 1)
        (dot,) = (event.dot for event in old.records.logs[old.records.origin])
        a, b = await two_that_wait(ships)
        ships.next_run(old)
        async with asyncio.timeout(PATIENCE_S):
            await a.cluster.wait_joined()
            await b.cluster.wait_joined()
        assert a.records.knows(dot)
        assert b.records.knows(dot)


async def test_who_takes_over_an_index_does_not_vouch_before_it_has_it():
    """It has a part of it: who joined by its word would deny the rest."""
    async with fleet() as ships:
        old = await one_from_before(ships, 50, antientropy_interval_s=1000.0)
        log = old.records.origin
        a, b = await two_that_wait(ships, antientropy_interval_s=1000.0)
        ships.network.cut("a:1", "old:1")
        apply, disk = b.records.apply, asyncio.Event()

        async def apply_some(events: Sequence[Event]) -> None:
            await apply(list(events)[:5])
            await disk.wait()
            await apply(events)

        b.records.apply = apply_some
        ships.next_run(old)
        await ships.until(lambda: b.records.vector().get(log, 0) > 0)
        greetings = ships.network.count("hello", "b:1")
        await ships.until(lambda: ships.network.count("hello", "b:1") > greetings + 20)
        assert not a.cluster.is_joined()
        assert b.records.vector()[log] < 50
        disk.set()
        async with asyncio.timeout(PATIENCE_S):
            await a.cluster.wait_joined()
        # As before it denies anything.
        await a.cluster.catch_up()
        assert a.records.vector()[log] == 50


async def test_a_restart_while_waiting_changes_nothing():
    """Who is never ready is started again; it has met others, and is empty as before."""
    async with fleet() as ships:
        a, b = await two_that_wait(ships)
        await ships.kill(a)
        ships.next_run(a)
        await a.until_connected("b")
        greetings = ships.network.count("hello", "b:1")
        await ships.until(lambda: ships.network.count("hello", "b:1") > greetings + 20)
        assert not a.cluster.is_joined()
        assert not b.cluster.is_joined()


async def test_who_is_killed_while_it_joins_is_no_cluster_of_its_own():
    """It has events, so it is not empty; nor may it forget whose they are."""
    async with fleet() as ships:
        a, b = await ships.pair()
        dot = a.records.write("x")
        await a.cluster.wait_durable(dot)
        d = ships.add("d", seeds=("a:1", "b:1", "down:1"), durable_timeout_s=0.05)
        ships.start(d)
        await ships.until(lambda: d.records.knows(dot))
        await d.until_connected("a", "b")
        await ships.until(lambda: len(d.known.saved) == 2)
        assert not d.cluster.is_joined()
        for engine in (a, b, d):
            await ships.kill(engine)
        d.config = replace(d.config, join_timeout_s=0.05)
        ships.next_run(d)
        await asyncio.sleep(1.0)
        assert d.log.named("joined without all seeds")
        assert not d.cluster.is_joined(), "it is in no layout"
        with pytest.raises(NotCaughtUp):
            await d.cluster.wait_durable(d.records.write("alone"))


async def test_empty_nodes_that_are_all_there_are_a_new_cluster():
    async with fleet() as ships:
        names = ("a", "b", "c")
        seeds = ("a:1", "b:1", "c:1")
        engines = [ships.add(n, seeds=seeds, initial=names, join_timeout_s=1000.0) for n in names]
        for engine in engines:
            ships.start(engine)
        async with asyncio.timeout(PATIENCE_S):
            for engine in engines:
                await engine.cluster.wait_joined()


async def test_before_joining_nobody_can_tell_whether_the_clock_is_right():
    async with fleet() as ships:
        ships.start(ships.add("b"))
        a = ships.add("a", seeds=("b:1",))
        assert a.cluster.clock_off_at(a.clock.now_ms() + 3_600_000) is None
        ships.start(a)
        async with asyncio.timeout(PATIENCE_S):
            await a.cluster.wait_joined()
        assert a.cluster.clock_off_at(a.clock.now_ms() + 3_600_000) > 3_500_000
