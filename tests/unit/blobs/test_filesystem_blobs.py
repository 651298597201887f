"""What only the filesystem store promises: order on disk, IO errors, crashes, cancellation."""

import asyncio
import errno
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext, suppress

import pytest

from cluster.errors import BlobUnknown, StorageFull
from cluster.model import Digest
from node.blobs import publisher
from node.blobs.config import BlobStoreConfig
from node.blobs.errors import BlobDamaged, DiskFailure
from node.blobs.filesystem import FilesystemBlobs
from node.disk.durable import sync_directory

DATA = b"some layer" * 5000
DIGEST = Digest.of(DATA)


@pytest.fixture
async def blobs(tmp_path) -> AsyncIterator[FilesystemBlobs]:
    async with FilesystemBlobs(tmp_path) as store:
        yield store


@pytest.fixture
def staged(tmp_path) -> Callable[[], list[str]]:
    return lambda: os.listdir(tmp_path / "staging")


def fail(number: int) -> Callable[..., int]:
    def raise_it(*_: object, **__: object) -> int:
        raise OSError(number, os.strerror(number))

    return raise_it


class Gate:
    """Holds a system call in its thread until the test opens it."""

    def __init__(self, real: Callable[..., int]) -> None:
        self._real = real
        self._loop = asyncio.get_running_loop()
        self.reached = asyncio.Event()
        self._opened = threading.Event()

    def __call__(self, *args: object) -> int:
        self._loop.call_soon_threadsafe(self.reached.set)
        assert self._opened.wait(30)
        return self._real(*args)

    def open(self) -> None:
        self._opened.set()


