"""Upload sessions whose storage is slow or fails, and who else comes meanwhile."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from cluster.model import Digest, Dot
from node.blobs.memory import MemoryBlobs
from node.errors import TooManyUploads
from node.registry.chunk import Chunk
from node.registry.names import RepositoryName
from node.registry.uploads import UploadConfig, Uploads
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


def chunk(*pieces: bytes) -> Chunk:
    async def body() -> AsyncGenerator[bytes, None]:
        for piece in pieces:
            yield piece

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
