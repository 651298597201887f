"""Bringing blobs here: one transfer per blob, resumed, verified, read while it arrives."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Final

from cluster.environment import Environment
from cluster.errors import BlobUnavailable, BlobUnknown, DigestMismatch, PeerError, PeerUnreachable
from cluster.model import Digest, NodeId
from cluster.ports import BlobIngest, BlobReader
from cluster.replication.jobs import BlobJobs
from cluster.replication.peers import Peers
from cluster.replication.sources import Sources
from cluster.replication.transfer import Transfer
from cluster.routing import preference
from cluster.tasks.stall import watched

SOURCES_MAX: Final = 16
"""How many members are asked for one blob."""

GUESSES_MAX: Final = 12
"""How many of them may be such as have not said that they hold it: a region with more members may
bring a blob in more than once. The others are left for holders."""

DISTRUSTED_MAX: Final = 1024
"""How many (blob, source) pairs are remembered as having been part of wrong content. When full
the oldest is forgotten, which costs one more wasted transfer at worst."""


class Fetcher:
    """
    Single flight per digest: one transfer, many readers, one staging file.

    A transfer goes on when its readers leave, even all of them: the bytes were paid for, and the
    next pull of the image finds the blob here.
    """

    def __init__(self, env: Environment, peers: Peers) -> None:
        self._env = env
        self._peers = peers
        self._transfers: dict[Digest, Transfer] = {}
        self._distrusted: OrderedDict[tuple[Digest, NodeId], None] = OrderedDict()
        self.jobs = BlobJobs(env.config.fetches_max, env.config.fetch_patience_s)

    @asynccontextmanager
    async def fetch(self, digest: Digest, size: int) -> AsyncIterator[Transfer | BlobReader]:
        """
        Read a blob that is not here, storing it on the way; or the copy that has come meanwhile.

        Entering waits for the first readable bytes, so that a blob nobody can deliver is known
        before an answer has begun.

        Raises:
            BlobUnavailable: no holder could deliver it (on entering).
            StorageFailure: the disk could not say whether it is here.
        """
        # A copy of another size is damaged; what is fetched takes its place (P6).
        if self.jobs.get(digest) is None and await self._is_here(digest, size):
            if self._env.holders.size_here(digest) is None:
                # Its row went with an index that was rebuilt.
                await self._env.holders.cache(digest, size)
            async with self._env.blobs.open(digest) as reader:
                yield reader
                return
        transfer, _ = self._join(digest, size, ())
        with transfer.use():
            await transfer.wait_until_readable()
            yield transfer

    async def ensure(self, digest: Digest, size: int, sources: Sequence[NodeId] = ()) -> None:
        """
        Have the blob here, durably and recorded, on return.

        *sources* are said to hold it, beside those that the records name.

        Raises:
            BlobUnavailable, StorageFull, StorageFailure: it could not be brought or stored.
        """
        if await self._is_here(digest, size):
            await self._env.holders.hold(digest, size)
            return
        transfer, job = self._join(digest, size, sources)
        transfer.counts = True
        await asyncio.shield(job)
        if self._env.holders.held_size(digest) is None:
            # It was begun for a pull, and recorded before this came.
            await self._env.holders.hold(digest, size)

    async def store(self, digest: Digest, data: bytes) -> None:
        """
        Have a blob here whose bytes came along with the request, durably and recorded on return.

        Raises:
            DigestMismatch, StorageFull, StorageFailure: it is not stored.
        """
        if not await self._is_here(digest, len(data)):
            ingest = await self._stage()
            try:
                await ingest.append(data)
                await ingest.commit(digest, len(data))
            finally:
                await ingest.discard()
                ingest.release()
        await self._env.holders.hold(digest, len(data))

    async def _is_here(self, digest: Digest, size: int) -> bool:
        """Whether the whole file is here: asked of the disk, before the same is done again."""
        [found] = await self._env.blobs.measure([digest])
        return found == size

    def _join(
        self, digest: Digest, size: int, sources: Sequence[NodeId]
    ) -> tuple[Transfer, asyncio.Future[None]]:
        """The transfer of this blob that runs already, or a new one."""
        transfer, job = self._transfers.get(digest), self.jobs.get(digest)
        if transfer is None or job is None:
            config = self._env.config
            transfer = Transfer(digest, size, config.chunk_bytes, config.fetch_patience_s)
            job = self.jobs.start(digest, partial(self._carry_out, transfer, sources))
            job.add_done_callback(partial(self._end, transfer))
            self._transfers[digest] = transfer
        elif transfer.size != size:
            raise BlobUnavailable(digest, f"is it {size} or {transfer.size} bytes long?")
        return transfer, job

    def _end(self, transfer: Transfer, job: asyncio.Future[None]) -> None:
        if self._transfers.get(transfer.digest) is transfer:
            del self._transfers[transfer.digest]
        error = job.exception()
        if error is not None:
            transfer.failed(error)

    async def _carry_out(self, transfer: Transfer, hints: Sequence[NodeId]) -> None:
        with transfer.use():
            try:
                await self._bring(transfer, await self._sources(transfer, hints))
                transfer.verified()
                holders = self._env.holders
                record = holders.hold if transfer.counts else holders.cache
                await record(transfer.digest, transfer.size)
                self._env.log.debug("blob fetched", digest=transfer.digest, size=transfer.size)
            finally:
                if transfer.ingest is not None:
                    await transfer.ingest.discard()

    async def _sources(self, transfer: Transfer, hints: Sequence[NodeId]) -> Sources:
        digest = transfer.digest
        holders = {*hints, *self._env.holders.holders(digest)} - {self._env.me.node}
        if holders:
            # Whoever asks us to hold a blob may have found us before we found it, and a holder
            # that was restarted serves before its new link is up.
            await self._peers.wait_for_any(holders, self._env.config.dial_timeout_s)
        order = preference.order(
            holders, self._env.roll.connected(), self._env.me.region, self._env.rng
        )
        guesses = [node for node in order if node not in holders][:GUESSES_MAX]
        candidates = [n for n in order if n in holders or n in guesses][:SOURCES_MAX]
        suspects = [node for node in candidates if (digest, node) in self._distrusted]
        trusted = [node for node in candidates if node not in suspects]
        return Sources([*trusted, *suspects], cautious=bool(suspects), guesses=guesses)

    async def _bring(self, transfer: Transfer, sources: Sources) -> None:
        """
        Receive, verify and commit, from as many sources as it takes.

        Raises:
            BlobUnavailable: the sources are exhausted, or wrong bytes were handed out already.
        """
        digest, reasons = transfer.digest, ["nobody to ask"]
        transfer.cautious = sources.cautious
        transfer.ingest = ingest = await self._stage()
        while transfer.size > ingest.offset:
            node = sources.next()
            if node is None:
                raise BlobUnavailable(digest, "; ".join(reasons[-3:]))
            try:
                await self._receive(transfer, ingest, node, sources)
                if ingest.offset == transfer.size:
                    await ingest.commit(digest, transfer.size)
                    return
                sources.broke_off(node)
                reasons.append(f"{node}: ended early")
            except (PeerError, BlobUnknown, BlobUnavailable) as exc:
                sources.broke_off(node, refused=not isinstance(exc, PeerUnreachable))
                reasons.append(f"{node}: {exc}")
            except DigestMismatch as exc:
                reasons.append(f"{node}: {exc}")
                self._reject(transfer, sources)
                ingest = await self._start_over(transfer, ingest)
            if sources.cautious and ingest.offset > 0:
                sources.start_over()
                ingest = await self._start_over(transfer, ingest)
        await ingest.commit(digest, transfer.size)  # Only an empty blob gets here.

    async def _receive(
        self, transfer: Transfer, ingest: BlobIngest, node: NodeId, sources: Sources
    ) -> None:
        peer = self._peers.peer(node)
        if peer is None:
            raise PeerUnreachable(f"the link to {node} is down")
        config = self._env.config
        stall_s = config.guess_timeout_s if node in sources.guesses else config.stall_timeout_s
        stream = watched(peer.blobs.fetch(transfer.digest, ingest.offset), stall_s, len)
        async with aclosing(stream) as chunks:
            async for chunk in chunks:
                sources.gave(node)
                if ingest.offset + len(chunk) > transfer.size:
                    raise DigestMismatch(transfer.digest, f"more than {transfer.size} bytes")
                await ingest.append(chunk)
                self._env.counters.bytes_fetched += len(chunk)
                transfer.grown()

    def _reject(self, transfer: Transfer, sources: Sources) -> None:
        """Remember who gave to wrong content; give up if a reader has seen some of it."""
        givers = sources.mismatch()
        self._env.counters.fetches_rejected += 1
        self._env.log.warning(
            "fetched bytes rejected", digest=transfer.digest, sources=sorted(givers)
        )
        for node in givers:
            self._distrusted[transfer.digest, node] = None
        while len(self._distrusted) > DISTRUSTED_MAX:
            self._distrusted.popitem(last=False)
        if transfer.handed_out:
            raise BlobUnavailable(transfer.digest, "what its sources sent is not this blob")
        transfer.cautious = True

    async def _start_over(self, transfer: Transfer, ingest: BlobIngest) -> BlobIngest:
        """Throw away what is staged. Nothing of it was handed out, so no reader is in it."""
        transfer.ingest = None
        try:
            await ingest.discard()
        finally:
            ingest.release()
        transfer.ingest = await self._stage()
        return transfer.ingest

    async def _stage(self) -> BlobIngest:
        return await self._env.blobs.ingest(f"fetch-{self._env.rng.getrandbits(64):016x}")
