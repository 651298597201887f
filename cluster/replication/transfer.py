"""A blob while it arrives: what the task that receives it shares with its readers."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager

from cluster.errors import BlobUnavailable, StorageFailure
from cluster.model import Digest
from cluster.ports import BlobIngest
from cluster.tasks.pulse import Pulse


class Transfer:
    """
    One blob on its way in, readable while it arrives. Any number of readers, one writer.

    The final chunk stays closed until the whole is verified, so a reader that got everything got
    the right thing. While `cautious`, nothing is open before that.
    """

    def __init__(self, digest: Digest, size: int, chunk_bytes: int, patience_s: float) -> None:
        """*patience_s* is how long a reader waits without a byte from any source."""
        self.digest = digest
        self.size = size
        self.ingest: BlobIngest | None = None
        self.cautious = False
        self.handed_out = False
        self.counts = False
        """Somebody needs the copy to count: a push does, a pull does not."""
        self._chunk_bytes = chunk_bytes
        self._patience_s = patience_s
        self._verified = False
        self._error: BaseException | None = None
        self._users = 0
        self._pulse = Pulse()

    @property
    def readable(self) -> int:
        """How many bytes from the start readers may have now."""
        if self._verified:
            return self.size
        if self.ingest is None or self._error is not None or self.cautious:
            return 0
        final_chunk = max(self.size - 1, 0) // self._chunk_bytes * self._chunk_bytes
        return min(self.ingest.offset, final_chunk)

    def grown(self) -> None:
        """Tell the readers that more is staged."""
        self._pulse.beat()

    def verified(self) -> None:
        """Open everything: the blob is durable and is what its digest says."""
        self._verified = True
        self._pulse.beat()

    def failed(self, error: BaseException) -> None:
        """Tell the readers that no more will come. Those of a verified blob are not concerned."""
        self._error = error
        self._pulse.beat()

    @contextmanager
    def use(self) -> Iterator[None]:
        """Keep the staged bytes readable; the last user to leave closes them."""
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            if self._users == 0 and self.ingest is not None:
                self.ingest.release()
                self.ingest = None

    async def wait_until_readable(self) -> None:
        """
        Return once the first bytes can be read, or the whole is there.

        Raises:
            BlobUnavailable: no source could deliver them.
        """
        await self._wait_for(1 if self.size else 0)

    async def stream(self, offset: int, length: int) -> AsyncGenerator[bytes, None]:
        """
        The bytes of that range as they arrive, in pieces of at most one chunk.

        Raises:
            BlobUnavailable: no source could deliver the rest.
        """
        end = min(offset + length, self.size)
        while offset < end:
            await self._wait_for(offset + 1)
            wanted = min(self.readable, end) - offset
            # Set before the bytes are read: from here on the content can only fail, not change.
            self.handed_out = True
            data = await self._read(offset, min(wanted, self._chunk_bytes))
            yield data
            offset += len(data)

    async def _wait_for(self, readable: int) -> None:
        while not (self._verified or self._error is not None or self.readable >= readable):
            # Bytes that may not be read yet are a sign of life as well.
            try:
                async with asyncio.timeout(self._patience_s):
                    await self._pulse.wait()
            except TimeoutError as exc:
                silence = f"no source brought anything for {self._patience_s:g} s"
                raise BlobUnavailable(self.digest, silence) from exc
        if self._verified or self._error is None:
            return
        if isinstance(self._error, BlobUnavailable):
            raise self._error
        raise BlobUnavailable(self.digest, str(self._error)) from self._error

    async def _read(self, offset: int, length: int) -> bytes:
        assert self.ingest is not None, "a user keeps it"
        try:
            data = await self.ingest.read(offset, length)
        except StorageFailure as exc:
            raise BlobUnavailable(self.digest, f"reading the staged copy: {exc}") from exc
        if not data:
            raise BlobUnavailable(self.digest, "the staged copy is shorter than it was")
        return data
