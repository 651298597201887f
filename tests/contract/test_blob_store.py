"""
The promises of the ports of blobs, kept by every implementation.

Each test runs on the filesystem, in memory and on a simulated disk, and each ends with a look at
the staging area: whatever happened, nothing may be left there.
"""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from cluster.errors import BlobUnknown, DigestMismatch, StorageFull
from cluster.model import Digest
from node.blobs.errors import StagingGone
from node.blobs.filesystem import FilesystemBlobs
from node.blobs.memory import MemoryBlobs
from tests.sim.disk import Disk, SimBlobs

Blobs = FilesystemBlobs | MemoryBlobs
DATA = bytes(range(256)) * 1200
OTHER = b"something else"


@dataclass
class Subject:
    """A store under test, and what the port does not show of it."""

    blobs: Blobs
    staged: Callable[[], set[str]]
    fill: Callable[[], None]


@pytest.fixture(params=["filesystem", "memory", "simulated"])
async def subject(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Subject]:
    if request.param == "memory":
        memory = MemoryBlobs()

        def fill_memory() -> None:
            memory.capacity_bytes = 0

        current = Subject(memory, lambda: memory.staged_names, fill_memory)
        yield current
    elif request.param == "simulated":
        disk = Disk("contract")
        simulated = SimBlobs(disk)

        def fill_simulated() -> None:
            disk.full = True

        current = Subject(simulated, lambda: simulated.staged_names, fill_simulated)
        yield current
    else:

        def no_space(*_: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        def fill_disk() -> None:
            monkeypatch.setattr(os, "pwrite", no_space)

        async with FilesystemBlobs(tmp_path) as files:
            current = Subject(files, lambda: set(os.listdir(tmp_path / "staging")), fill_disk)
            yield current
    assert current.staged() == set()


@pytest.fixture
def blobs(subject: Subject) -> Blobs:
    return subject.blobs


async def content(blobs: Blobs, digest: Digest) -> bytes:
    async with blobs.open(digest) as reader:
        return await reader.read(0, reader.size + 1)


async def check_nothing_stored(subject: Subject, digest: Digest) -> None:
    assert subject.staged() == set()
    assert subject.blobs.size(digest) is None
    with pytest.raises(BlobUnknown):
        await content(subject.blobs, digest)


class TestResting:
    async def test_it_goes_on_where_it_was(self, subject: Subject):
        """An upload in chunks would lose what it has whenever its client pauses."""
        digest = Digest.of(DATA)
        ingest = await subject.blobs.stage("pauses")
        await ingest.rest()
        for start in range(0, len(DATA), 100_000):
            await ingest.append(DATA[start : start + 100_000])
            await ingest.rest()
        await ingest.append(b"too much")
        await ingest.rest()
        await ingest.rollback(len(DATA))
        await ingest.rest()
        assert await ingest.commit(digest, len(DATA)) == len(DATA)
        ingest.release()
        assert await content(subject.blobs, digest) == DATA


class TestCommit:
    @pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
    @pytest.mark.parametrize("data", [DATA, b"", b"x"], ids=["big", "empty", "one byte"])
    async def test_stores_what_was_appended(self, subject, algorithm, data):
        """Broken: pushes of some algorithm or size do not come back as they went in."""
        digest = Digest.of(data, algorithm)
        ingest = await subject.blobs.ingest("in")
        for start in range(0, len(data), 100_000):
            await ingest.append(data[start : start + 100_000])
        assert ingest.offset == len(data)
        assert subject.blobs.size(digest) is None
        assert await ingest.commit(digest, len(data)) == len(data)
        ingest.release()
        assert subject.staged() == set()
        assert subject.blobs.size(digest) == len(data)
        assert await content(subject.blobs, digest) == data

    async def test_needs_no_size(self, blobs):
        ingest = await blobs.stage("up")
        await ingest.append(DATA)
        assert await ingest.commit(Digest.of(DATA)) == len(DATA)
        ingest.release()

    @pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
    async def test_refuses_another_digest(self, subject, algorithm):
        """Broken: P6, bytes are stored under a name that is not theirs."""
        wrong = Digest.of(OTHER, algorithm)
        ingest = await subject.blobs.stage("up")
        await ingest.append(DATA)
        with pytest.raises(DigestMismatch) as caught:
            await ingest.commit(wrong)
        assert caught.value.expected == wrong
        assert caught.value.got == Digest.of(DATA, algorithm)
        await check_nothing_stored(subject, wrong)
        await check_nothing_stored(subject, Digest.of(DATA, algorithm))
        ingest.release()

    @pytest.mark.parametrize("size", [len(DATA) - 1, len(DATA) + 1, 0])
    async def test_refuses_another_size(self, subject, size):
        digest = Digest.of(DATA)
        ingest = await subject.blobs.ingest("in")
        await ingest.append(DATA)
        with pytest.raises(DigestMismatch):
            await ingest.commit(digest, size)
        await check_nothing_stored(subject, digest)
        ingest.release()

    async def test_of_a_blob_that_is_there_stores_it_again(self, blobs):
        """Broken: the second push of a common layer fails."""
        digest = Digest.of(DATA)
        for name in ("one", "two"):
            ingest = await blobs.stage(name)
            await ingest.append(DATA)
            assert await ingest.commit(digest) == len(DATA)
            ingest.release()
        assert await content(blobs, digest) == DATA

    async def test_many_at_once_of_one_digest(self, blobs):
        """Broken: a popular layer pushed by many clients at once is lost or half there."""
        digest = Digest.of(DATA)

        async def push(name: str) -> int:
            ingest = await blobs.stage(name)
            await ingest.append(DATA[:1000])
            await ingest.append(DATA[1000:])
            try:
                return await ingest.commit(digest, len(DATA))
            finally:
                ingest.release()

        sizes = await asyncio.gather(*(push(f"client-{n}") for n in range(24)))
        assert sizes == [len(DATA)] * 24
        assert await content(blobs, digest) == DATA

    async def test_ends_the_ingest(self, blobs):
        """Broken: bytes are appended to a file that is a finished blob."""
        ingest = await blobs.stage("up")
        await ingest.append(DATA)
        await ingest.commit(Digest.of(DATA))
        with pytest.raises(StagingGone):
            await ingest.append(OTHER)
        with pytest.raises(StagingGone):
            await ingest.rollback(0)
        with pytest.raises(StagingGone):
            await ingest.commit(Digest.of(DATA))
        ingest.release()
        assert await content(blobs, Digest.of(DATA)) == DATA


class TestReadingStagedBytes:
    async def test_while_more_is_appended(self, blobs):
        """Broken: P8, a cold pull cannot stream what has arrived so far."""
        ingest = await blobs.ingest("in")
        assert await ingest.read(0, 10) == b""
        await ingest.append(DATA[:500])
        assert await ingest.read(100, 50) == DATA[100:150]
        assert await ingest.read(490, 50) == DATA[490:500]
        assert await ingest.read(500, 50) == b""
        await ingest.append(DATA[500:])
        assert await ingest.read(490, 50) == DATA[490:540]
        assert await ingest.read(0, len(DATA)) == DATA
        await ingest.discard()
        ingest.release()

    async def test_goes_on_after_commit_until_release(self, blobs):
        ingest = await blobs.ingest("in")
        await ingest.append(DATA)
        await ingest.commit(Digest.of(DATA))
        assert await ingest.read(7, len(DATA)) == DATA[7:]
        ingest.release()

    async def test_goes_on_after_discard_until_release(self, blobs):
        ingest = await blobs.ingest("in")
        await ingest.append(DATA)
        await ingest.discard()
        assert await ingest.read(0, len(DATA)) == DATA
        ingest.release()


class TestDiscard:
    async def test_forgets_everything_and_may_be_repeated(self, subject):
        ingest = await subject.blobs.stage("up")
        await ingest.append(DATA)
        assert subject.staged() == {"up"}
        await ingest.discard()
        assert subject.staged() == set()
        await ingest.discard()
        with pytest.raises(StagingGone):
            await ingest.append(DATA)
        ingest.release()
        ingest.release()

    async def test_is_harmless_after_commit(self, blobs):
        """Broken: the clean-up at the end of a push deletes what was pushed."""
        ingest = await blobs.stage("up")
        await ingest.append(DATA)
        await ingest.commit(Digest.of(DATA))
        await ingest.discard()
        ingest.release()
        assert await content(blobs, Digest.of(DATA)) == DATA

    async def test_of_nothing(self, blobs):
        ingest = await blobs.stage("up")
        await ingest.discard()
        ingest.release()

    async def test_staged_by_name(self, subject):
        """Broken: a cancelled upload that nobody has open stays on disk."""
        ingest = await subject.blobs.stage("up")
        await ingest.append(DATA)
        ingest.release()
        assert subject.staged() == {"up"}
        await subject.blobs.discard_staged("up")
        assert subject.staged() == set()
        await subject.blobs.discard_staged("up")

    async def test_staged_by_name_ends_an_open_ingest(self, blobs):
        ingest = await blobs.stage("up")
        await ingest.append(DATA)
        await blobs.discard_staged("up")
        with pytest.raises(StagingGone):
            await ingest.commit(Digest.of(DATA))
        ingest.release()
        assert blobs.size(Digest.of(DATA)) is None


class TestRollback:
    @pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
    @pytest.mark.parametrize("back_to", [0, 1, 700, 1000])
    async def test_drops_the_tail(self, blobs, algorithm, back_to):
        """Broken: a chunk that failed half way is part of the blob after all."""
        ingest = await blobs.stage("up")
        await ingest.append(DATA[:700])
        await ingest.append(b"?" * 300)
        await ingest.rollback(back_to)
        assert ingest.offset == back_to
        assert await ingest.read(0, 5000) == (DATA[:700] + b"?" * 300)[:back_to]
        kept = (DATA[:700] + b"?" * 300)[:back_to]
        await ingest.append(DATA)
        digest = Digest.of(kept + DATA, algorithm)
        assert await ingest.commit(digest) == back_to + len(DATA)
        ingest.release()
        assert await content(blobs, digest) == kept + DATA

    async def test_of_nothing(self, blobs):
        ingest = await blobs.stage("up")
        await ingest.rollback(0)
        assert ingest.offset == 0
        await ingest.discard()
        ingest.release()


class TestResume:
    @pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
    @pytest.mark.parametrize("offset", [0, 400, 1000])
    async def test_continues_at_the_offset(self, blobs, algorithm, offset):
        """Broken: an upload does not survive a restart, or goes on with bytes nobody counted."""
        before = await blobs.stage("up")
        await before.append(DATA[:1000])
        before.release()
        ingest = await blobs.resume("up", offset)
        assert ingest is not None
        assert ingest.offset == offset
        assert await ingest.read(0, 5000) == DATA[:offset]
        await ingest.append(DATA[offset:])
        await ingest.commit(Digest.of(DATA, algorithm), len(DATA))
        ingest.release()
        assert await content(blobs, Digest.of(DATA, algorithm)) == DATA

    async def test_is_refused_when_bytes_are_missing(self, subject):
        """Broken: a hole in an upload is filled with zeros."""
        before = await subject.blobs.stage("up")
        await before.append(DATA[:1000])
        before.release()
        assert await subject.blobs.resume("up", 1001) is None
        assert await subject.blobs.resume("never", 1) is None
        await subject.blobs.discard_staged("up")

    async def test_cuts_at_once(self, blobs):
        before = await blobs.stage("up")
        await before.append(DATA[:1000])
        before.release()
        shorter = await blobs.resume("up", 500)
        assert shorter is not None
        shorter.release()
        assert await blobs.resume("up", 1000) is None
        await blobs.discard_staged("up")

    async def test_of_an_upload_without_bytes(self, blobs):
        ingest = await blobs.resume("up", 0)
        assert ingest is not None
        await ingest.append(OTHER)
        await ingest.commit(Digest.of(OTHER))
        ingest.release()

    async def test_can_be_discarded(self, subject):
        before = await subject.blobs.stage("up")
        await before.append(DATA)
        before.release()
        ingest = await subject.blobs.resume("up", 10)
        assert ingest is not None
        await ingest.discard()
        assert subject.staged() == set()
        ingest.release()


class TestOneNameOneOwner:
    @pytest.mark.parametrize("how", ["ingest", "stage", "resume"])
    async def test_the_newer_one_has_the_name(self, blobs, how):
        """Broken: a late writer of an abandoned transfer corrupts the one that replaced it."""
        old = await blobs.ingest("in")
        await old.append(OTHER)
        new = await (blobs.resume("in", 0) if how == "resume" else getattr(blobs, how)("in"))
        assert new is not None
        assert new.offset == 0
        with pytest.raises(StagingGone):
            await old.append(OTHER)
        await new.append(DATA)
        with pytest.raises(StagingGone):
            await old.commit(Digest.of(OTHER))
        await old.discard()
        old.release()
        assert await new.commit(Digest.of(DATA)) == len(DATA)
        new.release()
        assert await content(blobs, Digest.of(DATA)) == DATA
        assert blobs.size(Digest.of(OTHER)) is None

    async def test_restarting_forgets_older_bytes(self, blobs):
        old = await blobs.stage("up")
        await old.append(DATA)
        old.release()
        fresh = await blobs.stage("up")
        fresh.release()
        assert await blobs.resume("up", 1) is None


class TestStorageFull:
    async def test_append_keeps_nothing_of_its_data(self, subject, monkeypatch):
        """Broken: after "no space" an upload's offset and its bytes disagree."""
        ingest = await subject.blobs.stage("up")
        await ingest.append(DATA[:1000])
        subject.fill()
        with pytest.raises(StorageFull):
            await ingest.append(DATA[1000:])
        assert ingest.offset == 1000
        assert await ingest.read(0, len(DATA)) == DATA[:1000]
        digest = Digest.of(DATA[:1000])
        assert await ingest.commit(digest) == 1000
        ingest.release()

    async def test_put_stores_nothing(self, subject):
        subject.fill()
        with pytest.raises(StorageFull):
            await subject.blobs.put(Digest.of(DATA), DATA)
        await check_nothing_stored(subject, Digest.of(DATA))


class TestPut:
    @pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
    @pytest.mark.parametrize("data", [b"", OTHER, DATA])
    async def test_stores_a_blob_whole(self, subject, algorithm, data):
        digest = Digest.of(data, algorithm)
        await subject.blobs.put(digest, data)
        await subject.blobs.put(digest, data)
        assert subject.blobs.size(digest) == len(data)
        assert await content(subject.blobs, digest) == data

    async def test_refuses_another_digest(self, subject):
        with pytest.raises(DigestMismatch) as caught:
            await subject.blobs.put(Digest.of(OTHER), DATA)
        assert caught.value.got == Digest.of(DATA)
        await check_nothing_stored(subject, Digest.of(OTHER))

    async def test_many_at_once_of_one_digest(self, blobs):
        await asyncio.gather(*(blobs.put(Digest.of(DATA), DATA) for _ in range(24)))
        assert await content(blobs, Digest.of(DATA)) == DATA


class TestOpen:
    async def test_unknown_blob(self, blobs):
        digest = Digest.of(b"nobody pushed this")
        assert blobs.size(digest) is None
        with pytest.raises(BlobUnknown) as caught:
            async with blobs.open(digest):
                raise AssertionError("opened a blob that is not there")
        assert caught.value.digest == digest

    @pytest.mark.parametrize(
        ("offset", "length"),
        [(0, 10), (5, 0), (len(DATA) - 3, 3), (len(DATA) - 3, 10), (len(DATA), 5), (10**9, 5)],
    )
    async def test_reads_ranges(self, blobs, offset, length):
        await blobs.put(Digest.of(DATA), DATA)
        async with blobs.open(Digest.of(DATA)) as reader:
            assert reader.size == len(DATA)
            assert await reader.read(offset, length) == DATA[offset : offset + length]

    async def test_many_readers_at_once(self, blobs):
        await blobs.put(Digest.of(DATA), DATA)
        async with blobs.open(Digest.of(DATA)) as reader:
            parts = await asyncio.gather(
                *(reader.read(at, 10_000) for at in range(0, len(DATA), 10_000))
            )
        assert b"".join(parts) == DATA
