"""Reads that are current, relays, and clocks, between whole engines."""

import asyncio
from contextlib import suppress
from dataclasses import replace

import msgspec
import pytest

from cluster.errors import ClockOff, NotCaughtUp, StorageFailure
from cluster.messages import Greeting, Stage
from cluster.model import Dot, NodeId, Status
from tests.builders import a_member
from tests.fakes.fleet import FAST_DETECTOR, PATIENCE_S, Engine, Fleet, fleet


def leased(engine: Engine) -> bool:
    return engine.statistics.current


async def until_all_lease(ships: Fleet, *engines: Engine) -> None:
    await ships.until(lambda: all(map(leased, engines)))


async def write_past(ships: Fleet, writer: Engine, other: Engine) -> Dot:
    """Cut the two off from each other; returns a write that is acknowledged then."""
    ships.network.cut(writer.address, other.address)
    dot = writer.records.write("new")
    await writer.cluster.wait_durable(dot)
    return dot


async def comes_to_read_by(engine: Engine, greeting: Greeting) -> bool:
    """Whether who greets so again and again gets a lease; of a node that is new, after a while."""
    for _ in range(40):
        if (await engine.cluster.service.hello(greeting)).current:
            return True
        await asyncio.sleep(0.01)
    return False


async def test_members_of_a_region_come_to_read_without_asking():
    async with fleet() as ships:
        a, b, c = await ships.trio()
        await until_all_lease(ships, a, b, c)
        pulls = ships.network.count("pull")
        for engine in (a, b, c):
            await engine.cluster.ensure_current()
        assert ships.network.count("pull") == pulls


async def test_a_reader_that_is_cut_off_asks_before_it_answers():
    """If this fails, a node serves the old tag after another one acknowledged the new."""
    async with fleet() as ships:
        a, b, c = await ships.trio(antientropy_interval_s=1000.0)
        await until_all_lease(ships, a, b, c)
        dot = await write_past(ships, a, c)
        assert not leased(c)
        await c.cluster.ensure_current()
        assert c.records.knows(dot)


async def test_a_reader_with_a_slow_disk_does_not_answer_from_it():
    async with fleet() as ships:
        a, b, c = await ships.trio(catch_up_timeout_s=0.05)
        await until_all_lease(ships, a, b, c)
        c.records.disk.clear()
        await a.cluster.wait_durable(a.records.write("new"))
        assert not leased(c)
        with pytest.raises(NotCaughtUp):
            await c.cluster.ensure_current()
        c.records.disk.set()
        await until_all_lease(ships, a, b, c)
        assert a.statistics.totals.laggards == 1


async def test_who_writes_waits_longer_for_a_silent_member():
    """If this fails, every write of a region fails while a member that stopped counts as there."""
    async with fleet() as ships:
        a, b, c = await ships.trio(catch_up_timeout_s=0.05)
        await until_all_lease(ships, a, b, c)
        dot = a.records.write("new")
        c.records.disk.clear()
        await a.cluster.wait_durable(dot)
        writing = asyncio.create_task(c.cluster.ensure_current(patient=True))
        with pytest.raises(NotCaughtUp):
            await c.cluster.ensure_current()
        assert not writing.done()
        c.records.disk.set()
        await writing
        assert c.records.knows(dot)


async def test_who_writes_does_not_wait_for_ever():
    async with fleet() as ships:
        a, b, c = await ships.trio(catch_up_timeout_s=0.05, durable_timeout_s=1.0)
        await until_all_lease(ships, a, b, c)
        c.records.disk.clear()
        await a.cluster.wait_durable(a.records.write("new"))
        with pytest.raises(NotCaughtUp):
            await c.cluster.ensure_current(patient=True)
        c.records.disk.set()


