"""Damaged blob files: what a client gets, and what becomes of the file. One node, no peers."""

import asyncio
import errno
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from cluster.errors import BlobUnknown
from cluster.model import Digest
from node.blobs import verified
from node.blobs.config import BlobStoreConfig
from node.blobs.errors import BlobDamaged, DiskFailure
from node.blobs.filesystem import FilesystemBlobs
from node.http.sendfile import INLINE_MAX_BYTES
from node.registry.ports import RemoteBlob
from tests.api.conftest import Registry, StartRegistry
from tests.fakes.rot import blob_file, flip, make_unreadable

FIRST_MAX = BlobStoreConfig().verify_first_max_bytes
SMALL, MEDIUM, LARGE = 4 << 10, INLINE_MAX_BYTES + 1, FIRST_MAX + 1
"""Read in the event loop; sent by a thread, hashed before; sent by a thread, hashed meanwhile."""


def content(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


async def pull(registry: Registry, digest: Digest, **headers: str) -> tuple[int, bytes | None]:
    """The status, and the body if it came to its end."""
    try:
        answer = await registry.call("GET", f"/v2/lib/app/blobs/{digest}", headers=headers)
    except aiohttp.ClientPayloadError:
        return 200, None
    return answer.status, answer.body


class Quarantine:
    def __init__(self, registry: Registry) -> None:
        self._directory = registry.data_dir / "quarantine"

    def names(self) -> list[str]:
        return sorted(path.name for path in self._directory.iterdir())


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("size", [SMALL, MEDIUM, LARGE], ids=["small", "medium", "large"])
@pytest.mark.parametrize("at", [0, -1], ids=["first byte", "last byte"])
async def test_a_rotten_blob_is_never_answered_whole(
    registry: Registry, algorithm: str, size: int, at: int
):
    """Broken: a client that does not hash takes rotten bytes for the blob."""
    data = content(size)
    digest = await registry.push_blob("lib/app", data, algorithm)
    path = blob_file(registry.data_dir, digest)
    flip(path, at)
    status, body = await pull(registry, digest)
    # What is hashed before it is sent is a clean 503, as no peer has it; else it breaks off.
    assert (status, body) == (200, None) if size == LARGE else status == 503
    assert not path.exists()
    [kept] = Quarantine(registry).names()
    assert kept.startswith(f"{algorithm}-{digest.encoded}.")
    assert registry.blobs.size(digest) is None
    for _ in range(2):
        answer = await registry.call("GET", f"/v2/lib/app/blobs/{digest}")
        assert (answer.status, answer.codes) == (503, ["UNAVAILABLE"])
    assert registry.blobs.statistics().damaged == 1


@pytest.mark.parametrize("size", [SMALL, MEDIUM, LARGE], ids=["small", "medium", "large"])
async def test_pushing_it_again_heals(registry: Registry, size: int):
    """Broken: what was found rotten once is never served again."""
    data = content(size)
    digest = await registry.push_blob("lib/app", data)
    flip(blob_file(registry.data_dir, digest))
    await pull(registry, digest)
    await registry.push_blob("lib/app", data)
    assert await pull(registry, digest) == (200, data)


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("change", [-1, -(SMALL // 2), 1, 100_000])
async def test_a_file_of_another_size_is_set_aside(registry: Registry, size: int, change: int):
    """Broken: it is passed over at each read, and counts as a copy for ever."""
    data = content(size)
    digest = await registry.push_blob("lib/app", data)
    path = blob_file(registry.data_dir, digest)
    os.truncate(path, size + change)
    answer = await registry.call("GET", f"/v2/lib/app/blobs/{digest}")
    assert answer.status == 503
    assert not path.exists()
    assert len(Quarantine(registry).names()) == 1


async def test_a_file_that_is_cut_while_it_is_open_ends_the_answer_early(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
):
    data = content(LARGE)
    digest = await registry.push_blob("lib/app", data)
    path = blob_file(registry.data_dir, digest)

    def cut(*_: object) -> bool:
        os.truncate(path, LARGE // 2)
        return True

    # Asked when the file is open, and before any of it is read.
    monkeypatch.setattr(registry.blobs.verifier, "knows", cut)
    assert await pull(registry, digest) == (200, None)
    assert not path.exists()


async def test_what_was_just_written_is_not_hashed_again(registry: Registry):
    """Broken: the first read of every push costs a hash."""
    data = content(MEDIUM)
    digest = await registry.push_blob("lib/app", data)
    assert await pull(registry, digest) == (200, data)
    assert registry.blobs.statistics().checked == 0


@pytest.mark.parametrize("size", [SMALL, MEDIUM, LARGE], ids=["small", "medium", "large"])
async def test_after_a_start_each_file_is_hashed_once(start_registry: StartRegistry, size: int):
    """Broken: rot that came while the node was down, or long before, is served."""
    data = content(size)
    before = await start_registry()
    digest = await before.push_blob("lib/app", data)
    await before.stop()
    registry = await start_registry()
    for _ in range(3):
        assert await pull(registry, digest) == (200, data)
    assert registry.blobs.statistics().checked == 1
    assert registry.blobs.statistics().damaged == 0


@pytest.mark.parametrize("size", [SMALL, MEDIUM, LARGE], ids=["small", "medium", "large"])
async def test_rot_that_leaves_no_trace_is_found_after_the_interval(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, size: int
):
    """What the documentation says: until then it is served."""
    digest = await registry.push_blob("lib/app", content(size))
    path = blob_file(registry.data_dir, digest)
    flip(path)
    # A disk changes bytes, and none of the times.
    registry.blobs.verifier._verified.note(digest, path.stat())
    status, body = await pull(registry, digest)
    assert status == 200
    assert body is not None
    assert not digest.matches(body)
    now_ms, interval_s = verified._now_ms(), BlobStoreConfig().verify_interval_s
    monkeypatch.setattr(verified, "_now_ms", lambda: now_ms + int(interval_s * 1000) + 1)
    status, body = await pull(registry, digest)
    assert status == 503 or body is None
    assert not path.exists()


@asynccontextmanager
async def strict(registry: Registry) -> AsyncIterator[None]:
    """The registry with `blob_verify_interval_s` of 0."""
    verifier = registry.blobs.verifier
    verifier._always, verifier._verified._interval_s = True, 0.0
    yield


@pytest.mark.parametrize("wanted", ["", "bytes=5-10", "bytes=0-0,7-9"])
@pytest.mark.parametrize("size", [SMALL, MEDIUM, LARGE], ids=["small", "medium", "large"])
async def test_an_interval_of_zero_never_serves_rot(registry: Registry, size: int, wanted: str):
    """Broken: the one setting with which nothing wrong is served serves it."""
    data = content(size)
    digest = await registry.push_blob("lib/app", data)
    async with strict(registry):
        status, body = await pull(registry, digest, **({"Range": wanted} if wanted else {}))
        assert status == (206 if wanted else 200)
        assert body
        path = blob_file(registry.data_dir, digest)
        flip(path, -1)
        # The rot is elsewhere than what a range asks for.
        registry.blobs.verifier._verified.note(digest, path.stat())
        status, body = await pull(registry, digest, **({"Range": wanted} if wanted else {}))
        assert status == 503 or body is None
        assert not path.exists()


@pytest.mark.parametrize("wanted", ["bytes=0-9", "bytes=-1", "bytes=0-0,7-9"])
@pytest.mark.parametrize("size", [SMALL, MEDIUM], ids=["small", "medium"])
async def test_a_part_of_a_blob_up_to_8_mib_is_hashed_first(
    registry: Registry, size: int, wanted: str
):
    digest = await registry.push_blob("lib/app", content(size))
    flip(blob_file(registry.data_dir, digest), size // 2)
    answer = await registry.call("GET", f"/v2/lib/app/blobs/{digest}", headers={"Range": wanted})
    assert answer.status == 503


async def test_a_part_of_a_large_blob_is_served_while_it_is_hashed_in_the_background(
    registry: Registry,
):
    """Broken: clients that read layers in parts never notice that one rots."""
    data = content(LARGE)
    digest = await registry.push_blob("lib/app", data)
    path = blob_file(registry.data_dir, digest)
    flip(path, -1)
    seen = asyncio.Event()
    registry.blobs.verifier.on_damage = lambda damage: seen.set()
    assert await pull(registry, digest, Range="bytes=3-9") == (206, data[3:10])
    async with asyncio.timeout(30):
        await seen.wait()
    assert not path.exists()
    answer = await registry.call(
        "GET", f"/v2/lib/app/blobs/{digest}", headers={"Range": "bytes=0-1"}
    )
    assert answer.status == 503


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_the_size_of_a_damaged_blob_is_still_known(registry: Registry, method: str):
    """HEAD reads no file: it says what the repository has, not whether this node could send it."""
    digest = await registry.push_blob("lib/app", content(SMALL))
    flip(blob_file(registry.data_dir, digest))
    await pull(registry, digest)
    answer = await registry.call(method, f"/v2/lib/app/blobs/{digest}")
    assert answer.status == (200 if method == "HEAD" else 503)


@pytest.mark.parametrize("size", [SMALL, MEDIUM, LARGE], ids=["small", "medium", "large"])
@pytest.mark.parametrize("known", [True, False])
async def test_a_file_that_cannot_be_read_is_hidden_and_shown_again_when_it_can(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, size: int, known: bool
):
    """Broken: a bad sector makes every read a 500, or the copy is thrown away for a loose cable."""
    data = content(size)
    digest = await registry.push_blob("lib/app", data)
    path = blob_file(registry.data_dir, digest)
    if not known:
        os.utime(path)
    with monkeypatch.context() as failing:
        make_unreadable(failing, path)
        status, body = await pull(registry, digest)
        # Before the first byte: a clean answer.
        assert status == 503 or (status, body) == (200, None)
        assert registry.blobs.size(digest) is None
        with pytest.raises(BlobUnknown):
            async with registry.blobs.open(digest):
                pass
        assert registry.blobs.statistics().hidden == 1
        assert registry.blobs.health.failing is not None
        await registry.blobs.verifier.reconsider()
        assert registry.blobs.size(digest) is None
    shown: list[Digest] = []
    registry.blobs.verifier.on_shown = shown.append
    await registry.blobs.verifier.reconsider()
    assert shown == [digest]
    assert await pull(registry, digest) == (200, data)
    assert Quarantine(registry).names() == []


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES])
async def test_a_file_that_cannot_be_opened_is_passed_over(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, number: int
):
    digest = await registry.push_blob("lib/app", content(SMALL))
    path, real = blob_file(registry.data_dir, digest), os.open

    def failing(asked: str, *args: object, **more: object) -> int:
        if asked == str(path):
            raise OSError(number, os.strerror(number))
        return real(asked, *args, **more)

    monkeypatch.setattr(os, "open", failing)
    answer = await registry.call("GET", f"/v2/lib/app/blobs/{digest}")
    assert answer.status == 503
    assert registry.blobs.statistics().hidden == 1


async def test_a_lack_of_descriptors_is_no_fault_of_the_file(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
):
    """Broken: a moment without descriptors, and the node gives up every blob that was asked for."""
    data = content(SMALL)
    digest = await registry.push_blob("lib/app", data)
    path, real = blob_file(registry.data_dir, digest), os.open

    def failing(asked: str, *args: object, **more: object) -> int:
        if asked == str(path):
            raise OSError(errno.EMFILE, "Too many open files")
        return real(asked, *args, **more)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", failing)
        answer = await registry.call("GET", f"/v2/lib/app/blobs/{digest}")
    assert answer.status >= 500
    assert "Too many open files" in (registry.blobs.health.failing or "")
    assert await pull(registry, digest) == (200, data)


class TestReadersInTheNode:
    """Other nodes and the engine read by `open`: they hash, but the sender learns as well."""

    @pytest.mark.parametrize("step", [1000, 64 << 10, 1 << 20])
    async def test_reading_all_of_a_rotten_blob_fails_at_its_end(
        self, registry: Registry, step: int
    ):
        digest = await registry.push_blob("lib/app", content(MEDIUM))
        path = blob_file(registry.data_dir, digest)
        flip(path)
        # Also within the interval: this is the cheap moment to notice.
        registry.blobs.verifier._verified.note(digest, path.stat())
        async with registry.blobs.open(digest) as reader:
            for offset in range(0, MEDIUM - step, step):
                await reader.read(offset, step)
            last = max(0, (MEDIUM - 1) // step * step)
            with pytest.raises(BlobDamaged):
                await reader.read(last, step)
        assert not path.exists()
        assert len(Quarantine(registry).names()) == 1

    @pytest.mark.parametrize("size", [0, 5])
    async def test_a_file_that_was_cut_fails(self, registry: Registry, size: int):
        digest = await registry.push_blob("lib/app", content(SMALL))
        path = blob_file(registry.data_dir, digest)
        os.truncate(path, size)
        async with registry.blobs.open(digest) as reader:
            with pytest.raises(BlobDamaged):
                await reader.read(0, 1 << 20)
        assert not path.exists()

    async def test_reading_parts_or_by_many_judges_nothing(self, registry: Registry):
        data = content(MEDIUM)
        digest = await registry.push_blob("lib/app", data)
        async with registry.blobs.open(digest) as reader:
            assert await reader.read(5, MEDIUM) == data[5:]
            assert await reader.read(0, 5) == data[:5]
        async with registry.blobs.open(digest) as reader:
            parts = await asyncio.gather(
                *(reader.read(at, 70_000) for at in range(0, MEDIUM, 70_000))
            )
        assert b"".join(parts) == data
        assert blob_file(registry.data_dir, digest).exists()


async def test_many_readers_of_one_file_share_its_hash(start_registry: StartRegistry):
    """Broken: after a start, a thousand clients of one layer cost a thousand hashes."""
    data = content(MEDIUM)
    before = await start_registry()
    digest = await before.push_blob("lib/app", data)
    await before.stop()
    registry = await start_registry()
    answers = await asyncio.gather(*(pull(registry, digest) for _ in range(20)))
    assert answers == [(200, data)] * 20
    assert registry.blobs.statistics().checked < 20


async def test_a_store_that_stops_does_not_wait_for_what_it_hashes(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
):
    """Broken: a node that was told to stop hashes a hundred gigabytes first."""
    digest = await registry.push_blob("lib/app", content(LARGE))
    os.utime(blob_file(registry.data_dir, digest))
    registry.blobs.verifier.close()
    with pytest.raises(DiskFailure, match="stopping"):
        await registry.blobs.doubt(digest)
    assert registry.blobs.size(digest) == LARGE
    assert registry.blobs.health.failing is None


class Elsewhere:
    """A peer's copy, as the engine would hand it out."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def size(self) -> int:
        return len(self._data)

    async def stream(self, offset: int, length: int) -> AsyncIterator[bytes]:
        yield self._data[offset : offset + length]


@pytest.mark.parametrize("size", [SMALL, MEDIUM], ids=["small", "medium"])
@pytest.mark.parametrize("how", ["rotten", "unreadable", "unreadable though known", "gone", "cut"])
async def test_a_client_gets_the_copy_of_a_peer_in_its_place(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, size: int, how: str
):
    """P9: an IO error is a 5xx only where no peer has the blob."""
    data = content(size)
    digest = await registry.push_blob("lib/app", data)

    @asynccontextmanager
    async def fetch(asked: Digest, size: int) -> AsyncIterator[RemoteBlob]:
        assert (asked, size) == (digest, len(data))
        yield Elsewhere(data)

    monkeypatch.setattr(registry.replicator, "fetch", fetch)
    path = blob_file(registry.data_dir, digest)
    if how == "rotten":
        flip(path, size // 2)
    elif how == "gone":
        path.unlink()
    elif how == "cut":
        os.truncate(path, 9)
    else:
        make_unreadable(monkeypatch, path)
        if how == "unreadable":
            os.utime(path)
    assert await pull(registry, digest) == (200, data)
    assert await pull(registry, digest, Range="bytes=1-3") == (206, data[1:4])


def test_the_size_up_to_which_files_are_hashed_first():
    assert BlobStoreConfig().verify_first_max_bytes == 8 << 20
    assert BlobStoreConfig().verify_interval_s == 6 * 3600


async def test_files_hashed_in_the_background_are_few(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """Broken: a client that reads a byte of each of a thousand layers takes all threads."""
    datas = [content(2000, seed) for seed in range(4)]
    config = BlobStoreConfig(verify_first_max_bytes=0)
    async with FilesystemBlobs(tmp_path, config) as blobs:
        for data in datas:
            await blobs.put(Digest.of(data), data)
            os.utime(blob_file(tmp_path, Digest.of(data)))
        began = 0
        real = blobs.verifier._hash

        def counting(*args):
            nonlocal began
            began += 1
            return real(*args)

        monkeypatch.setattr(blobs.verifier, "_hash", counting)
        # Within one turn of the event loop none of them ends.
        for data in datas:
            reader = await blobs.serve(Digest.of(data), whole=False)
            assert reader is not None
            reader.close()
        assert len(blobs.verifier._running) == 2
    assert began == 2
