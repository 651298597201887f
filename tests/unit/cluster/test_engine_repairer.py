"""Blobs that were accepted with too few copies get the missing ones when a member is there."""

from msgspec.structs import replace

from cluster.model import Digest
from tests.fakes.fleet import Engine, fleet

TUNING = {"repair_interval_s": 0.05, "repair_pause_s": 0.01}


async def push(engine: Engine, count: int) -> list[Digest]:
    """Blobs that a client pushed, and whose copies were waited for."""
    blobs = [f"blob {number}".encode() for number in range(count)]
    digests = [await engine.put(data) for data in blobs]
    await engine.cluster.ensure_copies([(Digest.of(data), len(data)) for data in blobs])
    return digests


def has_all(engine: Engine, digests: list[Digest]) -> bool:
    return all(engine.blobs.size(digest) is not None for digest in digests)


async def test_what_was_accepted_while_a_peer_was_away_gets_its_copy():
    """Broken: a blob stays on one disk for ever, and goes with it."""
    async with fleet() as ships:
        a, b = await ships.pair(**TUNING)
        await ships.kill(b)
        await a.until_connected()
        digests = await push(a, 300)
        assert a.statistics.totals.degraded == 1
        ships.next_run(b)
        await ships.until(lambda: has_all(b, digests))
        await ships.until(lambda: a.statistics.totals.copies_repaired == 300)
        assert a.statistics.totals.degraded == 1, "a repair is no new alarm"


async def test_the_blobs_of_a_wiped_peer_return():
    """Broken: after a disk was replaced, everything old is on one disk only."""
    async with fleet() as ships:
        a, b = await ships.pair(**TUNING)
        digests = await push(a, 20)
        assert has_all(b, digests)
        await ships.kill(b)
        wiped = ships.adopt(replace(b.member, epoch=2), ("a:1",), **TUNING)
        ships.start(wiped)
        await ships.until(lambda: has_all(wiped, digests))
        await ships.until(lambda: a.statistics.totals.copies_repaired == 20)


async def test_a_member_that_is_away_counts_as_it_said():
    """Broken: every restart of a node copies all that it holds to the others."""
    async with fleet() as ships:
        a, b, c = await ships.trio(**TUNING)
        digests = await push(a, 10)
        holder = b if has_all(b, digests[:1]) else c
        other = c if holder is b else b
        before = {digest for digest in digests if other.blobs.size(digest) is not None}
        await ships.kill(holder)
        await a.until_connected(other.member.node)
        await ships.kill(other)
        ships.restart(other)
        await a.until_connected(other.member.node)
        walks = ships.network.count("hello", "a:1")
        await ships.until(lambda: ships.network.count("hello", "a:1") > walks + 30)
        assert {d for d in digests if other.blobs.size(d) is not None} == before
        assert a.statistics.totals.copies_repaired == 0


async def test_enough_copies_are_left_alone():
    """Broken: the walk asks for every blob of the cluster at every interval."""
    async with fleet() as ships:
        a, b = await ships.pair(**TUNING)
        digests = await push(a, 10)
        await ships.until(lambda: all(len(a.records.holders(d)) == 2 for d in digests))
        holds = ships.network.count("hold")
        greetings = ships.network.count("hello", "b:1")
        await ships.until(lambda: ships.network.count("hello", "b:1") > greetings + 30)
        assert ships.network.count("hold") == holds
        assert b.statistics.totals.copies_repaired == 0


async def test_a_peer_without_room_is_asked_again_later():
    """Broken: one full disk at the wrong moment, and a blob has one copy for ever."""
    async with fleet() as ships:
        a, b = await ships.pair(**TUNING)
        await ships.kill(b)
        await a.until_connected()
        digests = await push(a, 40)
        b.blobs.capacity_bytes = 0
        ships.next_run(b)
        await ships.until(lambda: ships.network.count("hold", "b:1") > 20)
        assert not any(b.blobs.size(digest) is not None for digest in digests)
        b.blobs.capacity_bytes = None
        await ships.until(lambda: has_all(b, digests))


async def test_a_walk_ends_when_too_much_fails():
    """Broken: a member without room is asked for each of a million blobs, one after the other."""
    async with fleet() as ships:
        a, b = await ships.pair(repair_pause_s=0.01)
        await ships.kill(b)
        await a.until_connected()
        await push(a, 300)
        b.blobs.capacity_bytes = 0
        ships.next_run(b)
        await ships.until(lambda: bool(a.log.named("copies repaired")))
        # It sees that it has failed often enough when it has been through the rows it had read.
        assert 16 <= a.log.named("copies repaired")[0].fields["failures"] <= 128
        assert ships.network.count("hold", "b:1") <= 128
