"""What this node says it holds, held against what it has."""

import asyncio
from typing import Final

from cluster.errors import NotCaughtUp
from cluster.ports import BlobReplica, Log
from node.index.replica import IndexReplica

_INTERVAL_S: Final = 600.0
_PAUSE_EVERY: Final = 256
"""Files looked for between two turns of the event loop: about a millisecond."""


class Holdings:
    """
    Takes back holder rows whose blob is not here, and renews those of an earlier disk.

    A node whose disk was replaced gets its old log, and so its old holder rows, back from its
    peers. Nobody counts them, as they name the old store; what was brought over with the files
    counts again once it is said of the new one.
    """

    def __init__(self, replica: IndexReplica, blobs: BlobReplica, log: Log) -> None:
        self._replica = replica
        self._blobs = blobs
        self._log = log

    async def run(self) -> None:
        """Check now and then, for ever: old rows may arrive late."""
        while True:
            await asyncio.sleep(_INTERVAL_S)
            await self.check()

    async def check(self) -> int:
        """
        Check once; returns how many rows were taken back.

        A failing disk changes nothing, and neither does a check while the index is being replaced
        by a checkpoint: the rows are half there.
        """
        gone = 0
        if self._replica.restoring:
            return gone
        try:
            for number, held in enumerate(self._replica.held_here()):
                if self._blobs.size(held.digest) != held.size:
                    await self._replica.release(held.digest)
                    gone += 1
                elif not held.present:
                    await self._replica.hold(held.digest, held.size)
                if number % _PAUSE_EVERY == 0:
                    await asyncio.sleep(0)
        except OSError as exc:
            self._log.warning("holder rows not checked", reason=str(exc))
        except NotCaughtUp:
            self._log.info("holder rows not checked", reason="the index is being replaced")
        if gone:
            self._log.warning("blobs missing on disk: holder rows taken back", count=gone)
        return gone
