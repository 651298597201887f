"""How late the events of other nodes become durable here."""

from collections.abc import Callable, Sequence

from cluster import stamp_ms
from cluster.model import Event, NodeId, Origin, Vector
from cluster.ports import EventLog, WallClock
from cluster.vectors import reached

OnEvents = Callable[[Sequence[tuple[NodeId, float]]], None]
"""Told of events that came together: of each the node that wrote it, and how many seconds ago that
was by its stamp."""


class TimedEvents:
    """An event log that tells of each event of another node, once, when it became durable here."""

    def __init__(self, log: EventLog, on_events: OnEvents, clock: WallClock) -> None:
        self._log = log
        self._on_events = on_events
        self._clock = clock
        self._running = 0
        self._told: dict[Origin, int] = {}
        """How far events were told of while others are applied, which may be the same ones."""

        # As it is: every wait for an event asks, again and again.
        self.vector: Callable[[], Vector] = log.vector

    @property
    def origin(self) -> Origin:
        return self._log.origin

    @property
    def began(self) -> Vector:
        return self._log.began

    def check(self) -> None:
        self._log.check()

    def floor(self) -> Vector:
        return self._log.floor()

    def events_after(self, origin: Origin, seq: int, *, max_bytes: int) -> Sequence[Event]:
        return self._log.events_after(origin, seq, max_bytes=max_bytes)

    def subscribe(self, on_durable: Callable[[], None]) -> None:
        self._log.subscribe(on_durable)

    async def apply(self, events: Sequence[Event]) -> None:
        before = self._log.vector()
        self._running += 1
        try:
            await self._log.apply(events)
        finally:
            # Those before the one that could not be applied are here all the same.
            self._tell(events, before)
            self._running -= 1
            if not self._running:
                self._told.clear()

    def _tell(self, events: Sequence[Event], before: Vector) -> None:
        now_ms, vector = self._clock.now_ms(), self._log.vector()
        late = list[tuple[NodeId, float]]()
        for event in events:
            origin, seq = event.origin, event.dot.seq
            known = max(reached(before, origin), self._told.get(origin, 0))
            if known < seq <= reached(vector, origin):
                self._told[origin] = seq
                late.append((NodeId(origin.node), (now_ms - stamp_ms(event.stamp)) / 1000))
        if late:
            self._on_events(late)
