"""The roles of `Records` in memory: logs as lists, durable at once unless a test says otherwise."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import ClassVar

from cluster import vectors
from cluster.clock import COUNTER_BITS
from cluster.errors import (
    BelowFloor,
    CheckpointUnavailable,
    EventAhead,
    EventGap,
    EventRetired,
    NotCaughtUp,
    StorageFailure,
)
from cluster.model import (
    CheckpointHead,
    CheckpointPart,
    Digest,
    Dot,
    Event,
    Held,
    Key,
    Kind,
    NodeId,
    Origin,
    Summed,
    Vector,
)
from cluster.objects import changes, claims
from cluster.objects.comparison import COUNT_BYTES, HASH_BYTES, SUMS_BYTES
from cluster.objects.events import Add, Hold, decode_body, encode_body, kind_of
from cluster.ports import Records


class MemoryCheckpoint:
    """Carries the logs themselves, one per part; only the number of events goes over the wire."""

    sent: ClassVar[dict[bytes, "MemoryCheckpoint"]] = {}

    def __init__(self, logs: dict[Origin, list[Event]], marks: Vector) -> None:
        self.logs = logs
        self.marks = marks
        vector = {origin: len(log) for origin, log in logs.items()}
        seal = b"%d" % len(self.sent)
        self.sent[seal] = self
        self.head = CheckpointHead(vectors.raised(vector, marks), sum(vector.values()), seal)

    def part(self, after: bytes) -> CheckpointPart:
        if not (after or b"0").isdigit():
            raise ValueError(f"{after!r} is no part of a checkpoint")
        number, lengths = int(after or b"0"), [len(log) for log in self.logs.values()]
        last = number + 1 >= len(lengths)
        rows = lengths[number] if lengths else 0
        return CheckpointPart(b"", rows, b"" if last else b"%d" % (number + 1))

    def close(self) -> None:
        """Nothing is held open."""


class MemoryRecords:
    """
    Keeps every log it hears of, and who holds which blob.

    `disk` is an event that every `apply` waits for: cleared, it is a disk that hangs. `broken` is
    raised by `apply` and `hold` when set, `dead` by `check`. Stamps above `clock_limit` are
    refused as too far ahead. `damaged` rows are not those of the sums; `off` are sums that went
    another way than the peers'.
    """

    def __init__(self, node: str, epoch: int = 1) -> None:
        self._origin = Origin(node, epoch)
        self._began: Vector = {}
        self.logs: dict[Origin, list[Event]] = {}
        self.holding: dict[Digest, dict[NodeId, Dot]] = {}
        self.sizes: dict[Digest, int] = {}
        self.cached: dict[Digest, int] = {}
        self.disk = asyncio.Event()
        self.disk.set()
        self.broken: StorageFailure | None = None
        self.dead: StorageFailure | None = None
        self.clock_limit: int | None = None
        self.applied: list[Event] = []
        self.floors: dict[Origin, int] = {}
        self.marks: Vector = {}
        self.restoring = False
        self.damaged = False
        self.off = False
        self._arriving: MemoryCheckpoint | None = None
        self._arrived = 0
        self._subscribers: list[Callable[[], None]] = []

    @property
    def roles(self) -> Records:
        return Records(self, self, self, self, self)

    @property
    def origin(self) -> Origin:
        return self._origin

    @property
    def began(self) -> Vector:
        return self._began

    def check(self) -> None:
        if self.dead is not None:
            raise self.dead

    def vector(self) -> Vector:
        lengths = {origin: len(log) for origin, log in self.logs.items()}
        return vectors.raised(lengths, self.marks)

    def events_after(self, origin: Origin, seq: int, *, max_bytes: int) -> Sequence[Event]:
        events: list[Event] = []
        size = 0
        if seq < self.floors.get(origin, 0):
            raise BelowFloor.of(origin, self.floors[origin])
        for event in self.logs.get(origin, [])[seq:]:
            size += len(event.body) + 64
            if events and not events[-1].rest and size > max_bytes:
                break
            events.append(event)
        return events

    def floor(self) -> Vector:
        return dict(self.floors)

    async def trim(self, upto: Vector) -> None:
        for origin, seq in upto.items():
            seq = min(seq, len(self.logs.get(origin, [])))
            if seq > self.floors.get(origin, 0):
                self.floors[origin] = seq

    async def forget_deletions(self, stable: Vector) -> None:
        """There are events only."""

    def held_back(self) -> Collection[Origin]:
        return ()

    async def retire(self, upto: Mapping[NodeId, int]) -> None:
        def may_go(node: str, epoch: int) -> bool:
            logs = [(o, s) for o, s in vectors.logs(self.vector()) if o.node == node]
            return all(self.floors.get(o, 0) == s for o, s in logs if o.epoch <= epoch)

        done = {node: epoch for node, epoch in upto.items() if may_go(node, epoch)}
        self.marks = vectors.marks(vectors.retired(self.vector(), done))
        for origin in vectors.stood_for(self.floors, self.marks):
            del self.floors[origin]

    async def checkpoint(self) -> "MemoryCheckpoint":
        self._check_serving()
        logs = {origin: list(log) for origin, log in self.logs.items()}
        return MemoryCheckpoint(logs, self.marks)

    async def begin_restore(self, head: CheckpointHead) -> None:
        for origin, floor in self.floors.items():
            if vectors.reached(head.vector, origin) < floor:
                raise CheckpointUnavailable("it lacks what is trimmed here")
        if vectors.unmet(head.vector, self.marks):
            raise CheckpointUnavailable("it lacks what is retired here")
        self.restoring = True
        self._arriving, self._arrived = MemoryCheckpoint.sent[head.seal], 0

    async def restore(self, part: CheckpointPart) -> None:
        self._arrived += part.rows

    async def end_restore(self) -> None:
        assert self._arriving is not None
        if self._arrived != self._arriving.head.rows:
            raise CheckpointUnavailable("something is missing")
        self.restoring = self.damaged = self.off = False
        for origin, log in self._arriving.logs.items():
            if len(self.logs.get(origin, [])) < len(log):
                self.logs[origin] = []
                for event in log:
                    self._take(event)
                self.floors[origin] = len(log)
        self.marks = vectors.marks(vectors.raised(self.marks, self._arriving.marks))
        for origin in vectors.stood_for(self.floors, self.marks):
            del self.floors[origin]

    async def summed(self) -> Summed:
        self._check_serving()
        events = sum(map(len, self.logs.values()))
        sums = events.to_bytes(HASH_BYTES, "big") + events.to_bytes(COUNT_BYTES, "big")
        rest = bytes([self.off]) * (SUMS_BYTES - len(sums))
        return Summed(self.vector(), sums + rest)

    async def check_rows(self) -> bool:
        self._check_serving()
        return not self.damaged

    def _check_serving(self) -> None:
        if self.restoring:
            raise NotCaughtUp("restoring")

    async def apply(self, events: Sequence[Event]) -> None:
        await self.disk.wait()
        self._check_serving()
        if self.broken is not None:
            raise self.broken
        for change in changes(events):
            if vectors.is_retired(self.marks, change[0].origin):
                raise EventRetired(change[0].dot)
            log = self.logs.setdefault(change[0].origin, [])
            new = [event for event in change if event.dot.seq > len(log)]
            if not new:
                continue
            first, last = new[0], new[-1]
            if first.dot.seq > len(log) + 1 or last.rest:
                raise EventGap(first.dot, len(log))
            if self.clock_limit is not None and last.stamp > self.clock_limit:
                raise EventAhead(first.dot, (last.stamp - self.clock_limit) >> COUNTER_BITS)
            for event in new:
                self._take(event)
                self.applied.append(event)

    def renew(self, epoch: int) -> None:
        """Begin a new run on this disk, as it is now."""
        node = self._origin.node
        self._origin = Origin(node, epoch)
        self._began = {o: seq for o, seq in self.vector().items() if o.node == node}

    def holders(self, digest: Digest) -> Mapping[NodeId, Dot]:
        return dict(self.holding.get(digest, {}))

    def held_size(self, digest: Digest) -> int | None:
        row = self.holding.get(digest, {}).get(NodeId(self._origin.node))
        stands = row is not None and claims.stands(row, self._origin.epoch, self._began)
        return self.sizes[digest] if stands else None

    def size_here(self, digest: Digest) -> int | None:
        held = self.held_size(digest)
        return self.cached.get(digest) if held is None else held

    async def cache(self, digest: Digest, size: int) -> None:
        if self.broken is not None:
            raise self.broken
        self._check_serving()
        if self.held_size(digest) is None:
            self.cached[digest] = size

    def held_here(self, after: Digest | None, limit: int) -> Sequence[Held]:
        self._check_serving()
        me, epoch = NodeId(self._origin.node), self._origin.epoch
        return [
            Held(digest, self.sizes[digest], claims.stands(nodes[me], epoch, self._began))
            for digest, nodes in sorted(self.holding.items())
            if me in nodes and (after is None or digest > after)
        ][:limit]

    async def hold(self, digest: Digest, size: int) -> None:
        if self.broken is not None:
            raise self.broken
        self._check_serving()
        row = self.holding.get(digest, {}).get(NodeId(self._origin.node))
        if row is None or not claims.stands(row, self._origin.epoch, self._began):
            self._append(Key("blobs", "", digest), encode_body(Hold(True, size)), Kind.HOLD)

    def release(self, digest: Digest) -> None:
        """Take back that this node holds a blob."""
        self._append(Key("blobs", "", digest), encode_body(Hold(False, 0)), Kind.HOLD)

    def subscribe(self, on_durable: Callable[[], None]) -> None:
        self._subscribers.append(on_durable)

    def write(self, name: str, payload: bytes = b"{}", stamp: int = 1) -> Dot:
        """A push of this node, durable at once."""
        body = Add((), payload)
        return self._append(
            Key("manifests", "library", name), encode_body(body), kind_of(body), stamp
        )

    def knows(self, dot: Dot) -> bool:
        return len(self.logs.get(dot.origin, [])) >= dot.seq

    def _append(self, key: Key, body: bytes, kind: Kind, stamp: int = 1) -> Dot:
        seq = len(self.logs.get(self._origin, [])) + 1
        event = Event(Dot(self._origin.node, self._origin.epoch, seq), stamp, kind, key, body)
        self._take(event)
        for on_durable in self._subscribers:
            on_durable()
        return event.dot

    def _take(self, event: Event) -> None:
        self.logs.setdefault(event.origin, []).append(event)
        if event.kind == Kind.HOLD:
            body = decode_body(event)
            assert isinstance(body, Hold)
            digest = Digest.parse(event.key.name)
            self.sizes[digest] = body.size
            rows = self.holding.setdefault(digest, {})
            rows.pop(NodeId(event.dot.node), None)
            if body.held:
                rows[NodeId(event.dot.node)] = event.dot
