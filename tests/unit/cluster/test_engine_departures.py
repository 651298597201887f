"""Reads in a region whose members left, were removed or came back, between whole engines."""

import asyncio

import pytest
from msgspec.structs import replace

from cluster.config import MembershipConfig
from cluster.errors import ClockOff
from cluster.messages import ProbeRequest
from cluster.model import (
    Dot,
    NodeId,
    Rumour,
    Standing,
    Status,
)
from tests.fakes.fleet import FAST_DETECTOR, PATIENCE_S, Engine, fleet
from tests.fakes.member_store import MemoryMembers
from tests.fakes.records import MemoryRecords
from tests.unit.cluster.test_engine_leases import until_all_lease, write_past

NEWS_ONLY = FAST_DETECTOR | {"lan": MembershipConfig(), "antientropy_interval_s": 1000.0}
"""Fast news of members, nobody found dead, and no pull but those that are asked for."""


async def until_members(engine: Engine, count: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await engine.until(lambda now: len(now.members) == count)


async def until_dead(engine: Engine) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await engine.until(lambda s: all(m.status is Status.DEAD for m in s.members))


def reads_stale(engine: Engine, dot: Dot) -> bool:
    return engine.statistics.current and not engine.records.knows(dot)


async def never_reads_stale(engine: Engine, dot: Dot) -> bool:
    """Whether that holds for half a second: leases come and go by themselves."""
    for _ in range(100):
        if reads_stale(engine, dot):
            return False
        await asyncio.sleep(0.005)
    return True


async def test_of_two_that_would_leave_at_once_one_knows_of_the_other():
    """Broken: each counts on the copies of the other, both leave, and those are gone."""
    async with fleet() as ships:
        a, b, c = await ships.trio()
        assert await a.cluster.announce_leaving(True) == {"b", "c"}
        assert await b.cluster.announce_leaving(True) == {"c"}, "a says that it leaves"
        assert await a.cluster.announce_leaving(False) == {"c"}, "it stays after all"
        assert await b.cluster.announce_leaving(True) == {"a", "c"}
        ships.network.block("c:1", "hello")
        silent = asyncio.create_task(b.cluster.announce_leaving(True))
        await ships.kill(c)
        assert await silent == {"a"}, "who does not answer is not counted on"


async def test_what_a_member_acknowledged_that_left_is_asked_for_before_reading():
    """Leases of the others say nothing of it, and it is asked for one no more."""
    async with fleet() as ships:
        a, b, c = await ships.trio(**NEWS_ONLY)
        await until_all_lease(ships, a, b, c)
        dot = await write_past(ships, c, a)
        assert not a.records.knows(dot)
        assert await c.cluster.leave() == ["b"]
        await ships.kill(c)
        await until_members(a, 1)
        await a.cluster.ensure_current()
        assert a.records.knows(dot)


async def test_a_departure_is_asked_about_once():
    """Not by each read: the pull begins with the news."""
    async with fleet() as ships:
        a, b, c = await ships.trio(**NEWS_ONLY)
        await until_all_lease(ships, a, b, c)
        await c.cluster.leave()
        await ships.kill(c)
        await until_members(a, 1)
        await ships.until(lambda: a.statistics.current)
        rounds = a.statistics.totals.catch_up_rounds
        for _ in range(3):
            await a.cluster.ensure_current()
        assert a.statistics.totals.catch_up_rounds == rounds


async def test_who_comes_back_reads_by_no_lease_before_it_has_asked_about_who_left():
    """The first greeting grants one; the pull behind it may take long."""
    async with fleet() as ships:
        a, b, c = await ships.trio(**NEWS_ONLY)
        await until_all_lease(ships, a, b, c)
        ships.network.cut("a:1", "b:1")
        dot = await write_past(ships, c, a)
        await c.cluster.leave()
        await ships.kill(c)
        await until_members(b, 1)
        ships.network.block("b:1", "pull")
        ships.network.heal("a:1", "b:1")
        await until_members(a, 1)
        await ships.until(lambda: a.leased_by("b"))
        assert not reads_stale(a, dot)
        ships.network.unblock("b:1", "pull")
        await ships.until(lambda: a.statistics.current)
        assert a.records.knows(dot)


async def test_greetings_tell_of_a_member_that_left_and_is_back():
    """It waits for leases of the time before it was heard of, and for no longer."""
    async with fleet() as ships:
        slow = NEWS_ONLY | {"spread_interval_s": 0.05, "exchange_interval_s": 1000.0}
        a, b, c = await ships.trio(**slow)
        await until_all_lease(ships, a, b, c)
        await c.cluster.leave()
        await ships.kill(c)
        await until_members(a, 1)
        await until_members(b, 1)
        await until_all_lease(ships, a, b)
        # News is lost on its way to a; greetings are not.
        ships.network.block("a:1", "probe")
        ships.network.block("b:1", "probe")
        ships.network.cut("a:1", "c:1")
        again = ships.adopt(replace(c.member, epoch=9), ("b:1",), **slow)
        ships.start(again)
        await again.cluster.wait_joined()
        dot = again.records.write("new")
        await again.cluster.wait_durable(dot)
        greetings = ships.network.count("hello", "b:1")
        await ships.until(lambda: ships.network.count("hello", "b:1") > greetings + 20)
        assert not reads_stale(a, dot)
        assert len(a.statistics.members) == 2


async def test_who_reads_by_a_lease_is_waited_for_though_somebody_removed_it():
    """As one that was cut off from it may: it is alive, and contradicts a moment later."""
    async with fleet() as ships:
        a, b, c = await ships.trio(**NEWS_ONLY, lease_s=1.5, laggard_s=0.02)
        await until_all_lease(ships, a, b, c)
        ships.network.block("b:1", "push")
        gone = Rumour(b.member, Standing(Status.LEFT, 1))
        dot = a.records.write("new")
        await a.cluster.service.probe(ProbeRequest("test", NodeId("c"), None, (gone,)))
        await a.cluster.wait_durable(dot)
        assert not reads_stale(b, dot)


@pytest.mark.parametrize(("gone", "rest"), [("b", "c"), ("c", "b")])
@pytest.mark.parametrize("here", [True, False], ids=["removed here", "removed there"])
async def test_who_was_dead_when_somebody_left_is_asked_too(gone: str, rest: str, here: bool):
    """After a partition in which one died, and was removed, the other has its last write."""
    async with fleet() as ships:
        trio = await ships.trio(**FAST_DETECTOR | {"antientropy_interval_s": 1000.0})
        a, lost, other = ({e.member.node: e for e in trio}[name] for name in ("a", gone, rest))
        await until_all_lease(ships, *trio)
        ships.network.cut("a:1", other.address)
        dot = await write_past(ships, lost, a)
        await ships.kill(lost)
        await until_dead(a)
        await until_dead(other)
        for engine in (a, other) if here else (other,):
            engine.cluster.remove(NodeId(gone))
        assert not a.records.knows(dot)
        assert other.records.knows(dot)
        ships.network.block(other.address, "pull")
        ships.network.heal("a:1", other.address)
        await ships.until(lambda: a.leased_by(rest))
        assert await never_reads_stale(a, dot)


async def test_what_is_parked_is_not_here():
    """This node's clock is behind, and who wrote it has left: nobody else speaks for it."""
    async with fleet() as ships:
        a, b, c = await ships.trio(**NEWS_ONLY)
        await until_all_lease(ships, a, b, c)
        a.clock.wrong_ms = -5000
        a.records.clock_limit = 10
        dot = c.records.write("new", stamp=1 << 40)
        await c.cluster.wait_durable(dot)
        await ships.until(lambda: not a.statistics.current)
        await c.cluster.leave()
        await ships.kill(c)
        await until_members(a, 1)
        assert await never_reads_stale(a, dot)
        with pytest.raises(ClockOff):
            await a.cluster.ensure_current()
        a.clock.wrong_ms, a.records.clock_limit = 0, None
        await a.cluster.ensure_current()
        assert a.records.knows(dot)
        await ships.until(lambda: a.statistics.current)


async def test_what_is_parked_after_joining_is_not_here_either():
    """The disk is new, and the clock behind: what this node itself acknowledged is parked."""
    async with fleet() as ships:
        a, b = await ships.pair(antientropy_interval_s=1000.0)
        await until_all_lease(ships, a, b)
        dot = a.records.write("new", stamp=1 << 40)
        await a.cluster.wait_durable(dot)
        await ships.kill(a)
        a.member = replace(a.member, epoch=1000)
        a.records, a.known = MemoryRecords("a", 1000), MemoryMembers()
        a.clock.wrong_ms, a.records.clock_limit = -5000, 10
        ships.restart(a)
        await a.cluster.wait_joined()
        await a.until_connected("b")
        assert await never_reads_stale(a, dot)


async def test_whose_clock_was_behind_at_its_start_grants_leases_again():
    """Nobody reads there meanwhile. Broken: the others ask everybody before each read, for good."""
    async with fleet() as ships:
        a, b, c = await ships.trio(antientropy_interval_s=0.02)
        await until_all_lease(ships, a, b, c)
        await ships.kill(a)
        dot = c.records.write("new", stamp=1 << 40)
        await ships.until(lambda: b.records.knows(dot))
        a.clock.wrong_ms, a.records.clock_limit = -5000, 10
        ships.next_run(a)
        await a.cluster.wait_joined()
        await a.until_connected("b", "c")
        a.clock.wrong_ms, a.records.clock_limit = 0, None
        await ships.until(lambda: a.records.knows(dot))
        await asyncio.sleep(1.0)  # The leases of its earlier run are over.
        await ships.until(lambda: b.leased_by("a") and c.leased_by("a"))


@pytest.mark.parametrize("hears", [False, True], ids=["counts it", "hears of it later"])
async def test_who_still_counts_a_member_that_has_left_gives_no_lease(hears: bool):
    """It goes on acknowledging with that one, of whose leases nobody asks here any more."""
    async with fleet() as ships:
        a, b, c = await ships.trio(**NEWS_ONLY | {"exchange_interval_s": 1000.0})
        await until_all_lease(ships, a, b, c)
        for address in ("a:1", "b:1", "c:1"):
            ships.network.block(address, "probe")
        ships.network.cut("a:1", "c:1")
        gone = Rumour(c.member, Standing(Status.LEFT, 1))
        await a.cluster.service.probe(ProbeRequest("test", NodeId("b"), None, (gone,)))
        await a.cluster.ensure_current()
        dot = c.records.write("new")
        await c.cluster.wait_durable(dot)
        if hears:
            await ships.kill(c)
            await b.cluster.service.probe(ProbeRequest("test", NodeId("a"), None, (gone,)))
        assert await never_reads_stale(a, dot)
        assert len(a.statistics.members) == 1