async def test_a_reader_whose_full_disk_ends_its_links_does_not_count_as_alone():
    """If this fails, a node with a full disk serves the old tag: it has no link to ask over."""
    async with fleet() as ships:
        a, b, c = await ships.trio(antientropy_interval_s=1000.0)
        await until_all_lease(ships, a, b, c)
        c.records.broken = StorageFailure("no room")
        await a.cluster.wait_durable(a.records.write("new"))
        with pytest.raises(NotCaughtUp):
            await c.cluster.ensure_current()
        async with asyncio.timeout(PATIENCE_S):
            await c.until(lambda _: "a" not in c.connected())
        with pytest.raises(NotCaughtUp, match="missing from a"):
            await c.cluster.ensure_current()
        c.records.broken = None
        await until_all_lease(ships, a, b, c)
        await c.cluster.ensure_current()
        assert c.records.knows(Dot("a", 1, 1))


async def test_a_peer_that_is_gone_does_not_hinder_a_reader_for_ever():
    """If this fails, a full disk makes a node refuse every read until all peers are back."""
    async with fleet() as ships:
        a, b, c = await ships.trio(antientropy_interval_s=1000.0)
        await until_all_lease(ships, a, b, c)
        c.records.broken = StorageFailure("no room")
        await a.cluster.wait_durable(a.records.write("new"))
        with pytest.raises(NotCaughtUp):
            await c.cluster.ensure_current()
        await ships.kill(a)
        await ships.kill(b)
        c.records.broken = None
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with suppress(NotCaughtUp):
                    await c.cluster.ensure_current()
                    break
                await asyncio.sleep(0.01)


async def test_who_lacks_what_an_earlier_run_acknowledged_may_not_read():
    """If this fails, a member that was cut off serves the old tag once the writer has restarted."""
    async with fleet() as ships:
        a, b, c = await ships.trio(antientropy_interval_s=1000.0)
        await until_all_lease(ships, a, b, c)
        dot = await write_past(ships, a, c)
        await ships.kill(a)
        ships.next_run(a)
        await a.cluster.wait_joined()
        assert not c.records.knows(dot)
        before = Greeting("test", c.member, (), {}, a.clock.now_ms(), stage=c.stage)
        assert not await comes_to_read_by(a, before)
        after = msgspec.structs.replace(before, have={dot.origin: dot.seq})
        assert await comes_to_read_by(a, after)


async def test_nobody_may_read_by_the_word_of_a_node_that_has_not_joined():
    """It may have lost its disk, and with it the memory of what it acknowledged."""
    async with fleet() as ships:
        a = ships.add("a", seeds=("b:1",), join_timeout_s=1000.0)
        ships.start(a)
        b = a_member("b")
        greeting = Greeting("test", b, (), {}, a.clock.now_ms())
        assert not await comes_to_read_by(a, greeting)


async def test_nobody_may_read_by_the_word_of_a_new_disk_before_all_were_asked():
    """
    If this fails, a node whose disk was replaced lets a member read that lacks what the old disk
    acknowledged: only a third one has it, and that is no seed.
    """
    async with fleet() as ships:
        a, b, c = await ships.trio(antientropy_interval_s=1000.0)
        await until_all_lease(ships, a, b, c)
        dot = await write_past(ships, a, b)
        assert not b.records.knows(dot)
        await ships.kill(a)
        ships.network.cut("a:1", "c:1")
        ships.network.heal("a:1", "b:1")
        a.config = replace(a.config, seeds=("b:1",))
        ships.wipe(a)
        wiped = a
        await wiped.until_connected("b")
        greeting = Greeting("test", b.member, (), {}, a.clock.now_ms(), stage=b.stage)
        assert not await comes_to_read_by(wiped, greeting)
        ships.network.heal("a:1", "c:1")
        await ships.until(lambda: wiped.records.knows(dot))
        await ships.until(lambda: all(e.stage == Stage(2, 2) for e in (wiped, b, c)))
        greeting = msgspec.structs.replace(greeting, stage=b.stage)
        with_it = msgspec.structs.replace(greeting, have={dot.origin: dot.seq})
        assert await comes_to_read_by(wiped, with_it)
        # Its next run may have another disk.
        restarted = msgspec.structs.replace(b.member, epoch=2)
        greeting = msgspec.structs.replace(greeting, member=restarted)
        assert not await comes_to_read_by(wiped, greeting)


