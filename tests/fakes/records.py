"""A `RecordReplica` in memory: logs as lists, durable at once unless a test says otherwise."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from cluster.clock import COUNTER_BITS
from cluster.errors import ClockAhead, EventGap
from cluster.events import Add, Hold, decode_body, encode_body, kind_of
from cluster.model import Digest, Dot, Event, Key, Kind, NodeId, Origin, Vector
from cluster.replication import claims


class MemoryRecords:
    """
    Keeps every log it hears of, and who holds which blob.

    `disk` is an event that every `apply` waits for: cleared, it is a disk that hangs. `broken` is
    raised by `apply` and `hold` when set, `dead` by `check`. Stamps above `clock_limit` are
    refused as too far ahead.
    """

    def __init__(self, node: str, epoch: int = 1) -> None:
        self._origin = Origin(node, epoch)
        self._began: Vector = {}
        self.logs: dict[Origin, list[Event]] = {}
        self.holding: dict[Digest, dict[NodeId, Dot]] = {}
        self.disk = asyncio.Event()
        self.disk.set()
        self.broken: OSError | None = None
        self.dead: OSError | None = None
        self.clock_limit: int | None = None
        self.applied: list[Event] = []
        self._subscribers: list[Callable[[], None]] = []

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
        return {origin: len(log) for origin, log in self.logs.items()}

    def events_after(self, origin: Origin, seq: int, *, max_bytes: int) -> Sequence[Event]:
        events: list[Event] = []
        size = 0
        for event in self.logs.get(origin, [])[seq:]:
            size += len(event.body) + 64
            if events and size > max_bytes:
                break
            events.append(event)
        return events

    async def apply(self, events: Sequence[Event]) -> None:
        await self.disk.wait()
        if self.broken is not None:
            raise self.broken
        for event in events:
            log = self.logs.setdefault(event.origin, [])
            if event.dot.seq <= len(log):
                continue
            if event.dot.seq > len(log) + 1:
                raise EventGap(event.dot, len(log))
            if self.clock_limit is not None and event.stamp > self.clock_limit:
                raise ClockAhead((event.stamp - self.clock_limit) >> COUNTER_BITS)
            self._take(event)
            self.applied.append(event)

    def renew(self, epoch: int) -> None:
        """Begin a new run on this disk, as it is now."""
        node = self._origin.node
        self._origin = Origin(node, epoch)
        self._began = {o: seq for o, seq in self.vector().items() if o.node == node}

    def holders(self, digest: Digest) -> Mapping[NodeId, Dot]:
        return dict(self.holding.get(digest, {}))

    async def hold(self, digest: Digest, size: int) -> None:
        if self.broken is not None:
            raise self.broken
        row = self.holding.get(digest, {}).get(NodeId(self._origin.node))
        if row is None or not claims.stands(row, self._origin.epoch, self._began):
            self._append(Key("blobs", "", digest), encode_body(Hold(True, size)), Kind.HOLD)

    def subscribe(self, on_durable: Callable[[], None]) -> None:
        self._subscribers.append(on_durable)

    def write(self, name: str, payload: bytes = b"{}", stamp: int = 1) -> Dot:
        """A push of this node, durable at once."""
        body = Add((), payload)
        return self._append(
            Key("manifests", "library", name), encode_body(body), kind_of(body), stamp
        )

    def knows(self, dot: Dot) -> bool:
        return len(self.logs.get(Origin(dot.node, dot.epoch), [])) >= dot.seq

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
            rows = self.holding.setdefault(digest, {})
            rows.pop(NodeId(event.dot.node), None)
            if body.held:
                rows[NodeId(event.dot.node)] = event.dot
