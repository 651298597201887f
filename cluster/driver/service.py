"""What this node does when a peer calls."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import suppress
from typing import Final

from cluster import vectors
from cluster.driver.checkpoints import Checkpoints
from cluster.driver.comparer import Comparer
from cluster.driver.control import ControlDriver
from cluster.driver.link import Parts
from cluster.driver.links import Links
from cluster.driver.prober import Prober
from cluster.environment import Environment
from cluster.errors import BelowFloor, BlobUnknown, ClusterError, DigestMismatch, PeerRefused
from cluster.gossip import antientropy
from cluster.messages import Greeting, PushAnswer, Stage
from cluster.model import Digest, Event, NodeId, Vector
from cluster.objects.events import in_causal_order
from cluster.peer import PeerService
from cluster.replication.fetcher import Fetcher

_READ_BYTES: Final = 64 << 10
"""Events read of one log at a time while answering a pull."""


class Service:
    """All roles of `PeerService`."""

    def __init__(
        self,
        env: Environment,
        parts: Parts,
        links: Links,
        fetcher: Fetcher,
        prober: Prober,
        checkpoints: Checkpoints,
        comparer: Comparer,
        control: ControlDriver,
    ) -> None:
        self._env = env
        self._roster = parts.roster
        self._intake = parts.intake
        self._duties = parts.duties
        self._stages = parts.stages
        self._freshness = parts.freshness
        self._links = links
        self._fetcher = fetcher
        self.probe = prober.on_probe
        self.checkpoint = checkpoints.read
        self.compare = comparer.on_compare
        self.tell = control.tell

    @property
    def roles(self) -> PeerService:
        return PeerService(self, self, self, self)

    async def hello(self, greeting: Greeting) -> Greeting:
        return self._roster.answer(greeting)

    def _insist_on_run(self, run: int) -> None:
        """Channels open anew by themselves: whoever means an earlier run has to hear of this."""
        if run not in (0, self._env.me.epoch):
            raise PeerRefused(f"{self._env.me.node} was restarted")

    async def push(
        self, sender: NodeId, stage: Stage, events: Sequence[Event], *, run: int = 0
    ) -> PushAnswer:
        self._insist_on_run(run)
        await self._stages.learn(sender, stage)
        self._stages.insist_on_member(sender)
        link = self._links.link(sender)
        gaps = await self._intake.take(events)
        if gaps and link is not None and not self._intake.lasting(gaps):
            # They build on events of other logs, and their sender must have those.
            with suppress(ClusterError):
                await link.pull()
        origins = {event.origin for event in events}
        member = self._env.members.get(sender)
        if member is not None:
            # This node may have to hand them on.
            self._duties.note_received(member.region, origins)
            self._env.changes.beat(self._env.me.node)
        if self._stages.mine != stage:
            return PushAnswer({})
        vector = self._env.events.vector()
        have = {origin: vector.get(origin, 0) for origin in origins}
        return PushAnswer(have, None if member is None else self._freshness.confirmation(member))

    async def pull(
        self, reader: NodeId, stage: Stage, have: Vector, *, run: int = 0
    ) -> AsyncGenerator[Sequence[Event], None]:
        """
        See `EventCalls.pull`. Events come in the order in which they build on each other.

        The answer ends with what was durable when the call began, or that of a busy node would
        never end. Where the first missing events of a log are gone, the error comes last: the peer
        gets the other logs before. So it is where logs are retired here of which the peer does not
        have everything.
        """
        self._insist_on_run(run)
        await self._stages.insist(reader, stage)
        mine = self._env.events.vector()
        gone = [BelowFloor.retired(node) for node in vectors.unmet(have, mine)]
        missing = antientropy.missing(have, mine)
        events = in_causal_order(self._read(part, gone) for part in missing)
        for batch in antientropy.batches(events, self._env.config.push_batch_bytes):
            yield batch
        if gone:
            raise gone[0]

    def _read(self, part: antientropy.Missing, gone: list[BelowFloor]) -> Iterator[Event]:
        """One log's part of an answer. Notes in *gone* that it is no longer here."""
        cursor = part.after
        while cursor < part.upto:
            try:
                # Small pieces: there is one in memory for every log.
                events = self._env.events.events_after(part.origin, cursor, max_bytes=_READ_BYTES)
            except BelowFloor as exc:
                gone.append(exc)
                return
            if not events:
                return
            cursor = events[-1].dot.seq
            yield from events

    async def fetch(self, digest: Digest, offset: int) -> AsyncGenerator[bytes, None]:
        # A blob without a row may be on the disk all the same, and be the last copy.
        if self._env.holders.size_here(digest) is None:
            [found] = await self._env.blobs.measure([digest])
            if found is None:
                raise BlobUnknown(digest)
        async with self._env.blobs.open(digest) as blob:
            while data := await blob.read(offset, self._env.config.chunk_bytes):
                self._env.counters.bytes_served += len(data)
                yield data
                offset += len(data)

    async def hold(
        self, digest: Digest, size: int, sources: Sequence[NodeId], data: bytes | None
    ) -> int:
        if data is None:
            await self._fetcher.ensure(digest, size, sources)
        else:
            if len(data) != size:
                raise DigestMismatch(digest, f"{len(data)} bytes instead of {size}")
            await self._fetcher.store(digest, data)
        return self._env.events.vector().get(self._env.events.origin, 0)