async def test_a_new_disk_reads_nothing_before_all_were_asked():
    """
    If this fails, a node serves the tag as it was before a push that its old disk acknowledged.
    Its neighbours grant it leases: one lacks that push as well, the other did not write it.
    """
    async with fleet() as ships:
        a, b, c = await ships.trio(antientropy_interval_s=1000.0)
        await until_all_lease(ships, a, b, c)
        dot = await write_past(ships, a, b)
        await ships.kill(a)
        ships.network.heal("a:1", "b:1")
        ships.network.block("c:1", "pull")
        # C hangs, and is not taken for gone: its link stays up.
        a.config = replace(a.config, seeds=("b:1",), catch_up_timeout_s=0.2)
        ships.wipe(a)
        wiped = a
        await wiped.until_connected("b", "c")
        await wiped.cluster.wait_joined()
        with pytest.raises(NotCaughtUp):
            await wiped.cluster.ensure_current()
        assert not wiped.statistics.current
        ships.network.unblock("c:1", "pull")
        await ships.until(lambda: wiped.statistics.current)
        assert wiped.records.knows(dot)


async def test_who_was_removed_gets_no_lease():
    """Writes do not wait for it; by a lease it would go on serving what they replace."""
    async with fleet() as ships:
        a, b, c = await ships.trio(**FAST_DETECTOR)
        await until_all_lease(ships, a, b, c)
        await ships.kill(c)
        async with asyncio.timeout(PATIENCE_S):
            await a.until(lambda s: Status.DEAD in {m.status for m in s.members})
        have = dict(a.records.vector())
        greeting = Greeting("test", c.member, (), have, a.clock.now_ms(), stage=c.stage)
        await a.cluster.remove_lost(NodeId("c"))
        assert not await comes_to_read_by(a, greeting)
        again = msgspec.structs.replace(greeting, stage=a.stage)
        assert not await comes_to_read_by(a, again)


async def test_regions_have_no_leases_between_them():
    """Reading in one region must not depend on another one."""
    async with fleet() as ships:
        a, _, _ = await ships.trio("eu", "us", "us")
        assert leased(a)


async def test_who_is_near_is_asked_alone():
    async with fleet() as ships:
        a, b, c = await ships.trio("eu", "eu", "us", antientropy_interval_s=1000.0)
        await until_all_lease(ships, a, b, c)
        for other in (a, c):
            ships.network.block(b.address, "push")
            ships.network.block(other.address, "push")
        there, far = a.records.write("near"), c.records.write("far")
        await b.cluster.catch_up(near=True)
        assert b.records.knows(there)
        assert not b.records.knows(far)
        await b.cluster.catch_up()
        assert b.records.knows(far)


async def test_two_relays_bring_events_to_a_region():
    """Each event crosses twice, and still everybody gets it at once."""
    async with fleet() as ships:
        regions = ("eu", "us", "us", "us", "us")
        a, *others = await ships.together("abcde", regions, antientropy_interval_s=1000.0)
        dot = a.records.write("x")
        await ships.until(lambda: all(engine.records.knows(dot) for engine in others))
        pushed = {call.callee for call in ships.network.calls if call[::2] == ("a:1", "push")}
        assert len(pushed) == 2
        await ships.until(
            lambda: sum(engine.statistics.totals.events_relayed for engine in others) >= 2
        )


async def test_a_relay_hands_on_what_it_got_while_another_is_gone():
    async with fleet() as ships:
        regions = ("eu", "us", "us", "us")
        a, _, c, d = await ships.together("abcd", regions, antientropy_interval_s=1000.0)
        ships.network.cut("a:1", "d:1")
        ships.network.cut("a:1", "c:1")
        await a.until_connected("b")
        dot = a.records.write("x")
        await ships.until(lambda: c.records.knows(dot) and d.records.knows(dot))


async def test_the_node_whose_clock_is_off_refuses_to_write():
    """Its events would be parked by everybody: acknowledged by two, and seen by none."""
    async with fleet() as ships:
        a, b, c = await ships.trio()
        a.clock.wrong_ms = 5_000
        await ships.until(lambda: a.cluster.clock_off_ms() > 4_000)
        with pytest.raises(ClockOff, match="ahead of its members'"):
            a.cluster.check_writable()
        # The others have heard of the jump by now, or hear of it soon; they are the majority.
        async with asyncio.timeout(5):
            await ships.until(lambda: b.cluster.clock_off_ms() == 0)
        b.cluster.check_writable()
        c.cluster.check_writable()
        a.clock.wrong_ms = 0
        a.cluster.check_writable()


