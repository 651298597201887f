"""Copies of blobs: placement, joining of work, and peers that refuse, fail or go away."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from cluster.errors import BlobUnavailable, CopiesUnfinished, StorageFull
from cluster.model import Digest, Dot, NodeId
from cluster.replication.placement import place
from node.blobs.memory import MemoryBlobs
from tests.fakes.fleet import CALM, Engine, Fleet, fleet

SMALL = b"small enough to travel inline"
LARGE = bytes(range(256)) * 20


def having(digest: Digest, *engines: Engine) -> set[str]:
    return {engine.member.node for engine in engines if engine.blobs.size(digest) is not None}


def next_holder(digest: Digest, me: Engine, *others: Engine) -> Engine:
    """Which of *others* placement asks first."""
    name = place(digest, me.member, [other.member for other in others])[1]
    return next(other for other in others if other.member.node == name)


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["inline", "fetched"])
async def test_a_new_blob_gets_its_second_copy(data: bytes):
    """P1 for blobs: two nodes have it on return."""
    async with fleet() as ships:
        a, b, c = await ships.trio()
        digest = await a.put(data)
        await a.cluster.ensure_copies([(digest, len(data))])
        assert len(having(digest, a, b, c)) == 2
        assert ships.network.count("fetch") == (1 if data is LARGE else 0)


async def test_copies_stay_in_the_region_when_it_has_enough_nodes():
    async with fleet() as ships:
        a, _, c = await ships.trio("eu", "us", "eu")
        for n in range(10):
            data = f"blob {n}".encode()
            digest = await a.put(data)
            await a.cluster.ensure_copies([(digest, len(data))])
            assert having(digest, *ships.engines.values()) == {"a", "c"}
        assert c.connected() == {"a", "b"}


async def test_enough_copies_cost_no_call():
    async with fleet() as ships:
        a, b, _ = await ships.trio()
        digest = await a.put(SMALL)
        await b.put(SMALL)
        await ships.until(lambda: len(a.records.holders(digest)) == 2)
        await a.cluster.ensure_copies([(digest, len(SMALL))])
        assert ships.network.count("hold") == 0


async def test_a_confirmation_counts_before_the_record_arrives():
    """The second manifest that names a layer must not copy it again."""
    async with fleet() as ships:
        a, _, _ = await ships.trio(antientropy_interval_s=1000.0)
        digest = await a.put(SMALL)
        ships.network.block("a:1", "push")
        for _ in range(2):
            assert await a.cluster.ensure_copies([(digest, len(SMALL))]) == 2
        assert a.records.holders(digest).keys() == {"a"}
        assert ships.network.count("hold") == 1


async def test_a_confirmation_is_over_when_its_holder_takes_it_back():
    """Broken: pushes count a copy that is lost, and nobody makes another one."""
    async with fleet() as ships:
        a, b, c = await ships.trio()
        digest = await a.put(SMALL)
        await a.cluster.ensure_copies([(digest, len(SMALL))])
        holder = next(each for each in (b, c) if each.blobs.size(digest) is not None)
        await ships.until(lambda: holder.member.node in a.records.holders(digest))
        del holder.blobs._blobs[digest]
        holder.records.release(digest)
        await ships.until(lambda: holder.member.node not in a.records.holders(digest))
        assert a.is_short(digest)
        assert await a.cluster.ensure_copies([(digest, len(SMALL))]) == 2
        assert len(having(digest, a, b, c)) == 2


async def test_a_confirmation_that_was_denied_is_over_for_good():
    """Broken: a new link, which has not caught up yet, believes it once more."""
    async with fleet() as ships:
        a, b = await ships.pair(antientropy_interval_s=1000.0)
        digest = await a.put(SMALL)
        assert await a.cluster.ensure_copies([(digest, len(SMALL))]) == 2
        await ships.until(lambda: "b" in a.records.holders(digest))
        del b.blobs._blobs[digest]
        b.records.release(digest)
        await ships.until(lambda: "b" not in a.records.holders(digest))
        assert a.holding(digest) == ["a"]
        ships.network.cut("a:1", "b:1")
        await a.until_connected()
        ships.network.block("b:1", "pull")
        ships.network.heal("a:1", "b:1")
        await a.until_connected("b")
        assert a.holding(digest) == ["a"]


async def test_a_record_that_arrives_while_copies_are_counted_is_no_denial():
    """Another thread writes the index. Broken: a copy on two disks counted as one, now and then."""
    async with fleet() as ships:
        a, b, c = await ships.trio(antientropy_interval_s=1000.0)
        digest = await a.put(SMALL)
        ships.network.block("a:1", "push")
        assert await a.cluster.ensure_copies([(digest, len(SMALL))]) == 2
        holder = next(each for each in (b, c) if each.blobs.size(digest) is not None)
        origin, read = holder.records.origin, a.records.holders
        known = a.records.vector().get(origin, 0)
        [*events] = holder.records.events_after(origin, known, max_bytes=1 << 20)

        def read_just_before_they_arrive(asked: Digest) -> Mapping[NodeId, Dot]:
            rows = read(asked)
            a.records.logs.setdefault(origin, []).extend(events)
            events.clear()
            return rows

        assert events
        a.records.holders = read_just_before_they_arrive
        assert len(a.holding(digest)) == 2
        assert not events


async def test_what_an_earlier_run_said_of_a_copy_counts_before_it_is_here():
    """The row is in a log that the first pull brings, and that may wait for others."""
    async with fleet() as ships:
        a, b = await ships.pair(antientropy_interval_s=1000.0)
        ships.network.cut("a:1", "b:1")
        digest = await b.put(LARGE)
        await ships.kill(b)
        await a.until_connected()
        ships.network.block("b:1", "pull")
        ships.network.heal("a:1", "b:1")
        ships.next_run(b)
        await a.until_connected("b")
        await a.put(LARGE)
        assert await a.cluster.ensure_copies([(digest, len(LARGE))]) == 2


async def test_whose_log_denies_what_it_says_is_not_asked_again():
    """Its rows are damaged, say; broken: it is asked as fast as it answers."""
    async with fleet() as ships:
        a, b = await ships.pair()
        digest = await b.put(SMALL)
        await ships.until(lambda: "b" in a.records.holders(digest))
        a.records.holding.clear()
        await a.put(SMALL)
        with pytest.raises(BlobUnavailable, match="the log of b denies"):
            await a.cluster.ensure_copies([(digest, len(SMALL))])
        assert ships.network.count("hold") == 2, "by the job that ran, and by another"


async def test_a_running_replication_is_joined():
    """The push at the end of the upload and the manifest after it are one transfer."""
    async with fleet() as ships:
        a, b, c = await ships.trio()
        for address in ("b:1", "c:1"):
            ships.network.block(address, "hold")
        digest = await a.put(LARGE)
        a.cluster.replicate(digest, len(LARGE))
        a.cluster.replicate(digest, len(LARGE))
        async with asyncio.TaskGroup() as group:
            wait = group.create_task(a.cluster.ensure_copies([(digest, len(LARGE))]))
            await ships.until(lambda: ships.network.count("hold") == 1)
            assert not wait.done()
            for address in ("b:1", "c:1"):
                ships.network.unblock(address, "hold")
        assert ships.network.count("hold") == 1
        assert len(having(digest, a, b, c)) == 2


async def test_a_peer_that_goes_away_is_replaced():
    async with fleet() as ships:
        a, b, c = await ships.trio()
        digest = await a.put(LARGE)
        doomed = next_holder(digest, a, b, c)
        ships.network.block(doomed.address, "hold")
        async with asyncio.TaskGroup() as group:
            group.create_task(a.cluster.ensure_copies([(digest, len(LARGE))]))
            await ships.until(lambda: ships.network.count("hold", doomed.address) == 1)
            await ships.kill(doomed)
        survivor = c if doomed is b else b
        assert having(digest, a, survivor) == {"a", survivor.member.node}
        assert a.statistics.totals.degraded == 0


async def test_a_holder_that_goes_while_another_blob_gets_its_copy_is_replaced():
    """If this fails, a push of several blobs is acknowledged with one of them on one disk."""
    async with fleet() as ships:
        a, b, c = await ships.trio()
        at_b, at_c = [
            next(
                data
                for data in (bytes([number]) * 2000 for number in range(256))
                if next_holder(Digest.of(data), a, b, c) is holder
            )
            for holder in (b, c)
        ]
        blobs = [(await a.put(data), 2000) for data in (at_b, at_c)]
        ships.network.block("c:1", "hold")
        async with asyncio.TaskGroup() as group:
            copies = group.create_task(a.cluster.ensure_copies(blobs))
            await ships.until(lambda: a.statistics.totals.copies_made == 1)
            await ships.until(lambda: ships.network.count("hold", "c:1") == 1)
            await ships.kill(b)
            await a.until_connected("c")
            ships.network.unblock("c:1", "hold")
        assert copies.result() == 2
        assert all(having(digest, a, c) == {"a", "c"} for digest, _ in blobs)


async def test_when_everybody_goes_away_the_blob_is_accepted_and_counted():
    """The default of two with one dead: accept, count, repair when it is back."""
    async with fleet() as ships:
        a, b = await ships.pair()
        ships.network.block("b:1", "hold")
        digest = await a.put(LARGE)
        async with asyncio.TaskGroup() as group:
            group.create_task(a.cluster.ensure_copies([(digest, len(LARGE))]))
            await ships.until(lambda: ships.network.count("hold") == 1)
            await ships.kill(b)
        assert a.statistics.totals.degraded == 1
        assert a.log.named("accepted with too few copies")[0].fields["blobs"] == 1


async def come_back(ships: Fleet, engine: Engine, survivors: Sequence[Engine]) -> None:
    """Start a new run on what is left of the disk, and wait until all have the rows it knows of."""
    ships.next_run(engine)
    await engine.cluster.wait_joined()
    for survivor in survivors:
        others = {e.member.node for e in (engine, *survivors)} - {survivor.member.node}
        await survivor.until_connected(*others)
    await ships.until(lambda: all(e.records.logs == engine.records.logs for e in survivors))


async def test_the_copy_of_a_holder_that_was_restarted_counts():
    async with fleet() as ships:
        a, b, c = await ships.trio()
        digest = await a.put(LARGE)
        await b.put(LARGE)
        await ships.until(lambda: len(a.records.holders(digest)) == 2)
        await ships.kill(b)
        await come_back(ships, b, (a, c))
        await ships.until(lambda: a.vouches(digest, "b"))
        await a.cluster.ensure_copies([(digest, len(LARGE))])
        assert ships.network.count("hold") == 0


@pytest.mark.parametrize("kept", [0, 1], ids=["wiped", "set back"])
async def test_the_copy_of_a_holder_that_lost_its_disk_does_not_count(kept: int):
    """If this fails, the row of a disk that is gone is taken for a copy, and a push for safe."""
    async with fleet() as ships:
        a, b, c = await ships.trio()
        digest = await a.put(LARGE)
        await b.put(SMALL)
        await b.put(LARGE)
        await ships.until(lambda: len(a.records.holders(digest)) == 2)
        await ships.kill(b)
        del b.records.logs[b.records.origin][kept:]
        b.blobs = MemoryBlobs()
        await come_back(ships, b, (a, c))
        assert len(b.records.holders(digest)) == 2, "the lost row came back"
        await a.cluster.ensure_copies([(digest, len(LARGE))])
        assert len(having(digest, a, b, c)) == 2


async def test_a_full_peer_is_passed_over():
    async with fleet() as ships:
        a, b, c = await ships.trio()
        digest = await a.put(LARGE)
        full = next_holder(digest, a, b, c)
        full.blobs.capacity_bytes = 10
        await a.cluster.ensure_copies([(digest, len(LARGE))])
        assert having(digest, a, b, c) == {"a", "b", "c"} - {full.member.node}


async def test_when_all_connected_peers_are_full_nothing_is_acknowledged():
    """Connected and refusing is not the same as not connected."""
    async with fleet() as ships:
        a, b, c = await ships.trio()
        digest = await a.put(LARGE)
        b.blobs.capacity_bytes = c.blobs.capacity_bytes = 10
        with pytest.raises(StorageFull):
            await a.cluster.ensure_copies([(digest, len(LARGE))])
        b.blobs.capacity_bytes = None
        await a.cluster.ensure_copies([(digest, len(LARGE))])
        assert having(digest, a, b, c) == {"a", "b"}


async def test_a_peer_that_never_answers_fails_the_push():
    async with fleet() as ships:
        a, b, c = await ships.trio(hold_timeout_s=0.02)
        for address in ("b:1", "c:1"):
            ships.network.block(address, "hold")
        digest = await a.put(LARGE)
        with pytest.raises(BlobUnavailable):
            await a.cluster.ensure_copies([(digest, len(LARGE))])
        assert a.connected() == {b.member.node, c.member.node}


async def test_a_blob_that_is_elsewhere_needs_no_copy_here():
    """A mounted blob may live on two other nodes."""
    async with fleet() as ships:
        a, b, c = await ships.trio()
        digest = await b.put(LARGE)
        await c.put(LARGE)
        await ships.until(lambda: len(a.records.holders(digest)) == 2)
        await a.cluster.ensure_copies([(digest, len(LARGE))])
        assert a.blobs.size(digest) is None


@pytest.mark.parametrize("home", ["a", "c"])
async def test_a_blob_with_one_copy_elsewhere_gets_another_where_it_belongs(home: str):
    """A mounted blob; broken: repair brings it to where it belongs once more."""
    async with fleet() as ships:
        a, b, c = await ships.trio()
        blobs = (LARGE + bytes([n]) for n in range(100))
        data = next(data for data in blobs if a.places(Digest.of(data), "b") == home)
        digest = await b.put(data)
        await ships.until(lambda: len(a.records.holders(digest)) == 1)
        await a.cluster.ensure_copies([(digest, len(data))])
        assert having(digest, a, b, c) == {"b", home}


async def test_a_blob_that_no_connected_node_has_is_unavailable():
    async with fleet() as ships:
        a, _, _ = await ships.trio()
        with pytest.raises(BlobUnavailable):
            await a.cluster.ensure_copies([(Digest.of(b"gone"), 4)])


async def test_many_blobs_are_brought_at_once_within_the_bound():
    async with fleet() as ships:
        a, b, c = await ships.trio(replications_max=3)
        for address in ("b:1", "c:1"):
            ships.network.block(address, "hold")
        blobs = [(await a.put(bytes([n]) * 2000), 2000) for n in range(10)]
        async with asyncio.TaskGroup() as group:
            group.create_task(a.cluster.ensure_copies(blobs))
            await ships.until(lambda: ships.network.count("hold") == 3)
            assert a.statistics.replications_running == 3
            assert a.statistics.replications_waiting == 7
            for address in ("b:1", "c:1"):
                ships.network.unblock(address, "hold")
        assert all(len(having(digest, a, b, c)) == 2 for digest, _ in blobs)


async def test_background_replications_beyond_the_queue_are_dropped_and_made_up_for():
    """What if full: dropped and counted, and the manifest asks again."""
    async with fleet() as ships:
        a, b, c = await ships.trio(replications_max=1, replications_queue_max=2)
        for address in ("b:1", "c:1"):
            ships.network.block(address, "hold")
        blobs = [(await a.put(bytes([n]) * 2000), 2000) for n in range(6)]
        for digest, size in blobs:
            a.cluster.replicate(digest, size)
        dropped = a.statistics.totals.replications_dropped
        assert dropped >= 3
        for address in ("b:1", "c:1"):
            ships.network.unblock(address, "hold")
        await a.cluster.ensure_copies(blobs)
        assert all(len(having(digest, a, b, c)) == 2 for digest, _ in blobs)


async def test_a_confirmation_is_void_when_the_peer_comes_back_with_another_disk():
    """A wiped node still bears the name that confirmed the copy."""
    async with fleet() as ships:
        a, b, c = await ships.trio()
        digest = await a.put(SMALL)
        await a.cluster.ensure_copies([(digest, len(SMALL))])
        (holder,) = (engine for engine in (b, c) if having(digest, engine))
        await ships.kill(holder)
        await ships.until(lambda: len(a.connected()) == 1)
        a.records.holding[digest].pop(holder.member.node, None)
        ships.wipe(holder)
        await a.until_connected("b", "c")
        await holder.cluster.wait_joined()
        await a.cluster.ensure_copies([(digest, len(SMALL))])
        assert len(having(digest, a, b, c)) == 2


async def test_a_wrong_inline_blob_is_not_stored():
    """P6: bytes from a peer are hashed before they are visible."""
    async with fleet() as ships:
        a, b, _ = await ships.trio()
        digest = Digest.of(b"right")
        with pytest.raises(Exception, match="does not match"):
            await b.cluster.service.hold(digest, 5, [], b"wrong")
        with pytest.raises(Exception, match="does not match"):
            await b.cluster.service.hold(digest, 6, [], b"right")
        assert b.blobs.size(digest) is None
        assert b.blobs.staged_names == set()
        assert a.records.holders(digest) == {}


async def test_copies_that_take_too_long_are_waited_for_no_longer():
    """Broken: a manifest waits for hours. What was begun goes on, or each attempt begins anew."""
    async with fleet() as ships:
        a, b, c = await ships.trio(
            copies_timeout_s=300.0, hold_timeout_s=1000.0, hold_patience_s=1000.0, **CALM
        )
        digest = await a.put(LARGE)
        for address in ("b:1", "c:1"):
            ships.network.block(address, "hold")
        began_s = asyncio.get_running_loop().time()
        with pytest.raises(CopiesUnfinished, match="300 s"):
            await a.cluster.ensure_copies([(digest, len(LARGE))])
        assert asyncio.get_running_loop().time() == began_s + 300
        for address in ("b:1", "c:1"):
            ships.network.unblock(address, "hold")
        await ships.until(lambda: len(having(digest, a, b, c)) == 2)
        await a.cluster.ensure_copies([(digest, len(LARGE))])
        assert ships.network.count("hold") == 1
