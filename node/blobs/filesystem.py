"""The blob store on a local filesystem. Paths are in `layout`, staging files in `staging`."""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final, Self

from cluster.errors import BlobUnknown, DigestMismatch
from cluster.model import Digest
from node.blobs.config import BlobStoreConfig
from node.blobs.disk import BlobDisk, OpenFile, write_fully
from node.blobs.errors import DiskFailure
from node.blobs.health import DiskHealth
from node.blobs.layout import BlobLayout
from node.blobs.publisher import Publisher
from node.blobs.quarantine import Quarantine
from node.blobs.reader import FileReader
from node.blobs.staging import FileIngest, Staging
from node.blobs.verified import VerifiedFiles
from node.blobs.verifier import Verifier
from node.disk.room import check_room

_RECONSIDER_S: Final = 600.0
"""Between two looks at copies that could not be read. A disk may take seconds to give one up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobStatistics:
    """The state of the files and of their disk. Counts are since the start."""

    checked: int
    damaged: int
    set_aside: int
    """Files in the quarantine."""
    hidden: int
    """Damaged copies that are still where they were."""
    disk_failures: int


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
        self.health = DiskHealth(self._layout.probe)
        self._disk = BlobDisk(self._config.threads, self.health)
        verified = VerifiedFiles(self._config.verify_interval_s)
        self._quarantine = Quarantine(self._layout)
        self._publisher = Publisher(self._layout, verified, self._quarantine)
        self._staging = Staging(self._layout, self._disk, self._publisher, self._config)
        self.verifier = Verifier(self._layout, self._disk, self._publisher, verified, self._config)
        self._put_numbers = itertools.count(1)

    def on_withdrawn(self, heed: Callable[[Digest], None]) -> None:
        """Have *heed* called in some thread whenever a copy was taken out of service."""
        self._publisher.on_withdrawn = heed

    async def __aenter__(self) -> Self:
        self.verifier.start()
        await self._disk.run(self._layout.create)
        await self._disk.run(self._quarantine.open)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop the threads. Open readers and ingests must have been closed before."""
        self.verifier.close()
        await self._disk.close()

    async def run(self) -> None:
        """Watch the disk, and look after what it could not read, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.health.watch(), name="disk")
            tasks.create_task(self._reconsider(), name="hidden blobs")

    async def _reconsider(self) -> None:
        while True:
            await asyncio.sleep(_RECONSIDER_S)
            await self.verifier.reconsider()

    def statistics(self) -> BlobStatistics:
        """How the files are."""
        return BlobStatistics(
            checked=self.verifier.checked,
            damaged=self.verifier.damaged,
            set_aside=self._quarantine.files,
            hidden=len(self._publisher.hidden()),
            disk_failures=self.health.failures,
        )

    async def recover(self, keep: set[str]) -> int:
        """
        Remove the staging files that a crash left, except those named in *keep*.

        To be called at start-up, before anything is staged. Returns how many were removed.
        """
        return await self._disk.run(self._recover, keep)

    def size(self, digest: Digest) -> int | None:
        """The answer to `measure` for one blob. Blocks."""
        try:
            size = os.stat(self._layout.blob(digest)).st_size
        except FileNotFoundError:
            return None
        except OSError as exc:
            self.health.note(exc)
            raise DiskFailure(exc) from exc
        # Asked after the look: before it, the thread that publishes may not have begun.
        return size if self._publisher.is_sure(digest) else None

    async def measure(self, digests: Sequence[Digest]) -> Sequence[int | None]:
        return await self._disk.run(lambda: [self.size(digest) for digest in digests])

    @asynccontextmanager
    async def open(self, digest: Digest) -> AsyncIterator[FileReader]:
        reader = await self._open(digest)
        try:
            yield reader
        finally:
            reader.close()

    async def serve(self, digest: Digest, *, whole: bool) -> FileReader | None:
        try:
            reader = await self._open(digest)
        except BlobUnknown:
            return None
        try:
            fit = await reader.admit(whole=whole)
        except BaseException:
            reader.close()
            raise
        if fit:
            return reader
        reader.close()
        return None

    async def doubt(self, digest: Digest) -> bool:
        return await self.verifier.verify(digest)

    async def _open(self, digest: Digest) -> FileReader:
        # In the event loop: microseconds, and a thread would cost a hundred. Callers know that it
        # is here, or have asked a thread.
        try:
            file = OpenFile(os.open(self._layout.blob(digest), os.O_RDONLY))
        except FileNotFoundError:
            raise BlobUnknown(digest) from None
        except OSError as exc:
            if await self.verifier.failed(digest, None, exc):
                raise BlobUnknown(digest) from exc
            raise DiskFailure(exc) from exc
        if not self._publisher.is_sure(digest):
            file.close()
            raise BlobUnknown(digest)
        return FileReader(digest, file, self._disk, self.verifier, self._config)

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
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            try:
                check_room(fd, len(data), self._config.reserve_bytes)
                write_fully(fd, data, 0)
                os.fsync(fd)
            finally:
                os.close(fd)
            self._publisher.publish(path, digest)
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


def _unlink(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)


def _always() -> None:
    """Admit a step that needs no owner."""
