"""Blobs on their way in: one staging file each."""

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from typing import Final, TypeVar, TypeVarTuple
from weakref import WeakValueDictionary

from cluster.errors import DigestMismatch
from cluster.model import Digest
from node.blobs.config import BlobStoreConfig
from node.blobs.disk import (
    BlobDisk,
    OpenFile,
    read_file,
    start_writeback,
    write_fully,
)
from node.blobs.errors import StagingGone
from node.blobs.filehash import hash_file
from node.blobs.layout import BlobLayout
from node.blobs.publisher import Publisher
from node.disk.room import check_room

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_WRITEBACK_BYTES: Final = 8 << 20
"""Bytes after which the kernel is told to begin writing. Fewer make small writes out of large
ones; more leave the final sync more to do."""


class _State(Enum):
    OPEN = auto()
    COMMITTED = auto()
    DISCARDED = auto()


class Staging:
    """What all staging files of one store share, and who owns which name."""

    def __init__(
        self, layout: BlobLayout, disk: BlobDisk, publisher: Publisher, config: BlobStoreConfig
    ) -> None:
        self.layout = layout
        self.disk = disk
        self.publisher = publisher
        self.inline_read_max_bytes = config.inline_read_max_bytes
        self.reserve_bytes = config.reserve_bytes
        self.owners: WeakValueDictionary[str, FileIngest] = WeakValueDictionary()


class FileIngest:
    """
    A `StagedUpload` in a file.

    The file comes into being with the first byte. All that changes it runs in a thread, one step
    at a time per staging name; a newer ingest of the same name takes the name over, after which
    this one refuses to change anything. sha256 is computed as bytes arrive; any other digest, and
    sha256 after `resume` or `rollback`, by reading the file once more at `commit`.
    """

    def __init__(self, staging: Staging, name: str, offset: int = 0) -> None:
        self._staging = staging
        self._name = name
        self._path = staging.layout.staged(name)
        self._fresh = offset == 0
        self._offset = offset
        self._written_back = offset
        self._running = hashlib.sha256() if offset == 0 else None
        self._file: OpenFile | None = None
        self._state = _State.OPEN
        self._released = False
        staging.owners[name] = self

    @property
    def offset(self) -> int:
        return self._offset

    async def append(self, data: bytes) -> None:
        """
        See `BlobIngest.append`.

        A cancelled call has appended all of *data* or nothing by the time the next one runs.
        """
        if data:
            await self._step(self._append, data)

    async def read(self, offset: int, length: int) -> bytes:
        length = min(length, self._offset - offset)
        if length <= 0:
            return b""
        if self._file is None:
            await self._step(self._open)
        file = self._file
        assert file is not None, "read after release"
        inline_max = self._staging.inline_read_max_bytes
        return await read_file(self._staging.disk, file, offset, length, inline_max)

    async def rollback(self, offset: int) -> None:
        await self._step(self._rollback, offset)

    async def rest(self) -> None:
        await self._step(self._close)

    async def commit(self, digest: Digest, size: int | None = None) -> int:
        """
        See `BlobIngest.commit`.

        When cancelled, a commit that has started still ends in a thread, and a following
        `discard` waits for it: afterwards the blob is there, durable, or nothing is.
        """
        return await self._step(self._commit, digest, size)

    async def discard(self) -> None:
        with suppress(StagingGone):
            await self._step(self._discard)

    def release(self) -> None:
        self._released = True
        self._staging.disk.after_turn(self._name, self._close)

    async def _step(self, call: Callable[[*Ts], T], *args: *Ts) -> T:
        return await self._staging.disk.run_in_turn(self._name, self._admit, call, *args)

    def _admit(self) -> None:
        taken_over = self._staging.owners.get(self._name) is not self
        if taken_over or self._released or self._state is not _State.OPEN:
            raise StagingGone(self._name)

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    # What follows runs in a thread, one at a time.

    def _open(self) -> int:
        """Open the file if need be, cut to the current offset; returns its descriptor."""
        if self._file is None:
            if self._fresh:
                # An older file of this name may still have readers: leave it to them.
                with suppress(FileNotFoundError):
                    os.unlink(self._path)
            create = os.O_CREAT | os.O_EXCL if self._fresh else 0
            self._file = OpenFile(os.open(self._path, os.O_RDWR | create, 0o644))
            self._fresh = False
            os.ftruncate(self._file.fd, self._offset)
        return self._file.fd

    def _append(self, data: bytes) -> None:
        fd = self._open()
        check_room(fd, len(data), self._staging.reserve_bytes)
        try:
            write_fully(fd, data, self._offset)
        except OSError:
            # Give the space back; if even that fails, `_commit` cuts the rest off.
            with suppress(OSError):
                os.ftruncate(fd, self._offset)
            raise
        if self._running is not None:
            self._running.update(data)
        self._offset += len(data)
        if self._offset - self._written_back >= _WRITEBACK_BYTES:
            start_writeback(fd, self._written_back, self._offset - self._written_back)
            self._written_back = self._offset

    def _rollback(self, offset: int) -> None:
        assert 0 <= offset <= self._offset, "rollback goes back, never forward"
        if offset == self._offset:
            return
        os.ftruncate(self._open(), offset)
        self._offset = offset
        self._written_back = min(self._written_back, offset)
        self._running = hashlib.sha256() if offset == 0 else None

    def _commit(self, digest: Digest, size: int | None) -> int:
        try:
            fd = self._open()
            if os.fstat(fd).st_size != self._offset:
                os.ftruncate(fd, self._offset)
            self._verify(fd, digest, size)
            os.fsync(fd)
            self._staging.publisher.publish(self._path, digest)
        except BaseException:
            self._discard()
            raise
        self._state = _State.COMMITTED
        return self._offset

    def _verify(self, fd: int, digest: Digest, size: int | None) -> None:
        if size is not None and size != self._offset:
            raise DigestMismatch(digest, f"{self._offset} bytes instead of {size}")
        if digest.algorithm == "sha256" and self._running is not None:
            encoded = self._running.hexdigest()
        else:
            encoded, _ = hash_file(fd, digest.algorithm)
        if encoded != digest.encoded:
            raise DigestMismatch(digest, f"{digest.algorithm}:{encoded}")

    def _discard(self) -> None:
        self._state = _State.DISCARDED
        with suppress(FileNotFoundError):
            os.unlink(self._path)
