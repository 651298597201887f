"""Logs of runs that are over are retired, and nothing is lost by it."""

import asyncio

import msgspec
import pytest

from cluster import vectors
from cluster.clock import COUNTER_BITS
from cluster.errors import BelowFloor, EpochTaken
from cluster.model import FEATURES, Dot, Event, NodeId, Origin
from tests.builders import a_member
from tests.fakes.fleet import Engine, Fleet, fleet
from tests.fakes.records import MemoryRecords

A, B, C = NodeId("a"), NodeId("b"), NodeId("c")
SETTLES_S = 1.5
"""How long a run has lasted, about, when those before it may be retired."""

FAST = {
    "log_settled_s": 0.01,
    "trim_interval_s": 0.01,
    "laggard_remote_s": 0.1,
    "push_timeout_s": 0.3,
    "heartbeat_timeout_s": 1.0,
}


def old(engine: Engine) -> int:
    """A stamp that lets an event be trimmed at once."""
    return (engine.clock.now_ms() - 10_000) << COUNTER_BITS


async def next_run(ships: Fleet, engine: Engine) -> Origin:
    """Have *engine* end its run and begin another; returns the log of the one before."""
    before = engine.records.origin
    await ships.kill(engine)
    ships.next_run(engine)
    await engine.until_connected(*{e.member.node for e in ships.engines.values()} - {before.node})
    await engine.cluster.wait_joined()
    return before


def retired(engine: Engine, *origins: Origin) -> bool:
    return all(vectors.is_retired(engine.records.vector(), origin) for origin in origins)


async def retired_trio(ships: Fleet) -> tuple[Engine, Engine, Engine, Origin]:
    """Three nodes that have retired the first log of a, which had three events."""
    a, b, c = await ships.trio(**FAST)
    for number in range(3):
        a.records.write(f"m{number}", stamp=old(a))
    await ships.until(lambda: all(e.records.vector().get(a.records.origin) == 3 for e in (b, c)))
    ended = await next_run(ships, a)
    await ships.until(lambda: all(retired(e, ended) for e in (a, b, c)))
    return a, b, c, ended


async def test_vectors_do_not_grow_with_restarts():
    async with fleet() as ships:
        engines = await ships.trio(**FAST)
        for _ in range(3):
            for engine in engines:
                engine.records.write("m", stamp=old(engine))
                ended = await next_run(ships, engine)
                await ships.until(lambda ended=ended: all(retired(e, ended) for e in engines))
        for engine in engines:
            assert len(engine.records.vector()) <= 6
            assert engine.records.floor().keys() <= engine.records.vector().keys()
        # And what is said of it is no more either.
        a, b, _ = engines
        await ships.until(lambda: vectors.same(a.told(B), b.records.vector()))
        assert len(a.told(B)) <= 6


async def test_who_is_away_holds_it_up_until_it_is_back():
    """
    Broken: c alone has what it and the writer acknowledged, and everybody refuses it. It took that
    after its last word, by which it has no more than the others.
    """
    async with fleet() as ships:
        a, b, c = await ships.trio(**FAST)
        a.records.write("m0", stamp=old(a))
        await ships.until(lambda: b.told(C) == b.records.vector() == {Origin("a", 1): 1})
        await ships.kill(c)
        [first] = c.records.logs[Origin("a", 1)]
        c.records._take(msgspec.structs.replace(first, dot=Dot("a", 1, 2)))
        await ships.kill(a)
        ships.next_run(a)
        await a.until_connected("b")
        await asyncio.sleep(a.config.dial_timeout_s + 2 * SETTLES_S)  # for a to rely on its disk
        assert b.told(C) == b.records.vector() == {Origin("a", 1): 1}
        assert not retired(a, Origin("a", 1))
        assert not retired(b, Origin("a", 1))
        ships.next_run(c)
        await ships.until(lambda: all(retired(e, Origin("a", 1)) for e in (a, b, c)))
        assert all(e.records.knows(Dot("a", 1, 2)) for e in (a, b, c))


async def test_a_member_of_an_earlier_version_holds_it_up_until_its_upgrade():
    """Broken: it misses what the watermark stands for, and grants no lease to who retired it."""
    async with fleet() as ships:
        a, b, c = await ships.trio(**FAST)
        await ships.kill(c)
        c.member = msgspec.structs.replace(c.member, features=())
        ships.next_run(c)
        a.records.write("m", stamp=old(a))
        await ships.until(lambda: all(e.records.vector().get(Origin("a", 1)) for e in (b, c)))
        ended = await next_run(ships, a)
        await asyncio.sleep(2 * SETTLES_S)
        assert not any(retired(engine, ended) for engine in (a, b, c))
        await ships.kill(c)
        c.member = msgspec.structs.replace(c.member, features=FEATURES)
        ships.next_run(c)
        await ships.until(lambda: all(retired(engine, ended) for engine in (a, b, c)))


async def test_the_present_run_is_never_retired():
    async with fleet() as ships:
        a, b = await ships.pair(**FAST)
        a.records.write("m0", stamp=old(a))
        await ships.until(lambda: b.records.floor().get(a.records.origin) == 1)
        await asyncio.sleep(SETTLES_S)
        assert not retired(a, a.records.origin)
        assert not retired(b, a.records.origin)


async def test_nothing_is_retired_while_a_lease_of_the_run_before_may_run():
    """Broken: what the run before let somebody read by is taken for settled."""
    async with fleet() as ships:
        a, b = await ships.pair(**FAST)
        a.records.write("m0", stamp=old(a))
        await ships.until(lambda: b.records.floor().get(a.records.origin) == 1)
        began_s = a.clock.now_s()
        ended = await next_run(ships, a)
        await ships.until(lambda: retired(a, ended) or retired(b, ended))
        config = a.config
        leased_s = config.lease_s + config.laggard_remote_s
        under_way_s = config.push_timeout_s + config.heartbeat_timeout_s
        assert a.clock.now_s() - began_s > leased_s + under_way_s


