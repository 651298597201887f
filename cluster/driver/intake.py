"""Events on their way into the index: trouble with one log must not hold up the others."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from cluster import vectors
from cluster.clock import MAX_OFFSET_MS
from cluster.environment import Environment
from cluster.errors import EventAhead, EventGap, EventRetired, NotCaughtUp
from cluster.gossip import antientropy
from cluster.gossip.progress import News
from cluster.model import Dot, Event, NodeId, Origin


class _Gap(NamedTuple):
    """Where a log stands still: what comes next is here, and something that it needs is not."""

    have: int
    since_s: float
    told: bool = False


class Intake:
    """Applies what peers send. Safe to call from many tasks at once."""

    def __init__(self, env: Environment) -> None:
        self._env = env
        # Where each log waits for time to pass: one entry per log at most.
        self._parked: dict[Origin, int] = {}
        self._gaps: dict[Origin, _Gap] = {}
        self._refused: set[Origin] = set()
        self.on_synced: Callable[[News], None] = lambda news: None
        """Told of the logs that grew, once that is durable; set by who has to know it first."""

    def parks_wrongly(self, lag_ms: float) -> bool:
        """
        Whether events may be parked here because this node's clock is behind. It was by *lag_ms*
        when they were pulled.
        """
        # The clock of a writer is at most `clock_off_max_ms` ahead of the median, or it may not
        # write. So its events are parked only where this clock is behind by the rest.
        rest_ms = MAX_OFFSET_MS - self._env.config.clock_off_max_ms
        # The clock may have been set right meanwhile; what it parked before is not here yet.
        if max(lag_ms, self._env.clocks.lag_ms()) <= rest_ms:
            return False
        vector = self._env.events.vector()
        return any(vectors.reached(vector, o) < seq for o, seq in self._parked.items())

    def lasting(self, origins: Collection[Origin]) -> bool:
        """
        Whether each of *origins* has stood at the same gap for `gap_patience_s`: nobody who can be
        reached fills it.
        """
        vector, patience_s = self._env.events.vector(), self._env.config.gap_patience_s
        until_s = asyncio.get_running_loop().time() - patience_s
        gaps = [self._gaps.get(origin) for origin in origins]
        return all(
            gap is not None
            and gap.since_s <= until_s
            and vectors.reached(vector, origin) <= gap.have
            for origin, gap in zip(origins, gaps, strict=True)
        )

    def stands_still(self, node: NodeId) -> bool:
        """Whether a log of *node* has a gap that lasts."""
        return any(origin.node == node for origin in self.standing())

    def standing(self) -> Sequence[Origin]:
        """The logs with a gap that lasts."""
        return [origin for origin in self._gaps if self.lasting((origin,))]

    async def take(self, events: Sequence[Event]) -> Collection[Origin]:
        """
        Apply *events*; on return what was applied is durable. Returns the logs that stopped at a
        gap: if there are none, nothing is missing.

        A log stops at an event that needs a missing one, and at one whose stamp is too far ahead;
        the other logs go on. The latter is *parked*: it stays at its sender, and comes again with
        every later pull until time has caught up with it. It is no gap, or the one wrong clock of
        its writer would make every look-up that misses fail everywhere. For a clock that is wrong
        here, see `parks_wrongly`.

        New events of a log that is retired are refused, whoever sends them: nobody is told that
        they are here. They are no gap either, as no other member can bring them.
        """
        rest, gaps = list(events), set[Origin]()
        running = {event.origin for event in events}
        vector = self._env.events.vector()
        before = {origin: vector.get(origin, 0) for origin in running}
        while rest:
            try:
                await self._env.events.apply(rest)
            except EventAhead as exc:
                stopped = exc.dot
                self._park(stopped, exc)
            except EventRetired as exc:
                stopped = exc.dot
                self._refuse(stopped, sum(event.origin == stopped.origin for event in rest))
            except EventGap as exc:
                stopped, following = exc.dot, exc.have + 1
                # Behind a parked event nothing is missing that anybody could send.
                if stopped.seq == following or self._parked.get(stopped.origin) != following:
                    gaps.add(stopped.origin)
                    self._note_gap(stopped, exc.have)
            except NotCaughtUp:
                # The state is being taken over from a peer; what is sent now is asked for then.
                return running
            else:
                break
            running.discard(stopped.origin)
            rest = antientropy.without_log(rest, stopped)
        vector = self._env.events.vector()
        reached = vectors.reached
        self._parked = {o: seq for o, seq in self._parked.items() if reached(vector, o) < seq}
        self._gaps = {o: gap for o, gap in self._gaps.items() if reached(vector, o) <= gap.have}
        news = {
            origin: (seq, vector.get(origin, 0))
            for origin, seq in before.items()
            if origin not in self._refused
        }
        self.on_synced(news)
        self._env.changes.note_progress(self._env.me.node, news)
        received = sum(event.origin in running for event in events)
        self._env.counters.events_received += received
        self._env.log.debug("events received", events=received)
        return gaps

    def _refuse(self, dot: Dot, events: int) -> None:
        origin = dot.origin
        self._env.counters.events_refused += events
        log = self._env.log.debug if origin in self._refused else self._env.log.warning
        log("events of a retired log refused", peer=origin.node, epoch=origin.epoch, dot=str(dot))
        self._refused.add(origin)

    def _note_gap(self, dot: Dot, have: int) -> None:
        origin, gap = dot.origin, self._gaps.get(dot.origin)
        self._env.log.info("event gap", dot=str(dot), have=have)
        if gap is None or gap.have != have:
            self._gaps[origin] = _Gap(have, asyncio.get_running_loop().time())
        elif not gap.told and self.lasting((origin,)):
            self._gaps[origin] = gap._replace(told=True)
            self._env.log.warning(
                "a log stands still", peer=origin.node, epoch=origin.epoch, dot=str(dot), have=have
            )

    def _park(self, dot: Dot, exc: EventAhead) -> None:
        origin = dot.origin
        self._env.counters.events_parked += 1
        if origin not in self._parked:
            self._env.log.warning(
                "events parked", peer=origin.node, epoch=origin.epoch, ahead_ms=exc.ahead_ms
            )
        self._parked[origin] = dot.seq
