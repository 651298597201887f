"""An event that needs one which nobody has: it holds up nothing but itself, and never counts."""

import asyncio
from collections.abc import Sequence

import pytest

from cluster.errors import NotCaughtUp
from cluster.model import Digest, Event, Origin
from tests.fakes.fleet import Engine, Fleet, fleet

A = Origin("a", 1)
TUNING = {
    "gap_patience_s": 60.0,
    "heartbeat_interval_s": 0.5,
    "heartbeat_remote_interval_s": 0.5,
    "lease_s": 1.0,
    "antientropy_interval_s": 1.0,
    "repair_interval_s": 1.0,
    "repair_pause_s": 0.01,
}
DATA = b"held by a, and by who asks"


def lose(engine: Engine, seq: int) -> None:
    """Let *engine* send its log without the event *seq*, as if its disk had lost that one."""
    whole = engine.records.events_after

    def events_after(origin: Origin, after: int, *, max_bytes: int) -> Sequence[Event]:
        found = whole(origin, after, max_bytes=max_bytes)
        return [event for event in found if (event.origin, event.dot.seq) != (A, seq)]

    engine.records.events_after = events_after


def find(engine: Engine) -> None:
    """Let *engine* have it again."""
    del engine.records.events_after


async def with_a_gap(ships: Fleet) -> tuple[Engine, Engine, Digest]:
    """Two nodes, of which b has the first two of four events of a: the third one is lost."""
    a, b = await ships.pair(**TUNING)
    digest = await a.put(DATA)
    a.records.write("m2")
    await ships.until(lambda: b.records.vector().get(A, 0) == 2)
    lose(a, 3)
    for name in ("m3", "m4"):
        a.records.write(name)
    return a, b, digest


async def until_told(engine: Engine) -> None:
    async with asyncio.timeout(120):
        await engine.until(lambda state: state.logs_standing > 0)


async def test_a_newcomer_joins_beside_a_gap_that_lasts():
    """Broken: no node can join any more; or one that joined says "not found" of what exists."""
    async with fleet() as ships:
        a, _, _ = await with_a_gap(ships)
        c = ships.add("c", seeds=("a:1", "b:1"), **TUNING)
        began_s = asyncio.get_running_loop().time()
        ships.start(c)
        async with asyncio.timeout(120):
            await c.cluster.wait_joined()
        assert asyncio.get_running_loop().time() >= began_s + 60, "a could still be right"
        assert c.statistics.logs_standing == 1
        assert len(c.log.named("a log stands still")) == 1
        # What it must never do: count what it has not seen.
        assert c.records.vector()[A] == 2
        with pytest.raises(NotCaughtUp, match="missing from a"):
            await c.cluster.catch_up()
        find(a)
        await ships.until(lambda: c.records.vector()[A] == 4)
        assert c.statistics.logs_standing == 0
        await c.cluster.catch_up()


async def test_blobs_are_repaired_beside_a_gap_that_lasts():
    """Broken: one bad event, and no lost copy is ever made again."""
    async with fleet() as ships:
        _, b, _ = await with_a_gap(ships)
        await ships.kill(b)
        digest = await b.put(b"on one disk only")
        ships.next_run(b)
        async with asyncio.timeout(120):
            while b.statistics.totals.copies_repaired < 1:
                await asyncio.sleep(1)
        assert ships.engines["a:1"].blobs.size(digest) is not None


async def test_a_holder_with_a_gap_in_its_own_log_is_asked_before_its_copy_counts():
    """Broken: what it took back behind the gap counts as a copy; or nothing of it ever does."""
    async with fleet() as ships:
        _, b, digest = await with_a_gap(ships)
        await ships.kill(b)
        await b.put(DATA)
        ships.next_run(b)
        await until_told(b)
        await ships.until(lambda: b.has_caught_up("a"))
        assert not b.vouches(digest, "a")
        assert await b.cluster.ensure_copies([(digest, len(DATA))]) == 2
        assert await b.cluster.ensure_copies([(digest, len(DATA))]) == 2
        assert ships.network.count("hold") == 1, "once, be it for the repair"
