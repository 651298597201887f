"""
Noticing that a blob file is not what its name says, and what becomes of it then.

What is served is one of

- known: hashed within the interval and untouched since (`verified`), or written by this process;
- hashed before anything is sent: files up to `verify_first_max_bytes`;
- hashed while all of it is sent; the last bytes stay here until the rest was right;
- a part of a large file, which is sent unverified while the file is hashed in the background.

A file that proves wrong goes to the quarantine. One that cannot be read is hidden where it lies:
the disk may get well, and then it is shown again, if it hashes to its name.
"""

import asyncio
import errno
import os
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, NamedTuple

from cluster.errors import StorageFailure
from cluster.model import Digest
from node.blobs.config import BlobStoreConfig
from node.blobs.disk import BlobDisk, OpenFile
from node.blobs.filehash import hash_file
from node.blobs.layout import BlobLayout
from node.blobs.publisher import Publisher, Withdrawn
from node.blobs.verified import RunningCheck, VerifiedFiles

BACKGROUND_MAX: Final = 2
"""Files hashed in the background at once, for readers of parts. A further one is left unverified
until its next reader comes; more would leave too few threads to those who write."""

_OF_THE_FILE: Final = frozenset(
    {errno.EIO, errno.EBADMSG, errno.EUCLEAN, errno.ENXIO, errno.EACCES, errno.EPERM}
)
"""Errors that speak of this file. Others, such as a lack of descriptors, would meet any."""


class Damage(NamedTuple):
    """A copy that was taken out of service."""

    digest: Digest
    size: int
    reason: str
    outcome: str


class Verifier:
    """Hashes files and withdraws the wrong ones. For one event loop."""

    def __init__(
        self,
        layout: BlobLayout,
        disk: BlobDisk,
        publisher: Publisher,
        verified: VerifiedFiles,
        config: BlobStoreConfig,
    ) -> None:
        self._layout = layout
        self._disk = disk
        self._publisher = publisher
        self._verified = verified
        self._always = config.verify_interval_s == 0
        self._first_max_bytes = config.verify_first_max_bytes
        self._running: dict[Digest, Future[bool]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = False
        self.on_damage: Callable[[Damage], None] = lambda damage: None
        """Called in the event loop for each copy that is taken out of service."""
        self.on_shown: Callable[[Digest], None] = lambda digest: None
        """Called in the event loop when a hidden copy proved right after all."""
        self.checked = 0
        """Files hashed since the start, those hashed while they were sent included."""
        self.damaged = 0
        """Copies taken out of service since the start."""

    def start(self) -> None:
        """To be called on the event loop."""
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        """End the hashing that runs."""
        self._closing = True

    def knows(self, digest: Digest, stat: os.stat_result) -> bool:
        """Whether the file needs no hash now."""
        return self._verified.knows(digest, stat)

    def checks_while_sent(self, stat: os.stat_result) -> bool:
        """Whether such a file, sent as a whole, is hashed meanwhile and not before."""
        return self._always or stat.st_size > self._first_max_bytes

    async def admit(self, digest: Digest, file: OpenFile, stat: os.stat_result) -> bool:
        """
        Hash a file that is not known, before a client gets some of it or in the background.

        Returns whether the client may have it: not when the file proved damaged, in which case it
        has been taken out of service.

        Raises:
            DiskFailure: it could not be read, for no fault of its own.
        """
        if self._always or stat.st_size <= self._first_max_bytes:
            return await asyncio.shield(asyncio.wrap_future(self._verify(digest, file, stat)))
        if len(self._running) < BACKGROUND_MAX:
            self._verify(digest, file, stat)
        return True

    def check(self, digest: Digest, stat: os.stat_result) -> RunningCheck:
        """A hash for a reader of the whole file."""
        self.checked += 1
        return RunningCheck(digest, stat, self._verified)

    async def verify(self, digest: Digest) -> bool:
        """Hash the file of a blob now, hidden or not; False when none is fit to be served."""
        try:
            file = OpenFile(os.open(self._layout.blob(digest), os.O_RDONLY))
        except FileNotFoundError:
            return False
        except OSError as exc:
            return not await self.failed(digest, None, exc)
        try:
            stat = os.fstat(file.fd)
            right = await asyncio.shield(asyncio.wrap_future(self._verify(digest, file, stat)))
        finally:
            file.close()
        if right and digest in self._publisher.hidden():
            self._publisher.show(digest)
            self.on_shown(digest)
        return right

    async def reconsider(self) -> None:
        """Look whether what could not be read can be read again."""
        for digest in self._publisher.hidden():
            try:
                await self.verify(digest)
            except StorageFailure:
                return  # For no fault of the file; there is a next time.

    async def failed(
        self, digest: Digest, stat: os.stat_result | None, error: OSError | str
    ) -> bool:
        """
        A reader met *error* in the file that *stat* tells of, None for the one there is now.

        Takes it out of service if that is its fault; returns whether it is.
        """
        return await self._disk.run(self._failed, digest, stat, error)

    def _verify(self, digest: Digest, file: OpenFile, stat: os.stat_result) -> Future[bool]:
        """Hash the file in a thread, once for all who ask meanwhile."""
        running = self._running.get(digest)
        if running is not None:
            return running
        loop = asyncio.get_running_loop()
        file.share()
        job = self._disk.submit(self._hash, digest, file.fd, stat)
        self._running[digest] = job
        self.checked += 1

        def end(_: Future[bool]) -> None:
            file.close()
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._running.pop, digest, None)

        job.add_done_callback(end)
        return job

    # What follows runs in a thread.

    def _hash(self, digest: Digest, fd: int, stat: os.stat_result) -> bool:
        try:
            encoded, size = hash_file(fd, digest.algorithm, self._stop_if_closing)
        except OSError as exc:
            if self._failed(digest, stat, exc):
                return False
            raise
        if encoded == digest.encoded:
            self._verified.note(digest, stat)
            return True
        self._failed(digest, stat, f"{size} bytes that do not hash to its digest")
        return False

    def _stop_if_closing(self, _: int) -> None:
        if self._closing:
            raise OSError(errno.ECANCELED, "the node is stopping")

    def _failed(self, digest: Digest, stat: os.stat_result | None, error: OSError | str) -> bool:
        unreadable, reason = isinstance(error, OSError), str(error)
        if isinstance(error, OSError):
            self._disk.health.note(error)
            if error.errno not in _OF_THE_FILE:
                return False
            reason = f"cannot be read: {error.strerror or error}"
        if stat is None:
            try:
                stat = os.stat(self._layout.blob(digest))
            except OSError:
                return False
        outcome = self._publisher.withdraw(digest, stat, keep=unreadable)
        if outcome is not Withdrawn.GONE:
            self.damaged += 1
            damage = Damage(digest, stat.st_size, reason, _TOLD[outcome])
            assert self._loop is not None, "started"
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self.on_damage, damage)
        return True


_TOLD: Final = {
    Withdrawn.SET_ASIDE: "set aside in quarantine/",
    Withdrawn.HIDDEN: "hidden where it lies",
    Withdrawn.KEPT: "too many are hidden: its reads fail",
}
