"""What this node does when a peer calls."""

from collections.abc import AsyncGenerator, Sequence

from cluster.driver.checkpoints import Checkpoints
from cluster.driver.intake import Intake
from cluster.driver.links import Links
from cluster.driver.probing import Probing
from cluster.environment import Environment
from cluster.errors import BelowFloor, DigestMismatch, WrongCluster
from cluster.gossip import antientropy
from cluster.model import (
    CheckpointPiece,
    Digest,
    Event,
    Greeting,
    NodeId,
    ProbeReply,
    ProbeRequest,
    Vector,
)
from cluster.replication.fetcher import Fetcher


class Service:
    """`PeerService` of the engine. Every call may be repeated by a caller that lost the answer."""

    def __init__(
        self,
        env: Environment,
        links: Links,
        intake: Intake,
        fetcher: Fetcher,
        probing: Probing,
        checkpoints: Checkpoints,
    ) -> None:
        self._env = env
        self._links = links
        self._intake = intake
        self._fetcher = fetcher
        self._probing = probing
        self._checkpoints = checkpoints

    def on_hello(self, greeting: Greeting) -> Greeting:
        cluster = self._env.config.cluster
        if greeting.cluster != cluster:
            raise WrongCluster(f"this is cluster {cluster!r}, not {greeting.cluster!r}")
        return self._links.answer(greeting)

    async def on_probe(self, request: ProbeRequest) -> ProbeReply:
        return await self._probing.on_probe(request)

    async def on_push(self, sender: NodeId, events: Sequence[Event]) -> Vector:
        await self._intake.take(events)
        origins = {event.origin for event in events}
        self._links.note_received(sender, origins)
        vector = self._env.records.vector()
        return {origin: vector.get(origin, 0) for origin in origins}

    async def on_pull(self, have: Vector) -> AsyncGenerator[Sequence[Event], None]:
        """
        One log after the other, each batch of one log only.

        What becomes durable after the call began is not part of it: otherwise a busy node's
        answer would never end. A log whose first missing events are gone comes last, as the error:
        the others are worth having.
        """
        records, batch_bytes = self._env.records, self._env.config.push_batch_bytes
        below: BelowFloor | None = None
        for origin, after, upto in antientropy.missing(have, records.vector()):
            cursor = after
            while cursor < upto:
                try:
                    events = records.events_after(origin, cursor, max_bytes=batch_bytes)
                except BelowFloor as exc:
                    below = exc
                    break
                if not events:
                    break
                cursor = events[-1].dot.seq
                yield events
        if below is not None:
            raise below

    async def on_fetch(
        self, digest: Digest, offset: int
    ) -> AsyncGenerator[tuple[int, bytes], None]:
        async with self._env.blobs.open(digest) as blob:
            size = blob.size
            # One message at least: it tells the size, also of an empty blob.
            while data := await blob.read(offset, self._env.config.chunk_bytes):
                self._env.counters.bytes_served += len(data)
                yield size, data
                offset += len(data)
            if size == 0:
                yield 0, b""

    def on_checkpoint(self, number: int, after: bytes) -> AsyncGenerator[CheckpointPiece, None]:
        return self._checkpoints.read(number, after)

    async def on_hold(
        self, digest: Digest, size: int, sources: Sequence[NodeId], data: bytes | None
    ) -> None:
        if data is None:
            await self._fetcher.ensure(digest, size, sources)
        else:
            if len(data) != size:
                raise DigestMismatch(digest, f"{len(data)} bytes instead of {size}")
            await self._fetcher.store(digest, data)
