"""The blob store in memory, for tests and the simulator. Same port, same promises, no disk."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from cluster.errors import BlobUnknown, DigestMismatch, StorageFull
from cluster.model import Digest
from node.blobs.errors import StagingGone


class MemoryBlobs:
    """
    A `BlobStore` whose disk is a dictionary.

    *capacity_bytes* bounds blobs and staged bytes together; None is no bound.
    """

    def __init__(self, capacity_bytes: int | None = None) -> None:
        self.capacity_bytes = capacity_bytes
        self._blobs: dict[Digest, bytes] = {}
        self._staged: dict[str, bytearray] = {}
        self._owners: WeakValueDictionary[str, MemoryIngest] = WeakValueDictionary()

    @property
    def staged_names(self) -> set[str]:
        """The staging that a real disk would hold now."""
        return set(self._staged)

    def size(self, digest: Digest) -> int | None:
        data = self._blobs.get(digest)
        return None if data is None else len(data)

    async def measure(self, digests: Sequence[Digest]) -> Sequence[int | None]:
        return [self.size(digest) for digest in digests]

    @asynccontextmanager
    async def open(self, digest: Digest) -> AsyncIterator["MemoryReader"]:
        data = self._blobs.get(digest)
        if data is None:
            raise BlobUnknown(digest)
        yield MemoryReader(data)

    async def serve(self, digest: Digest, *, whole: bool) -> "MemoryReader | None":
        data = self._blobs.get(digest)
        return None if data is None else MemoryReader(data)

    async def doubt(self, digest: Digest) -> bool:
        data = self._blobs.get(digest)
        if data is None or digest.matches(data):
            return data is not None
        del self._blobs[digest]
        return False

    async def ingest(self, name: str) -> "MemoryIngest":
        return await self.stage(name)

    async def stage(self, name: str) -> "MemoryIngest":
        self._staged.pop(name, None)
        return MemoryIngest(self, name, bytearray())

    async def resume(self, name: str, offset: int) -> "MemoryIngest | None":
        staged = self._staged.get(name, bytearray())
        if len(staged) < offset:
            return None
        # A copy, so that an ingest which had the name before cannot write into it.
        taken = staged[:offset]
        if name in self._staged:
            self._staged[name] = taken
        return MemoryIngest(self, name, taken)

    async def discard_staged(self, name: str) -> None:
        self._owners.pop(name, None)
        self._staged.pop(name, None)

    async def put(self, digest: Digest, data: bytes) -> None:
        if not digest.matches(data):
            raise DigestMismatch(digest, Digest.of(data, digest.algorithm))
        self._reserve(len(data))
        self._blobs[digest] = bytes(data)

    async def recover(self, keep: set[str]) -> int:
        """Remove the staging that is not named in *keep*; returns how much that was."""
        stale = self._staged.keys() - keep
        for name in stale:
            del self._staged[name]
        return len(stale)

    def _reserve(self, size: int) -> None:
        if self.capacity_bytes is None:
            return
        used = sum(map(len, self._blobs.values())) + sum(map(len, self._staged.values()))
        if used + size > self.capacity_bytes:
            raise StorageFull(f"{self.capacity_bytes} bytes are all in use")


class MemoryIngest:
    """A `StagedUpload` in memory. A newer ingest of its name makes it useless, as on disk."""

    def __init__(self, store: MemoryBlobs, name: str, staged: bytearray) -> None:
        self._store = store
        self._name = name
        self._staged = staged
        self._open = True
        store._owners[name] = self

    @property
    def offset(self) -> int:
        return len(self._staged)

    async def append(self, data: bytes) -> None:
        if not data:
            return
        self._check_usable()
        self._store._reserve(len(data))
        self._store._staged[self._name] = self._staged
        self._staged += data

    async def read(self, offset: int, length: int) -> bytes:
        return bytes(self._staged[offset : offset + max(length, 0)])

    async def rollback(self, offset: int) -> None:
        self._check_usable()
        assert 0 <= offset <= len(self._staged), "rollback goes back, never forward"
        del self._staged[offset:]

    async def rest(self) -> None:
        self._check_usable()

    async def commit(self, digest: Digest, size: int | None = None) -> int:
        self._check_usable()
        data = bytes(self._staged)
        self._end()
        if size is not None and size != len(data):
            raise DigestMismatch(digest, f"{len(data)} bytes instead of {size}")
        if not digest.matches(data):
            raise DigestMismatch(digest, Digest.of(data, digest.algorithm))
        self._store._blobs[digest] = data
        return len(data)

    async def discard(self) -> None:
        if self._usable():
            self._end()

    def release(self) -> None:
        self._open = False

    def _end(self) -> None:
        self._open = False
        self._store._staged.pop(self._name, None)

    def _usable(self) -> bool:
        return self._open and self._store._owners.get(self._name) is self

    def _check_usable(self) -> None:
        if not self._usable():
            raise StagingGone(self._name)


class MemoryReader:
    """A `BlobReader` over bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def size(self) -> int:
        return len(self._data)

    def close(self) -> None:
        """There is nothing to close."""

    async def read(self, offset: int, length: int) -> bytes:
        return self._data[offset : offset + max(length, 0)]