async def cancel(task: asyncio.Task[object]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.fixture
def trace(monkeypatch, tmp_path) -> list[str]:
    """The calls that matter for durability, in order, with paths relative to the data."""
    calls: list[str] = []
    sync, rename = os.fsync, os.rename

    def relative(path: str) -> str:
        name = os.path.relpath(path, tmp_path)
        return name.replace(DIGEST.encoded, "HEX").replace(f"/{DIGEST.encoded[:2]}", "/XX")

    def traced_sync(fd: int) -> None:
        calls.append(f"sync {relative(os.readlink(f'/proc/self/fd/{fd}'))}")
        sync(fd)

    def traced_rename(source: str, target: str) -> None:
        calls.append(f"rename {relative(source)} {relative(target)}")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", traced_sync)
    monkeypatch.setattr(os, "rename", traced_rename)
    return calls


class TestOrderOnDisk:
    async def test_commit_syncs_the_file_before_and_the_directory_after_the_rename(
        self, blobs, trace
    ):
        """Broken: after a power cut an acknowledged blob is empty or has no name (P1)."""
        trace.clear()
        ingest = await blobs.ingest("in")
        await ingest.append(DATA)
        assert trace == []
        await ingest.commit(DIGEST)
        ingest.release()
        assert trace == [
            "sync staging/in",
            "rename staging/in blobs/sha256/XX/HEX",
            "sync blobs/sha256/XX",
        ]

    async def test_put_does_the_same(self, blobs, trace):
        trace.clear()
        await blobs.put(DIGEST, DATA)
        assert trace == [
            "sync staging/.put-1",
            "rename staging/.put-1 blobs/sha256/XX/HEX",
            "sync blobs/sha256/XX",
        ]

    async def test_start_up_syncs_every_level_of_the_tree(self, trace, tmp_path):
        """Broken: a power cut takes a directory with all blobs in it."""
        async with FilesystemBlobs(tmp_path):
            assert trace == ["sync .", "sync blobs", "sync blobs/sha256", "sync blobs/sha512"]

    async def test_a_verified_copy_replaces_a_rotten_one(self, blobs, tmp_path):
        """Broken: pushing a damaged blob again does not repair it (P6)."""
        await blobs.put(DIGEST, DATA)
        path = tmp_path / "blobs/sha256" / DIGEST.encoded[:2] / DIGEST.encoded
        path.write_bytes(b"rotten")
        async with blobs.open(DIGEST) as old:
            await blobs.put(DIGEST, DATA)
            # Who has the old file open reads that one, and learns what it is.
            with pytest.raises(BlobDamaged):
                await old.read(0, 100)
        async with blobs.open(DIGEST) as new:
            assert await new.read(0, len(DATA)) == DATA

    async def test_no_file_before_the_first_byte(self, blobs, staged):
        ingest = await blobs.stage("up")
        assert staged() == []
        ingest.release()


class TestCrash:
    async def test_recover_removes_what_nobody_claims(self, blobs, tmp_path, staged):
        """Broken: staging files of crashed uploads fill the disk, or live uploads are lost."""
        for name in ("keep.1", "stale-1", "stale-2", ".put-7"):
            (tmp_path / "staging" / name).write_bytes(b"x" * 10)
        assert await blobs.recover({"keep.1", "not-there"}) == 3
        assert staged() == ["keep.1"]
        resumed = await blobs.resume("keep.1", 10)
        assert resumed is not None
        await resumed.discard()
        resumed.release()

    @pytest.mark.parametrize("call", ["fsync", "rename"])
    async def test_at_each_step_of_a_commit_leaves_a_staging_file_only(
        self, tmp_path, monkeypatch, call
    ):
        """Broken: a crash in the middle of a commit makes a partial blob visible."""

        class Crash(BaseException):
            pass

        def crash(*_: object) -> None:
            raise Crash

        async with FilesystemBlobs(tmp_path) as blobs:
            ingest = await blobs.stage("up")
            await ingest.append(DATA)
            with monkeypatch.context() as patch:
                patch.setattr(os, call, crash)
                patch.setattr(os, "unlink", lambda _: None)
                with pytest.raises(Crash):
                    await ingest.commit(DIGEST)
            ingest.release()
        async with FilesystemBlobs(tmp_path) as blobs:
            assert blobs.size(DIGEST) is None
            assert os.listdir(tmp_path / "staging") == ["up"]
            assert await blobs.recover(set()) == 1
            assert os.listdir(tmp_path / "staging") == []


class TestInputOutputErrors:
    """P9: an IO error is never "not found" and leaves nothing behind."""

    @pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, errno.ENOTDIR])
    async def test_size_and_open_pass_them_on(self, blobs, monkeypatch, number):
        with monkeypatch.context() as patch:
            patch.setattr(os, "stat", fail(number))
            patch.setattr(os, "open", fail(number))
            with pytest.raises(DiskFailure, match=os.strerror(number)) as from_size:
                blobs.size(DIGEST)
            with pytest.raises(DiskFailure, match=os.strerror(number)) as from_open:
                async with blobs.open(DIGEST):
                    raise AssertionError("opened")
        assert from_size.value.error.errno == from_open.value.error.errno == number

    async def test_reads_pass_them_on(self, blobs, monkeypatch):
        await blobs.put(DIGEST, DATA)
        async with blobs.open(DIGEST) as reader:
            with monkeypatch.context() as patch:
                patch.setattr(os, "preadv", fail(errno.EIO))
                with pytest.raises(DiskFailure, match="Input/output"):
                    await reader.read(0, 10)

    async def test_uncached_reads_are_done_in_a_thread(self, blobs, monkeypatch):
        """Broken: bytes that are not in the page cache read as the end of the file."""
        await blobs.put(DIGEST, DATA)
        async with blobs.open(DIGEST) as reader:
            monkeypatch.setattr(os, "preadv", fail(errno.EAGAIN))
            assert await reader.read(3, 100) == DATA[3:103]

    @pytest.mark.parametrize("call", ["pwrite", "fsync", "rename"])
    @pytest.mark.parametrize(
        ("number", "expected"),
        [(errno.EIO, DiskFailure), (errno.ENOSPC, StorageFull), (errno.EDQUOT, StorageFull)],
    )
    async def test_put_and_commit_fail_clean(
        self, blobs, monkeypatch, staged, call, number, expected
    ):
        """Broken: "disk full" or a bad sector leaves a partial blob or a staging file."""
        ingest = await blobs.stage("up")
        if call != "pwrite":
            await ingest.append(DATA)
        with monkeypatch.context() as patch:
            patch.setattr(os, call, fail(number))
            with pytest.raises(expected):
                await blobs.put(DIGEST, DATA)
            last_step = ingest.append(DATA) if call == "pwrite" else ingest.commit(DIGEST)
            with pytest.raises(expected):
                await last_step
        await ingest.discard()
        ingest.release()
        assert staged() == []
        assert blobs.size(DIGEST) is None

    async def test_nothing_is_taken_out_of_the_reserve(self, tmp_path):
        """Broken: blobs fill the disk until the index cannot write either."""
        config = BlobStoreConfig(reserve_bytes=1 << 60)
        async with FilesystemBlobs(tmp_path, config) as blobs:
            with pytest.raises(StorageFull):
                await blobs.put(DIGEST, DATA)
            ingest = await blobs.stage("up")
            with pytest.raises(StorageFull):
                await ingest.append(DATA)
            await ingest.discard()
            ingest.release()
            assert blobs.size(DIGEST) is None
        assert os.listdir(tmp_path / "staging") == []

    async def test_a_first_copy_whose_directory_does_not_sync_is_taken_back(
        self, blobs, monkeypatch, staged
    ):
        """Broken: a name that a crash could take is shown to others."""
        sync = os.fsync

        def only_files(fd: int) -> None:
            if os.path.isdir(f"/proc/self/fd/{fd}"):
                raise OSError(errno.EIO, "Input/output error")
            sync(fd)

        monkeypatch.setattr(os, "fsync", only_files)
        with pytest.raises(DiskFailure, match="Input/output"):
            await blobs.put(DIGEST, DATA)
        assert blobs.size(DIGEST) is None
        assert staged() == []
        monkeypatch.setattr(os, "fsync", sync)
        await blobs.put(DIGEST, DATA)
        monkeypatch.setattr(os, "fsync", only_files)
        with pytest.raises(DiskFailure, match="Input/output"):
            await blobs.put(DIGEST, DATA)
        assert blobs.size(DIGEST) == len(DATA), "the older copy was acknowledged: it must stay"

    async def test_short_writes_are_completed(self, blobs, monkeypatch):
        write = os.pwrite
        monkeypatch.setattr(os, "pwrite", lambda fd, data, at: write(fd, data[:7000], at))
        await blobs.put(DIGEST, DATA)
        ingest = await blobs.stage("up")
        await ingest.append(DATA)
        assert await ingest.commit(DIGEST, len(DATA)) == len(DATA)
        ingest.release()

    async def test_a_tail_that_could_not_be_cut_is_cut_at_commit(self, blobs, monkeypatch):
        """Broken: bytes of a failed append are part of the stored file."""
        ingest = await blobs.stage("up")
        await ingest.append(DATA)
        write = os.pwrite

        def half(fd: int, data: bytes, at: int) -> int:
            write(fd, data[: len(data) // 2], at)
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", half)
            patch.setattr(os, "ftruncate", fail(errno.EIO))
            with pytest.raises(StorageFull):
                await ingest.append(b"more than fits")
        assert await ingest.commit(DIGEST) == len(DATA)
        ingest.release()
        assert blobs.size(DIGEST) == len(DATA)

    async def test_a_missing_blob_is_unknown(self, blobs):
        with pytest.raises(BlobUnknown):
            async with blobs.open(DIGEST):
                raise AssertionError("opened")


class TestCancellation:
    async def test_of_an_append_lets_the_next_step_wait_for_it(self, blobs, monkeypatch):
        """Broken: two threads write to one staging file at once."""
        gate = Gate(os.pwrite)
        ingest = await blobs.stage("up")
        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", gate)
            appending = asyncio.ensure_future(ingest.append(DATA))
            await gate.reached.wait()
            await cancel(appending)
            following = asyncio.ensure_future(ingest.append(DATA))
            await asyncio.wait([following], timeout=0)
            assert ingest.offset == 0
            gate.open()
            await following
        assert ingest.offset == 2 * len(DATA)
        await ingest.rollback(len(DATA))
        assert await ingest.commit(DIGEST) == len(DATA)
        ingest.release()

    @pytest.mark.parametrize("call", ["fsync", "rename"])
    async def test_of_a_commit_ends_in_a_whole_blob(self, blobs, monkeypatch, staged, call):
        """Broken: a client that hangs up during the last request leaves half a commit."""
        gate = Gate(getattr(os, call))
        ingest = await blobs.stage("up")
        await ingest.append(DATA)
        with monkeypatch.context() as patch:
            patch.setattr(os, call, gate)
            committing = asyncio.ensure_future(ingest.commit(DIGEST))
            await gate.reached.wait()
            await cancel(committing)
            discarding = asyncio.ensure_future(ingest.discard())
            await asyncio.wait([discarding], timeout=0)
            gate.open()
            await discarding
        ingest.release()
        assert staged() == []
        assert blobs.size(DIGEST) == len(DATA)

    async def test_of_a_commit_that_would_fail_leaves_nothing(self, blobs, monkeypatch, staged):
        gate = Gate(fail(errno.EIO))
        ingest = await blobs.stage("up")
        await ingest.append(DATA)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", gate)
            committing = asyncio.ensure_future(ingest.commit(DIGEST))
            await gate.reached.wait()
            await cancel(committing)
            gate.open()
            await ingest.discard()
        ingest.release()
        assert staged() == []
        assert blobs.size(DIGEST) is None

    async def test_release_waits_for_the_thread(self, blobs, monkeypatch):
        """Broken: a thread writes to a descriptor number that belongs to another file by now."""
        gate = Gate(os.pwrite)
        ingest = await blobs.stage("up")
        await ingest.append(b"first")
        opened = descriptors("staging/up")
        assert len(opened) == 1
        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", gate)
            appending = asyncio.ensure_future(ingest.append(DATA))
            await gate.reached.wait()
            await cancel(appending)
            ingest.release()
            assert descriptors("staging/up") == opened
            gate.open()
            resumed = await blobs.resume("up", 5 + len(DATA))
        assert resumed is not None
        assert descriptors("staging/up") == []
        await resumed.discard()
        resumed.release()

    async def test_of_a_read_keeps_the_file_open_for_the_thread(self, blobs, monkeypatch):
        await blobs.put(DIGEST, DATA)
        gate = Gate(os.pread)
        with monkeypatch.context() as patch:
            patch.setattr(os, "preadv", fail(errno.EAGAIN))
            patch.setattr(os, "pread", gate)
            async with blobs.open(DIGEST) as reader:
                reading = asyncio.ensure_future(reader.read(0, 10))
                await gate.reached.wait()
                await cancel(reading)
            assert len(descriptors(DIGEST.encoded)) == 1
            gate.open()
            await blobs.close()
        assert descriptors(DIGEST.encoded) == []


async def test_no_descriptor_stays_open(blobs):
    """Broken: a busy node runs out of file descriptors within hours."""
    before = len(os.listdir("/proc/self/fd"))
    for n in range(10):
        ingest = await blobs.stage(f"up-{n}")
        await ingest.append(DATA)
        if n % 2:
            await ingest.commit(DIGEST)
        else:
            await ingest.discard()
        ingest.release()
        await blobs.put(DIGEST, DATA)
        async with blobs.open(DIGEST) as reader:
            await reader.read(0, 5)
    assert len(os.listdir("/proc/self/fd")) == before


def descriptors(part: str) -> list[str]:
    """The open descriptors of this process whose path contains *part*."""
    found = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            if part in os.readlink(f"/proc/self/fd/{fd}"):
                found.append(fd)
        except FileNotFoundError:
            continue
    return found


class TestPublishing:
    @pytest.mark.parametrize("fails", [False, True])
    async def test_a_first_copy_is_not_there_before_its_name_is_durable(
        self, blobs, monkeypatch, fails
    ):
        """Broken: a peer is told that the blob is here, and then it is not."""
        digest, seen = Digest.of(b"data"), []

        def sync(directory: str) -> None:
            seen.append(blobs.size(digest))
            if fails:
                raise OSError(errno.EIO, "the disk failed")
            sync_directory(directory)

        monkeypatch.setattr(publisher, "sync_directory", sync)
        with pytest.raises(DiskFailure, match="the disk failed") if fails else nullcontext():
            await blobs.put(digest, b"data")
        assert seen == [None]
        assert blobs.size(digest) == (None if fails else 4)

    @pytest.mark.parametrize("fails", [False, True])
    async def test_nor_for_who_looks_while_it_gets_its_name(
        self, blobs, tmp_path, monkeypatch, fails
    ):
        """A thread publishes meanwhile. Broken: an acknowledged copy that a power cut takes."""
        digest, named, looked = Digest.of(b"data"), threading.Event(), threading.Event()
        staged = tmp_path / "staging" / "data"
        staged.write_bytes(b"data")

        def sync(_: str) -> None:
            named.set()
            assert looked.wait(5)
            if fails:
                raise OSError(errno.EIO, "the disk failed")

        def publishing() -> None:
            with suppress(OSError):
                blobs._staging.publisher.publish(str(staged), digest)

        stat, thread = os.stat, threading.Thread(target=publishing)

        def look_when_named(path: str) -> os.stat_result:
            thread.start()
            assert named.wait(5)
            found = stat(path)
            if fails:
                looked.set()
                thread.join()
            return found

        monkeypatch.setattr(publisher, "sync_directory", sync)
        with monkeypatch.context() as looking:
            looking.setattr(os, "stat", look_when_named)
            assert blobs.size(digest) is None
        looked.set()
        thread.join()
        assert blobs.size(digest) == (None if fails else 4)

    async def test_an_older_copy_stays_there_meanwhile(self, blobs, monkeypatch):
        digest, seen = Digest.of(b"data"), []
        await blobs.put(digest, b"data")
        monkeypatch.setattr(publisher, "sync_directory", lambda _: seen.append(blobs.size(digest)))
        await blobs.put(digest, b"data")
        assert seen == [4]
