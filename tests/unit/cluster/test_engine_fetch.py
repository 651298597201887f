"""Blobs on their way here: single flight, resuming, verification."""

import asyncio
import random
from contextlib import aclosing

import pytest

from cluster.errors import BlobUnavailable, StorageFull
from cluster.model import Digest
from tests.fakes.fleet import fleet

CHUNK = 1024
"""As in the fleet's configuration."""


def blob(chunks: float, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(int(chunks * CHUNK))


@pytest.mark.parametrize("chunks", [0, 0.5, 1, 1.5, 7])
async def test_a_fetched_blob_is_read_stored_and_recorded(chunks: float):
    """A cold pull serves the client and the next pull."""
    data = blob(chunks)
    async with fleet() as ships:
        a, b, _ = await ships.trio()
        digest = await ships.stored(data, a)
        assert await b.read(digest, len(data)) == data
        await ships.until(lambda: b.records.size_here(digest) == len(data))
        assert b.blobs.size(digest) == len(data)
        assert b.blobs.staged_names == set()
        assert b.statistics.totals.bytes_fetched == len(data)
        assert a.statistics.totals.bytes_served == len(data)


async def test_twenty_readers_share_one_transfer():
    """P8: however many clients pull at once, the blob crosses once."""
    data = blob(9.5)
    async with fleet() as ships:
        a, b, _ = await ships.trio()
        digest = await ships.stored(data, a)
        ships.network.limit_fetches("a:1", 4 * CHUNK)
        async with asyncio.TaskGroup() as group:
            reads = [group.create_task(b.read(digest, len(data))) for _ in range(20)]
            await ships.until(lambda: b.statistics.fetches_running == 1)
            ships.network.limit_fetches("a:1", None)
        assert [read.result() for read in reads] == [data] * 20
        assert ships.network.count("fetch") == 1
        assert b.blobs.staged_names == set()


async def test_a_reader_follows_the_transfer_and_the_last_chunk_waits():
    """A cold pull streams while it is fetched; a complete answer is a verified one (P6)."""
    data = blob(3)
    async with fleet() as ships:
        a, b, _ = await ships.trio()
        digest = await ships.stored(data, a)
        ships.network.limit_fetches("a:1", 2 * CHUNK)
        async with b.cluster.fetch(digest, len(data)) as remote:
            assert remote.size == len(data)
            stream = remote.stream(0, len(data))
            first = await anext(stream) + await anext(stream)
            assert first == data[: 2 * CHUNK]
            assert b.blobs.size(digest) is None
            ships.network.limit_fetches("a:1", None)
            assert await anext(stream) == data[2 * CHUNK :]
            assert b.blobs.size(digest) == len(data)
            await stream.aclose()


async def test_a_range_is_read_from_the_middle():
    data = blob(5)
    async with fleet() as ships:
        a, b, _ = await ships.trio()
        digest = await ships.stored(data, a)
        async with b.cluster.fetch(digest, len(data)) as remote:
            middle = b"".join([chunk async for chunk in remote.stream(1500, 2000)])
            assert middle == data[1500:3500]


async def test_a_transfer_goes_on_when_its_readers_leave():
    """The bytes were paid for, and the next pull finds them here."""
    data = blob(6)
    async with fleet() as ships:
        a, b, _ = await ships.trio()
        digest = await ships.stored(data, a)
        ships.network.limit_fetches("a:1", 2 * CHUNK)
        async with b.cluster.fetch(digest, len(data)):
            pass
        ships.network.limit_fetches("a:1", None)
        await ships.until(lambda: b.blobs.size(digest) == len(data))
        assert await b.read(digest, len(data)) == data
        assert ships.network.count("fetch") == 1


async def test_a_transfer_is_resumed_from_another_holder():
    """The source dies in the middle; its bytes are not fetched again, the reader sees no seam."""
    data = blob(10)
    async with fleet() as ships:
        # The first source is that of the reader's region.
        a, b, c = await ships.trio("eu", "eu", "us")
        digest = await ships.stored(data, a, c)
        ships.network.limit_fetches("a:1", 4 * CHUNK)
        async with b.cluster.fetch(digest, len(data)) as remote:
            stream = remote.stream(0, len(data))
            got = await anext(stream)
            await ships.until(lambda: b.statistics.totals.bytes_fetched == 4 * CHUNK)
            await ships.kill(a)
            async for chunk in stream:
                got += chunk
        assert got == data
        assert b.statistics.totals.bytes_fetched == len(data)
        assert c.statistics.totals.bytes_served == 6 * CHUNK


async def test_a_corrupt_small_blob_is_fetched_from_another_source():
    """P6: one rotten copy must not fail a pull while a good one exists."""
    data = blob(0.9)
    async with fleet() as ships:
        a, b, c = await ships.trio("eu", "eu", "us")
        digest = await ships.stored(data, a, c)
        ships.network.tamper("a:1", lambda chunk: bytes(len(chunk)))
        assert await b.read(digest, len(data)) == data
        assert b.log.named("fetched bytes rejected")[0].fields["sources"] == ["a"]
        assert b.blobs.staged_names == set()


async def test_a_corrupt_blob_that_was_partly_handed_out_fails_and_then_succeeds():
    """A reader of wrong bytes never gets a complete answer; the next one gets the right bytes."""
    data = blob(4.5)
    async with fleet() as ships:
        a, b, c = await ships.trio("eu", "eu", "us")
        digest = await ships.stored(data, a, c)
        ships.network.tamper("a:1", lambda chunk: bytes(len(chunk)))
        ships.network.limit_fetches("a:1", 2 * CHUNK)
        async with b.cluster.fetch(digest, len(data)) as remote:
            stream = remote.stream(0, len(data))
            await anext(stream)
            ships.network.limit_fetches("a:1", None)
            with pytest.raises(BlobUnavailable):
                async for _ in stream:
                    pass
        assert b.blobs.size(digest) is None
        assert b.blobs.staged_names == set()
        assert await b.read(digest, len(data)) == data


async def test_a_blob_patched_together_from_a_liar_and_an_honest_node_is_sorted_out():
    """When nobody knows who lied, each source is asked alone, and nothing is shown meanwhile."""
    data = blob(0.5) + blob(3.5, seed=1)
    async with fleet() as ships:
        a, b, c = await ships.trio("eu", "eu", "us")
        digest = await ships.stored(data, a, c)
        ships.network.tamper("a:1", lambda chunk: bytes(len(chunk)))
        ships.network.limit_fetches("a:1", 2 * CHUNK)
        async with asyncio.TaskGroup() as group:
            # No reader: this is what a request to hold the blob does.
            hold = group.create_task(
                b.cluster.service.hold(digest, len(data), [a.member.node], None)
            )
            await ships.until(lambda: b.statistics.totals.bytes_fetched == 2 * CHUNK)
            ships.network.cut("a:1", "b:1")
            await ships.until(lambda: c.statistics.totals.bytes_served > 0)
        assert hold.done()
        assert b.blobs.size(digest) == len(data)
        assert b.log.named("fetched bytes rejected")[0].fields["sources"] == ["a", "c"]


@pytest.mark.parametrize(
    "tamper", [lambda chunk: chunk + b"x", lambda chunk: chunk[:-1]], ids=["longer", "shorter"]
)
async def test_a_source_that_sends_another_length_is_rejected(tamper):
    data = blob(0.5)
    async with fleet() as ships:
        a, b, _ = await ships.trio()
        digest = await ships.stored(data, a)
        ships.network.tamper("a:1", tamper)
        with pytest.raises(BlobUnavailable):
            await b.read(digest, len(data))
        assert b.blobs.staged_names == set()


async def test_a_blob_that_nobody_has_is_unavailable_before_the_answer_begins():
    async with fleet() as ships:
        _, b, _ = await ships.trio()
        digest = Digest.of(b"never stored")
        with pytest.raises(BlobUnavailable):
            async with b.cluster.fetch(digest, 12):
                pytest.fail("entered without a source")
        assert b.blobs.staged_names == set()


async def test_a_holder_whose_record_is_still_on_its_way_is_found():
    """The reference may be known here before the record of who holds the blob."""
    data = blob(2)
    async with fleet() as ships:
        a, b, _ = await ships.trio()
        digest = Digest.of(data)
        await a.blobs.put(digest, data)
        assert await b.read(digest, len(data)) == data


async def test_a_stalled_source_is_left_for_another():
    data = blob(4)
    async with fleet() as ships:
        a, b, c = await ships.trio("eu", "eu", "us", stall_timeout_s=0.05)
        digest = await ships.stored(data, a, c)
        ships.network.limit_fetches("a:1", CHUNK)
        assert await b.read(digest, len(data)) == data
        assert c.statistics.totals.bytes_served == 3 * CHUNK


async def test_fetches_wait_for_a_place():
    """The bound on transfers holds, and nothing is refused."""
    async with fleet() as ships:
        a, b, _ = await ships.trio(fetches_max=2)
        blobs = [blob(3, seed=n) for n in range(6)]
        digests = [await ships.stored(data, a) for data in blobs]
        ships.network.limit_fetches("a:1", CHUNK)
        async with asyncio.TaskGroup() as group:
            reads = [
                group.create_task(b.read(digest, len(data)))
                for digest, data in zip(digests, blobs, strict=True)
            ]
            await ships.until(lambda: b.statistics.fetches_waiting == 4)
            assert b.statistics.fetches_running == 2
            ships.network.limit_fetches("a:1", None)
        assert [read.result() for read in reads] == blobs


async def test_a_full_disk_fails_the_transfer_and_leaves_nothing():
    data = blob(4)
    async with fleet() as ships:
        a, b, _ = await ships.trio()
        digest = await ships.stored(data, a)
        b.blobs.capacity_bytes = 2 * CHUNK
        with pytest.raises(StorageFull):
            await b.cluster.service.hold(digest, len(data), [a.member.node], None)
        with pytest.raises(BlobUnavailable):
            await b.read(digest, len(data))
        assert b.blobs.staged_names == set()


async def test_stopping_tells_readers_and_leaves_nothing():
    """A stopped node has no staging left, and its clients get an end."""
    data = blob(4)
    async with fleet() as ships:
        a, b, _ = await ships.trio()
        digest = await ships.stored(data, a)
        ships.network.limit_fetches("a:1", CHUNK)
        async with b.cluster.fetch(digest, len(data)) as remote:
            stream = remote.stream(0, len(data))
            assert await anext(stream) == data[:CHUNK]
            assert b.task is not None
            b.task.cancel()
            with pytest.raises(BlobUnavailable, match="stopping"):
                await anext(stream)
        assert b.blobs.staged_names == set()


async def test_a_source_that_drips_is_left_for_the_next_one():
    """Broken: a pull hangs at a node that is nearly dead while another one has the blob."""
    data = blob(8)

    async with fleet() as ships:
        # The first source is that of the reader's region.
        a, b, c = await ships.trio("eu", "eu", "us")
        digest = await ships.stored(data, a, c)
        service = ships.network.services["a:1"]
        whole = service.fetch

        async def drip(digest: Digest, offset: int):
            async with aclosing(whole(digest, offset)) as pieces:
                async for piece in pieces:
                    for at in range(len(piece)):
                        await asyncio.sleep(9.9)
                        yield piece[at : at + 1]

        service.fetch = drip
        began_s = asyncio.get_running_loop().time()
        assert await b.read(digest, len(data)) == data
        assert asyncio.get_running_loop().time() < began_s + 11
        assert ships.network.count("fetch", "c:1") == 1