async def test_what_is_new_of_a_retired_log_is_refused_and_told():
    """Broken: an event of a run that went on unnoticed counts as had, and is nowhere."""
    async with fleet() as ships:
        a, b, _, ended = await retired_trio(ships)
        key = a.records.logs[ended][0].key
        late = Event(Dot(*ended, 4), old(a), "add", key, b"")
        answer = await b.cluster.service.push(A, b.stage, [late])
        assert not answer.have.get(ended)
        assert b.statistics.totals.events_refused == 1
        assert len(b.records.logs[ended]) == 3
        await b.cluster.service.push(A, b.stage, [late])
        assert b.statistics.totals.events_refused == 2
        told = b.log.named("events of a retired log refused")
        assert [line.level for line in told] == ["warning", "debug"], "told aloud once"


async def test_nothing_is_handed_on_to_a_member_that_has_retired_it():
    """Broken: events of a retired log are refused, and an alarm is given, with each new link."""
    async with fleet() as ships:
        names = ("a", "b", "c")
        for name, region in zip(names, ("us", "eu", "eu"), strict=True):
            seeds = tuple(f"{other}:1" for other in names)
            tuning = {"initial": names, "relays": 2, **({} if name == "c" else FAST)}
            ships.add(name, region, seeds, **tuning)
        a, b, c = ships.engines.values()
        for engine in (a, b, c):
            ships.start(engine)
        for engine in (a, b, c):
            await engine.until_connected(*({*names} - {engine.member.node}))
            await engine.cluster.wait_joined()
        a.records.write("m0", stamp=old(a))
        origin = a.records.origin
        await ships.until(lambda: all(e.records.vector().get(origin) == 1 for e in (b, c)))
        await next_run(ships, a)
        await ships.until(lambda: retired(a, origin) and retired(b, origin))
        assert not retired(c, origin), "it does not forget for an hour"
        ships.network.cut("b:1", "c:1")
        await ships.until(lambda: not c.is_linked("b") and not b.is_linked("c"))
        ships.network.heal("b:1", "c:1")
        await c.until_connected("a", "b")
        dot = c.records.write("later")
        await ships.until(lambda: b.records.knows(dot))
        assert b.statistics.totals.events_refused == 0


async def test_a_disk_from_before_it_takes_over_a_state():
    """Broken: a short log counts as complete, as another one of its node is the latest."""
    async with fleet() as ships:
        _, b, c, ended = await retired_trio(ships)
        await ships.kill(c)
        c.records.marks = {}
        del c.records.logs[ended][1:]
        assert vectors.unmet(c.records.vector(), b.records.vector()) == ["a"]
        with pytest.raises(BelowFloor):
            [_ async for _ in b.cluster.service.pull(C, b.stage, c.records.vector())]
        ships.next_run(c)
        await c.until_connected("a", "b")
        await ships.until(lambda: vectors.same(c.records.vector(), b.records.vector()))
        assert c.statistics.totals.restores == 1
        assert len(c.records.logs[ended]) == 3


async def test_a_member_that_has_not_retired_it_is_given_events():
    """Broken: every member that decides later takes over a state first."""
    async with fleet() as ships:
        _, b, c, ended = await retired_trio(ships)
        await ships.kill(c)
        c.records.marks = {}
        ships.next_run(c)
        await c.until_connected("a", "b")
        dot = b.records.write("later", stamp=old(b))
        await ships.until(lambda: c.records.knows(dot) and retired(c, ended))
        assert c.statistics.totals.restores == 0


async def test_a_new_disk_whose_clock_is_behind_begins_a_later_epoch():
    """Broken: it writes under an epoch that everybody refuses."""
    async with fleet() as ships:
        a, b, _, ended = await retired_trio(ships)
        later = a.member.epoch
        await ships.kill(a)
        a.member = msgspec.structs.replace(a_member("a", epoch=1), store="another")
        a.records = MemoryRecords("a", a.member.epoch)
        a.renew()
        ships.network.services[a.address] = a.cluster.service
        with pytest.raises(EpochTaken) as taken:
            await asyncio.wait_for(a.cluster.run(), 5.0)
        assert ended.epoch <= taken.value.epoch <= later
        assert a.records.origin not in a.records.logs, "it has written nothing"
        assert b.runs


async def test_rows_of_a_retired_log_stand_on_the_disk_that_had_it():
    """Broken: either a million rows are written again at each start, or a wiped disk counts."""
    async with fleet() as ships:
        a, b, c = await ships.trio(**FAST)
        digest = await ships.stored(b"blob", a)
        a.records.logs[a.records.origin] = [
            msgspec.structs.replace(event, stamp=old(a))
            for event in a.records.logs[a.records.origin]
        ]
        for engine in (b, c):
            engine.records.logs[a.records.origin] = list(a.records.logs[a.records.origin])
        ended = await next_run(ships, a)
        await ships.until(lambda: all(retired(e, ended) for e in (a, b, c)))
        await next_run(ships, a)
        assert retired(a, ended)
        assert not a.records.began.get(ended)
        await ships.until(lambda: b.vouches(digest, "a"))
        assert a.records.held_size(digest) == 4
        await ships.kill(a)
        ships.wipe(a)
        await a.until_connected("b", "c")
        await ships.until(lambda: "a" in a.records.holders(digest))
        assert not b.vouches(digest, "a")
        assert a.records.held_size(digest) is None
