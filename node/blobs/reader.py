"""Reading one blob file."""

import os
from typing import Final, NoReturn

from cluster.model import Digest
from node.blobs.config import BlobStoreConfig
from node.blobs.disk import BlobDisk, OpenFile, read_file
from node.blobs.errors import BlobDamaged, DiskFailure
from node.blobs.verified import RunningCheck
from node.blobs.verifier import Verifier

_HASH_INLINE_BYTES: Final = 64 * 1024
"""Up to this many bytes are hashed in the event loop: a tenth of a millisecond at worst."""


class FileReader:
    """
    A `BlobReader` that is also `FileBacked`.

    Bytes that are read through it, all and in order, are hashed: the last ones are given out only
    when the whole is right.
    """

    def __init__(
        self,
        digest: Digest,
        file: OpenFile,
        disk: BlobDisk,
        verifier: Verifier,
        config: BlobStoreConfig,
    ) -> None:
        self._digest = digest
        self._file = file
        self._disk = disk
        self._verifier = verifier
        self._inline_max = config.inline_read_max_bytes
        self._stat = os.fstat(file.fd)
        self._hash: RunningCheck | None = None
        self._hashed = 0
        self._running = 0
        self._check: RunningCheck | None = None

    @property
    def size(self) -> int:
        return self._stat.st_size

    def fileno(self) -> int:
        return self._file.fd

    def check(self) -> RunningCheck | None:
        return self._check

    async def admit(self, *, whole: bool) -> bool:
        """Whether a client may have all of it (*whole*) or a part; see `Verifier`."""
        if self._verifier.knows(self._digest, self._stat):
            return True
        if whole and self._verifier.checks_while_sent(self._stat):
            self._check = self._verifier.check(self._digest, self._stat)
            return True
        return await self._verifier.admit(self._digest, self._file, self._stat)

    async def failed(self, error: OSError | str) -> None:
        await self._verifier.failed(self._digest, self._stat, error)

    async def read(self, offset: int, length: int) -> bytes:
        length = min(length, self.size - offset)
        if length <= 0:
            if self.size == 0 and not self._digest.matches(b""):
                await self._is_damaged("it is empty")
            return b""
        if self._running:
            self._hash = None  # Read by several at once, nothing can be said of the whole.
        elif offset == 0 and self._hashed == 0:
            self._hash = self._verifier.check(self._digest, self._stat)
        self._running += 1
        try:
            return await self._read(offset, length)
        finally:
            self._running -= 1

    async def _read(self, offset: int, length: int) -> bytes:
        try:
            data = await read_file(self._disk, self._file, offset, length, self._inline_max)
        except DiskFailure as exc:
            await self.failed(exc.error)
            raise
        if len(data) < length:
            await self._is_damaged("it has become shorter")
        if self._hash is None or self._hashed != offset:
            self._hash = None
            return data
        self._hashed += length
        check, last = self._hash, self._hashed == self.size
        step = check.completes if last else check.update
        # Hashing holds the event loop for a millisecond a MiB; a thread costs a tenth of that.
        right = step(data) if length <= _HASH_INLINE_BYTES else await self._disk.run(step, data)
        if last and not right:
            await self._is_damaged("its bytes do not hash to its digest")
        return data

    async def _is_damaged(self, reason: str) -> NoReturn:
        await self.failed(reason)
        raise BlobDamaged(self._digest, reason)

    def close(self) -> None:
        self._file.close()
