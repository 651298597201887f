"""Upload sessions whose storage is slow or fails, and who else comes meanwhile."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from cluster.errors import StorageFailure
from cluster.model import Digest, Dot
from node.blobs.memory import MemoryBlobs, MemoryIngest
from node.errors import (
    AccountBytesFull,
    AccountUploadsFull,
    BodyIncomplete,
    RegistryError,
    TooManyUploads,
    UploadBusy,
    UploadUnknown,
)
from node.registry.chunk import Chunk
from node.registry.names import RepositoryName
from node.registry.upload_config import UploadConfig
from node.registry.uploads import Uploads
from node.registry.values import Page, Put, PutUpload, UploadChange, UploadRecord
from tests.fakes.log import MemoryLog
from tests.fakes.replicator import SoloReplicator

REPO = RepositoryName("lib/app")


class Rows:
    """The rows of uploads: those of an index whose writer a test stops, or has fail."""

    def __init__(self) -> None:
        self.offsets: dict[str, int] = {}
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self.failure: Exception | None = None

    def uploads(self) -> list[UploadRecord]:
        return []

    def setting(self, kind: str, name: str) -> None:
        return None

    def settings(self, kind: str, last: str, limit: int) -> Page:
        return Page([], None)

    async def put(self, change: Put) -> Dot:
        return Dot("a", 1, 1)

    async def note(self, change: UploadChange) -> None:
        await self.goes_on.wait()
        if self.failure is not None:
            raise self.failure
        if isinstance(change, PutUpload):
            self.offsets[change.upload.id] = change.upload.offset
        else:
            self.offsets.pop(change.upload_id, None)


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def blobs() -> MemoryBlobs:
    return MemoryBlobs()


def over(rows: Rows, blobs: MemoryBlobs, config: UploadConfig) -> Uploads:
    solo = SoloReplicator()
    return Uploads(rows, blobs, rows, rows, solo, solo, config, MemoryLog(), lambda: 1000.0)


def chunk(*pieces: bytes, cut: RegistryError | None = None) -> Chunk:
    async def body() -> AsyncGenerator[bytes, None]:
        for piece in pieces:
            yield piece
        if cut is not None:
            raise cut

    return Chunk(body())


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("whole", [False, True])
async def test_a_place_that_was_made_is_given_once(rows: Rows, blobs: MemoryBlobs, whole: bool):
    """Broken: while the bytes of who gave way are dropped, anybody passes the cap."""
    uploads = over(rows, blobs, UploadConfig(open_max=1, evict_idle_s=0.0))
    await uploads.start(REPO)
    rows.goes_on.clear()
    first = asyncio.create_task(uploads.start(REPO))
    await turns()
    again = uploads.put_whole(REPO, Digest.of(b"x"), chunk(b"x")) if whole else uploads.start(REPO)
    second = asyncio.ensure_future(again)
    await turns()
    rows.goes_on.set()
    await asyncio.wait([first, second])
    assert isinstance(second.exception(), TooManyUploads)
    assert list(rows.offsets) == [first.result()]


async def test_what_was_claimed_meanwhile_is_not_swept_away(rows: Rows, blobs: MemoryBlobs):
    """Broken: a request that goes on with an old upload loses all that it has sent."""
    uploads = over(rows, blobs, UploadConfig(expiry_s=-1.0))
    _, claimed, cancelled, left = [await uploads.start(REPO) for _ in range(4)]
    rows.goes_on.clear()
    sweep = asyncio.create_task(uploads.sweep())
    await turns()  # it drops the first
    last_piece = asyncio.Event()

    async def body() -> AsyncGenerator[bytes, None]:
        yield b"old "
        await last_piece.wait()
        yield b"upload"

    append = asyncio.create_task(uploads.append(REPO, claimed, Chunk(body())))
    cancel = asyncio.create_task(uploads.cancel(REPO, cancelled))
    await turns()
    rows.goes_on.set()
    assert await sweep == 2
    await cancel
    last_piece.set()
    assert await append == 10
    assert rows.offsets == {claimed: 10}
    with pytest.raises(UploadUnknown):
        uploads.offset(REPO, left)
    await uploads.finish(REPO, claimed, Digest.of(b"old upload"), chunk())
    assert blobs.size(Digest.of(b"old upload")) == 10


BROKEN = StorageFailure("Input/output error")


@pytest.mark.parametrize("cut", [None, BodyIncomplete()])
async def test_an_offset_moves_with_its_row(
    rows: Rows, blobs: MemoryBlobs, cut: RegistryError | None
):
    """Broken: a chunk that was refused is there all the same until the next start takes it back."""
    uploads = over(rows, blobs, UploadConfig())
    upload = await uploads.start(REPO)
    assert await uploads.append(REPO, upload, chunk(b"some ")) == 5
    rows.failure = BROKEN
    with pytest.raises(StorageFailure):
        await uploads.append(REPO, upload, chunk(b"of it", cut=cut))
    assert uploads.offset(REPO, upload) == rows.offsets[upload] == 5
    rows.failure = None
    again = chunk(b"of it")._replace(start=5)
    assert await uploads.append(REPO, upload, again) == rows.offsets[upload] == 10
    await uploads.finish(REPO, upload, Digest.of(b"some of it"), chunk())
    assert blobs.size(Digest.of(b"some of it")) == 10


async def test_an_upload_that_cannot_go_back_ends(
    rows: Rows, blobs: MemoryBlobs, monkeypatch: pytest.MonkeyPatch
):
    """Broken: what was refused stays in the blob, and what is sent again comes behind it."""

    async def fail(staged: MemoryIngest, offset: int) -> None:
        raise BROKEN

    monkeypatch.setattr(MemoryIngest, "rollback", fail)
    uploads = over(rows, blobs, UploadConfig())
    upload = await uploads.start(REPO)
    with pytest.raises(StorageFailure):
        await uploads.append(REPO, upload, chunk(b"some", cut=BodyIncomplete()))
    with pytest.raises(UploadUnknown):
        await uploads.append(REPO, upload, chunk(b"some"))
    assert blobs.staged_names == set()
    assert rows.offsets == {}


async def test_an_upload_is_in_use_until_its_row_is_written(rows: Rows, blobs: MemoryBlobs):
    """Broken: a client hangs up and goes on elsewhere, while what it had sent is still counted."""
    uploads = over(rows, blobs, UploadConfig())
    upload = await uploads.start(REPO)
    rows.goes_on.clear()
    append = asyncio.create_task(uploads.append(REPO, upload, chunk(b"some ")))
    await turns()
    append.cancel()
    with pytest.raises(asyncio.CancelledError):
        await append
    with pytest.raises(UploadBusy):
        await uploads.append(REPO, upload, chunk(b"of it"))
    rows.goes_on.set()
    await turns()
    assert uploads.offset(REPO, upload) == rows.offsets[upload] == 5
    assert await uploads.append(REPO, upload, chunk(b"of it")) == 10


async def test_an_account_has_so_many_uploads_open(rows: Rows, blobs: MemoryBlobs):
    """Broken: one robot takes all places of a node, from wherever it pushes."""
    uploads = over(rows, blobs, UploadConfig(account_open_max=2, evict_idle_s=60.0))
    first, second = [await uploads.start(REPO, f"10.0.0.{n}", "ann") for n in range(2)]
    with pytest.raises(AccountUploadsFull, match="at most 2 uploads"):
        await uploads.start(REPO, "10.0.0.9", "ann")
    with pytest.raises(AccountUploadsFull):
        await uploads.put_whole(REPO, Digest.of(b"x"), chunk(b"x"), "10.0.0.9", "ann")
    for other in ("bob", "", "", ""):
        await uploads.start(REPO, "10.0.0.1", other)
    await uploads.cancel(REPO, first, "ann")
    await uploads.start(REPO, "10.0.0.1", "ann")
    assert uploads.offset(REPO, second, "ann") == 0


async def test_an_account_s_own_dead_upload_makes_room(rows: Rows, blobs: MemoryBlobs):
    """Broken: a robot that crashed twice pushes nothing for a day."""
    uploads = over(rows, blobs, UploadConfig(account_open_max=1, evict_idle_s=0.0))
    others = await uploads.start(REPO, "", "bob")
    dead = await uploads.start(REPO, "", "ann")
    await uploads.start(REPO, "", "ann")
    with pytest.raises(UploadUnknown):
        uploads.offset(REPO, dead, "ann")
    assert uploads.offset(REPO, others, "bob") == 0


async def test_an_account_has_so_many_bytes_under_way(rows: Rows, blobs: MemoryBlobs):
    """Broken: one account fills the disk with what it never ends."""
    uploads = over(rows, blobs, UploadConfig(account_bytes_max=10))
    first, second = [await uploads.start(REPO, "", "ann") for _ in range(2)]
    assert await uploads.append(REPO, first, chunk(b"12345678"), "ann") == 8
    announced = chunk(b"abc")._replace(length=3)
    with pytest.raises(AccountBytesFull, match="at most 10 bytes"):
        await uploads.append(REPO, second, announced, "ann")
    assert uploads.offset(REPO, second, "ann") == 0
    assert await uploads.append(REPO, second, chunk(b"ab")._replace(length=2), "ann") == 2
    with pytest.raises(AccountBytesFull):
        await uploads.start(REPO, "", "ann")
    bobs = await uploads.start(REPO, "", "bob")
    assert await uploads.append(REPO, bobs, chunk(b"123456789"), "bob") == 9
    await uploads.cancel(REPO, first, "ann")
    assert await uploads.append(REPO, second, chunk(b"cd")._replace(length=2), "ann") == 4


async def test_a_body_of_unknown_length_ends_where_the_bytes_do(rows: Rows, blobs: MemoryBlobs):
    """What passes the cap is what had been gathered by then, and the body is refused."""
    most = 3 << 20
    uploads = over(rows, blobs, UploadConfig(account_bytes_max=most))
    upload = await uploads.start(REPO, "", "ann")
    taken = 0

    async def body() -> AsyncGenerator[bytes, None]:
        nonlocal taken
        for _ in range(64):
            taken += 1 << 20
            yield bytes(1 << 20)

    with pytest.raises(AccountBytesFull):
        await uploads.append(REPO, upload, Chunk(body()), "ann")
    assert taken <= most + (3 << 20)
    assert uploads.offset(REPO, upload, "ann") == 0, "the session stays as it was"
