"""The blob store on a local filesystem. Paths are in `layout`, staging files in `staging`."""

import itertools
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Self

from cluster.errors import BlobUnknown, DigestMismatch
from cluster.model import Digest
from node.blobs.config import BlobStoreConfig
from node.blobs.disk import Disk, OpenFile, full_disk_as_storage_full, read_file, write_fully
from node.blobs.layout import BlobLayout
from node.blobs.staging import FileIngest, Staging
from node.room import check_room


class FilesystemBlobs:
    """
    A `BlobStore` below one data directory, for one event loop.

    An async context manager: entering makes the directories, leaving stops the threads after
    their last step. A crash at any point leaves whole blobs and staging files, nothing else.
    """

    def __init__(
        self, data_dir: str | os.PathLike[str], config: BlobStoreConfig | None = None
    ) -> None:
        self._config = config or BlobStoreConfig()
        self._layout = BlobLayout(data_dir)
        self._disk = Disk(self._config.threads)
        self._staging = Staging(self._layout, self._disk, self._config)
        self._put_numbers = itertools.count(1)

    async def __aenter__(self) -> Self:
        await self._disk.run(self._layout.create)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop the threads. Open readers and ingests must have been closed before."""
        await self._disk.close()

    async def recover(self, keep: set[str]) -> int:
        """
        Remove the staging files that a crash left, except those named in *keep*.

        To be called at start-up, before anything is staged. Returns how many were removed.
        """
        return await self._disk.run(self._recover, keep)

    def size(self, digest: Digest) -> int | None:
        # A stat in the event loop: microseconds, and a thread would cost a hundred.
        try:
            size = os.stat(self._layout.blob(digest)).st_size
        except FileNotFoundError:
            return None
        # Asked after the look: before it, the thread that publishes may not have begun.
        return size if self._staging.publisher.is_sure(digest) else None

    @asynccontextmanager
    async def open(self, digest: Digest) -> AsyncIterator["FileReader"]:
        # Opened in the event loop like `size`, which callers ask first, so that the kernel has
        # the inode at hand by now.
        try:
            file = OpenFile(os.open(self._layout.blob(digest), os.O_RDONLY))
        except FileNotFoundError:
            raise BlobUnknown(digest) from None
        try:
            yield FileReader(file, self._disk, self._config.inline_read_max_bytes)
        finally:
            file.close()

    async def ingest(self, name: str) -> FileIngest:
        return await self.stage(name)

    async def stage(self, name: str) -> FileIngest:
        staged = FileIngest(self._staging, name)
        # Nothing is there, as a rule, and to know that needs no thread.
        if self._is_staged(name):
            await self._disk.run_in_turn(name, _always, self._unlink_staged, name)
        return staged

    async def resume(self, name: str, offset: int) -> FileIngest | None:
        """
        See `BlobStore.resume`.

        Waits for what an earlier ingest of this name still has to write, and takes the name over.
        The file is opened at the first use.
        """
        if not await self._disk.run_in_turn(name, _always, self._cut_staged, name, offset):
            return None
        return FileIngest(self._staging, name, offset)

    async def discard_staged(self, name: str) -> None:
        self._staging.owners.pop(name, None)
        await self._disk.run_in_turn(name, _always, self._unlink_staged, name)

    async def put(self, digest: Digest, data: bytes) -> None:
        await self._disk.run(self._put, next(self._put_numbers), digest, data)

    def _is_staged(self, name: str) -> bool:
        return os.path.lexists(self._layout.staged(name))

    # What follows runs in a thread.

    def _put(self, number: int, digest: Digest, data: bytes) -> None:
        if not digest.matches(data):
            raise DigestMismatch(digest, Digest.of(data, digest.algorithm))
        path = self._layout.staged_put(number)
        try:
            with full_disk_as_storage_full():
                fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
                try:
                    check_room(fd, len(data), self._config.reserve_bytes)
                    write_fully(fd, data, 0)
                    os.fsync(fd)
                finally:
                    os.close(fd)
                self._staging.publisher.publish(path, digest)
        except BaseException:
            _unlink(path)
            raise

    def _cut_staged(self, name: str, offset: int) -> bool:
        path = self._layout.staged(name)
        try:
            size = os.stat(path).st_size
        except FileNotFoundError:
            return offset == 0
        if size > offset:
            os.truncate(path, offset)
        return size >= offset

    def _unlink_staged(self, name: str) -> None:
        _unlink(self._layout.staged(name))

    def _recover(self, keep: set[str]) -> int:
        stale = [name for name in os.listdir(self._layout.staging) if name not in keep]
        for name in stale:
            os.unlink(os.path.join(self._layout.staging, name))
        return len(stale)


class FileReader:
    """A `BlobReader` that is also `FileBacked`."""

    def __init__(self, file: OpenFile, disk: Disk, inline_max: int) -> None:
        self._file = file
        self._disk = disk
        self._inline_max = inline_max
        self._size = os.fstat(file.fd).st_size

    @property
    def size(self) -> int:
        return self._size

    def fileno(self) -> int:
        return self._file.fd

    async def read(self, offset: int, length: int) -> bytes:
        length = min(length, self._size - offset)
        if length <= 0:
            return b""
        return await read_file(self._disk, self._file, offset, length, self._inline_max)


def _unlink(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)


def _always() -> None:
    """Admit a step that needs no owner."""
