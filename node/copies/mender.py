"""When a copy proves lost or damaged: the claim goes, and the blob comes again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from cluster.errors import ClusterError, StorageFailure
from cluster.model import Digest
from cluster.ports import Log
from node.blobs.filesystem import FilesystemBlobs
from node.blobs.verifier import Damage
from node.index.replica import IndexReplica

QUEUE_MAX: Final = 1024
"""Blobs that wait to be mended. One more is left to its next reader, and its claim to the next look
of `Holdings` at all of them."""

WORKERS: Final = 4
"""Blobs mended at once: below the engine's bound on transfers, so that readers find a place."""

Bring = Callable[[Digest, int], Awaitable[None]]
"""Fetches a blob from another node and records it; see `Cluster.bring`."""


class Mender:
    """
    Makes what this node says it holds agree with its files again, blob by blob, and says in the log
    what is the matter with them.

    `Holdings` owns the same for all of them, now and then; this is for what a reader has met.
    """

    def __init__(
        self, replica: IndexReplica, blobs: FilesystemBlobs, bring: Bring, log: Log
    ) -> None:
        self._replica = replica
        self._blobs = blobs
        self._bring = bring
        self._log = log
        self._waiting: asyncio.Queue[Digest] = asyncio.Queue(QUEUE_MAX)
        self._known: set[Digest] = set()
        self.restored = 0
        """Copies brought again from other nodes since the start."""
        self.lost = 0
        """Copies that could not be brought again when it was tried."""
        blobs.verifier.on_damage = self._damaged
        blobs.verifier.on_shown = self._shown

    def look_at(self, digest: Digest) -> None:
        """Something about this blob's file is not as it was. Does not wait."""
        if digest not in self._known and not self._waiting.full():
            self._known.add(digest)
            self._waiting.put_nowait(digest)

    def missed(self, digest: Digest) -> None:
        """Somebody wanted a blob that is not here: look at it if this node says that it is."""
        if self._replica.size_here(digest) is not None:
            self.look_at(digest)

    async def run(self) -> None:
        """Mend until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._blobs.run())
            for _ in range(WORKERS):
                tasks.create_task(self._work())

    def _damaged(self, damage: Damage) -> None:
        self._log.error(
            "damaged blob taken out of service",
            digest=damage.digest,
            bytes=damage.size,
            reason=damage.reason,
            copy=damage.outcome,
        )
        self.look_at(damage.digest)

    def _shown(self, digest: Digest) -> None:
        self._log.info("blob can be read again", digest=digest)
        self.look_at(digest)

    async def _work(self) -> None:
        while True:
            digest = await self._waiting.get()
            # From here on a further word of it is news.
            self._known.discard(digest)
            try:
                await self._mend(digest)
            except (ClusterError, StorageFailure) as exc:
                self._log.warning("blob not looked after", digest=digest, reason=str(exc))

    async def _mend(self, digest: Digest) -> None:
        [size] = await self._blobs.measure([digest])
        claimed, here = self._replica.held_size(digest), self._replica.size_here(digest)
        if claimed is None and here is not None:
            if here != size:
                await self._replica.release(digest)  # The next pull brings it.
            return
        if claimed is None or claimed == size:
            if size is not None:
                await self._replica.hold(digest, size)
            return
        await self._replica.release(digest)
        try:
            # A reader may have brought it meanwhile; then this only says so.
            await self._bring(digest, claimed)
        except (ClusterError, StorageFailure) as exc:
            self.lost += 1
            self._log.error("no copy of this blob could be fetched", digest=digest, reason=str(exc))
            return
        self.restored += 1
        self._log.info("blob fetched again", digest=digest, bytes=claimed)