async def test_a_clock_that_jumps_while_its_node_is_cut_off_is_noticed():
    """Also when nobody's word is fresh any more."""
    async with fleet() as ships:
        a, *_ = await ships.trio(**FAST_DETECTOR, clock_sample_max_s=0.5)
        for other in ("b:1", "c:1"):
            ships.network.cut("a:1", other)
        async with asyncio.timeout(PATIENCE_S):
            await a.until(lambda s: all(m.status is Status.DEAD for m in s.members))
        await asyncio.sleep(0.5)
        a.cluster.check_writable()
        a.clock.wrong_ms = 3_600_000
        with pytest.raises(ClockOff, match="ahead of its members'"):
            a.cluster.check_writable()


async def test_a_reader_whose_own_clock_is_behind_does_not_answer_of_the_past():
    """It parks what its healthy peers write, so that a round of pulls proves nothing."""
    async with fleet() as ships:
        a, b, c = await ships.trio()
        await until_all_lease(ships, a, b, c)
        c.clock.wrong_ms, c.records.clock_limit = -5_000, 10
        ships.network.cut("a:1", "c:1")
        await a.cluster.wait_durable(a.records.write("new", stamp=11))
        with pytest.raises(ClockOff, match="behind its members'"):
            await c.cluster.ensure_current()


@pytest.mark.parametrize(
    "wrong_ms",
    [
        pytest.param(-5_000, id="wrong"),
        pytest.param(-200, id="fine, and still too far behind one that is ahead and fine"),
    ],
)
async def test_a_node_whose_clock_is_behind_does_not_deny_what_it_parks(wrong_ms: int):
    """A lease is no help here: it says nothing of what another region acknowledged."""
    async with fleet() as ships:
        a, b, c = await ships.trio("eu", "us", "us")
        c.records.clock_limit = 10
        dot = a.records.write("new", stamp=11)
        await ships.until(lambda: b.records.knows(dot))
        c.clock.wrong_ms = wrong_ms
        await until_all_lease(ships, c)
        with pytest.raises(ClockOff, match="behind its members'"):
            await c.cluster.catch_up()
        # Set right again, it still lacks the event; but whoever is ahead of it now is wrong.
        c.clock.wrong_ms = 0
        await c.cluster.catch_up()
        assert not c.records.knows(dot)
        c.clock.wrong_ms = wrong_ms
        c.records.clock_limit = None
        await c.cluster.catch_up()
        assert c.records.knows(dot), "with nothing parked the round has brought everything"


async def test_of_two_nodes_the_one_behind_denies_nothing():
    """Either clock may be wrong: nobody else is there to tell."""
    async with fleet() as ships:
        a, b = ships.add("a"), ships.add("b", "us", seeds=("a:1",))
        ships.start(a)
        ships.start(b)
        await b.until_connected("a")
        b.records.clock_limit = 10
        a.records.write("new", stamp=11)
        b.clock.wrong_ms = -5_000
        assert b.cluster.clock_off_ms() == 0
        with pytest.raises(ClockOff, match="behind its members'"):
            await b.cluster.catch_up()


async def test_a_clock_that_was_set_right_during_the_round_is_no_excuse():
    """What it parked before is not here yet, though the clock is right when the round is over."""
    async with fleet() as ships:
        a, _, c = await ships.trio("eu", "us", "us", antientropy_interval_s=1000.0)
        c.records.clock_limit = 10
        c.clock.wrong_ms = -5_000
        c.records.disk.clear()
        a.records.write("new", stamp=11)
        pulls = ships.network.count("pull")
        asked = asyncio.ensure_future(c.cluster.catch_up())
        await ships.until(lambda: ships.network.count("pull") > pulls)
        c.clock.wrong_ms = 0
        c.records.disk.set()
        with pytest.raises(ClockOff):
            await asked
