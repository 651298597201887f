"""Reads in a region whose members left, were removed or came back, between whole engines."""

import asyncio
from dataclasses import replace

import pytest

from cluster.config import MembershipConfig
from cluster.errors import ClockOff, CopiesAtStake, VotersUnfit
from cluster.messages import ProbeRequest
from cluster.model import (
    Dot,
    NodeId,
    Rumour,
    Standing,
    Status,
)
from cluster.state import State
from tests.fakes.fleet import CALM, FAST_DETECTOR, PATIENCE_S, Engine, fleet
from tests.unit.cluster.test_engine_copies import having
from tests.unit.cluster.test_engine_leases import until_all_lease, write_past

NEWS_ONLY = FAST_DETECTOR | {"lan": MembershipConfig(), "antientropy_interval_s": 1000.0}
"""Fast news of members, nobody found dead, and no pull but those that are asked for."""


C = NodeId("c")


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


async def test_two_that_would_leave_at_once_do_not_count_on_each_other():
    """Broken: each counts on the copies of the other, both leave, and those are gone."""
    async with fleet() as ships:
        a, b, c = await ships.trio(copies=1, **CALM)
        digest = await ships.stored(b"x" * 100, a, b)
        drains = [e.cluster.drain(e.member.node, e.rows, patience_s=5.0) for e in (a, b)]
        verdicts = await asyncio.gather(*drains, return_exceptions=True)
        assert [v.node for v in verdicts if isinstance(v, CopiesAtStake)], verdicts
        stay = [e for e in (a, b, c) if e.member.node in c.keepers()]
        assert having(digest, *stay), "one of those that have it stays"
        assert len(stay) >= 2


async def test_who_leaves_waits_until_others_have_its_copies():
    """Broken: `leave` takes last copies along."""
    async with fleet() as ships:
        a, b, c = await ships.trio(repair_pause_s=0.02, repair_interval_s=0.05)
        digest = await ships.stored(b"x" * 100, a, b)
        ships.network.block("c:1", "hold")
        leaving = asyncio.create_task(a.leave())
        await ships.until(lambda: ships.network.count("hold", "c:1") > 0)
        await asyncio.sleep(2.0)
        assert not leaving.done()
        ships.network.unblock("c:1", "hold")
        await leaving
        assert c.blobs.size(digest) == 100
        assert c.keepers() == ("b", "c")


async def test_who_leaves_hands_over_what_it_acknowledged():
    """Broken: leases of those who stay say nothing of it, and nobody asks it any more."""
    async with fleet() as ships:
        a, b, c = await ships.trio(**NEWS_ONLY)
        await until_all_lease(ships, a, b, c)
        dot = await write_past(ships, c, a)
        assert not a.records.knows(dot)
        with pytest.raises(VotersUnfit, match="a do not answer"):
            await c.leave()
        assert c.keepers() == ("a", "b", "c"), "it stays, and is no worse for it"
        assert State.LEAVING not in c.cluster.state
        ships.network.heal(c.address, a.address)
        await c.until_connected("a", "b")
        assert sorted(await c.leave()) == ["a", "b"]
        await ships.kill(c)
        await until_members(a, 1)
        await a.cluster.ensure_current()
        assert a.records.knows(dot)


async def test_a_departure_is_asked_about_once():
    """Not by each read: the pull begins with the news."""
    async with fleet() as ships:
        a, b, c = await ships.trio(**NEWS_ONLY)
        await until_all_lease(ships, a, b, c)
        await c.leave()
        await ships.kill(c)
        await until_members(a, 1)
        await ships.until(lambda: a.statistics.current)
        rounds = a.statistics.totals.catch_up_rounds
        for _ in range(3):
            await a.cluster.ensure_current()
        assert a.statistics.totals.catch_up_rounds == rounds


async def test_who_comes_back_reads_by_no_lease_before_it_has_asked_about_who_left():
    """The first greeting may grant one; the pull behind it may take long."""
    async with fleet() as ships:
        a, b, c, *more = await ships.together("abcde", ("eu",) * 5, **NEWS_ONLY)
        await until_all_lease(ships, a, b, c, *more)
        staying = (b, *more)
        for other in staying:
            ships.network.cut("a:1", other.address)
        dot = await write_past(ships, c, a)
        await ships.until(lambda: c.connected() == {"b", "d", "e"})
        await c.leave()
        await ships.kill(c)
        for other in staying:
            await until_members(other, 3)
            ships.network.block(other.address, "pull")
            ships.network.heal("a:1", other.address)
        await ships.until(lambda: a.keepers() == ("a", "b", "d", "e"))
        assert await never_reads_stale(a, dot)
        for other in staying:
            ships.network.unblock(other.address, "pull")
        await ships.until(lambda: a.statistics.current)
        assert a.records.knows(dot)


async def test_greetings_tell_of_a_member_that_left_and_is_back():
    """It waits for leases of the time before it was heard of, and for no longer."""
    async with fleet() as ships:
        slow = NEWS_ONLY | {"spread_interval_s": 0.05, "exchange_interval_s": 1000.0}
        a, b, c = await ships.trio(**slow)
        await until_all_lease(ships, a, b, c)
        await c.leave()
        await ships.kill(c)
        await until_members(a, 1)
        await until_members(b, 1)
        await until_all_lease(ships, a, b)
        # News is lost on its way to b; greetings are not.
        ships.network.block("a:1", "probe")
        ships.network.block("b:1", "probe")
        ships.network.cut("b:1", "c:1")
        c.config = replace(c.config, seeds=("a:1",))
        ships.wipe(c)
        await c.cluster.wait_joined()
        dot = c.records.write("new")
        await c.cluster.wait_durable(dot)
        greetings = ships.network.count("hello", "a:1")
        await ships.until(lambda: ships.network.count("hello", "a:1") > greetings + 20)
        assert not reads_stale(b, dot)
        assert len(b.statistics.members) == 2


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
        assert not a.records.knows(dot)
        assert other.records.knows(dot)
        ships.network.block(other.address, "pull")
        ships.network.heal("a:1", other.address)
        await a.until_connected(rest)
        await other.until_connected("a")
        remover = a if here else other
        removal = asyncio.create_task(remover.cluster.remove_lost(NodeId(gone)))
        await ships.until(lambda: a.stage.joint)
        assert await never_reads_stale(a, dot)
        ships.network.unblock(other.address, "pull")
        await removal
        await ships.until(lambda: a.statistics.current)
        assert a.records.knows(dot)


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
        leaving = asyncio.create_task(c.leave())
        await ships.until(lambda: not c.cluster.layouts.live.newest.member(C))
        assert await never_reads_stale(a, dot)
        with pytest.raises(ClockOff):
            await a.cluster.ensure_current()
        a.clock.wrong_ms, a.records.clock_limit = 0, None
        await leaving
        await ships.kill(c)
        await until_members(a, 1)
        await a.cluster.ensure_current()
        assert a.records.knows(dot)
        await ships.until(lambda: a.statistics.current)


async def test_what_is_parked_after_joining_is_not_here_either():
    """The disk is new, and the clock behind: what this node itself acknowledged is parked."""
    async with fleet() as ships:
        a, b, c = await ships.trio(antientropy_interval_s=1000.0)
        await until_all_lease(ships, a, b, c)
        dot = a.records.write("new", stamp=1 << 40)
        await a.cluster.wait_durable(dot)
        await ships.kill(a)
        a.clock.wrong_ms = -5000
        ships.wipe(a)
        a.records.clock_limit = 10
        await a.until_connected("b", "c")
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
