"""What this node says it holds, held against what it has."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from cluster.errors import NotCaughtUp, StorageFailure
from cluster.model import Held
from cluster.ports import BlobReplica, Log
from node.index.replica import IndexReplica

_INTERVAL_S: Final = 600.0
_ROWS: Final = 256
"""Blobs looked at in one step: their rows are read between two turns of the event loop."""


class Holdings:
    """
    Takes back rows whose blob is not here, cached ones too, and renews the holder rows that count
    for nobody.

    A node whose disk was replaced or set back gets its lost log, and so its lost holder rows, back
    from its peers. Nobody counts those (`cluster.objects.claims`); what was brought over with
    the files counts again once it is said anew.
    """

    def __init__(self, replica: IndexReplica, blobs: BlobReplica, log: Log) -> None:
        self._replica = replica
        self._blobs = blobs
        self._log = log
        self._unverified = False

    async def run(self) -> None:
        """Check now and then, for ever: files get lost, and old rows may arrive late."""
        while True:
            await asyncio.sleep(_INTERVAL_S)
            await self._quietly(self.verify())

    async def verify(self) -> None:
        """
        Hold every row of this node against its file.

        Once before any peer is greeted: what the log says from its beginning is counted then.

        Raises:
            StorageFailure: a disk could not tell, which changes nothing.
        """
        # While the index is being replaced by a checkpoint, the rows are half there.
        self._unverified = self._replica.restoring
        if not self._unverified:
            await self._check(lambda held: True)

    async def renew(self) -> None:
        """The same for rows that came back from peers. A failing disk changes nothing."""
        await self._quietly(self._check_returned())

    async def _check_returned(self) -> None:
        await self._check(lambda held: self._unverified or not held.stands)

    async def _check(self, wanted: Callable[[Held], bool]) -> None:
        gone = 0
        for next_page in (self._replica.held_here, self._replica.cached_here):
            after = None
            while page := next_page(after, _ROWS):
                after = page[-1].digest
                asked = [held for held in page if wanted(held)]
                sizes = await self._blobs.measure([held.digest for held in asked])
                for held, size in zip(asked, sizes, strict=True):
                    if size != held.size:
                        await self._replica.release(held.digest)
                        gone += 1
                    elif not held.stands:
                        await self._replica.hold(held.digest, held.size)
        if gone:
            self._log.warning("blobs missing on disk: holder rows taken back", count=gone)

    async def _quietly(self, check: Awaitable[None]) -> None:
        try:
            await check
        except (StorageFailure, NotCaughtUp) as exc:
            self._log.warning("holder rows not checked", reason=str(exc))
