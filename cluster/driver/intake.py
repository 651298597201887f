"""Events on their way into the index: trouble with one log must not hold up the others."""

from collections.abc import Sequence

from cluster.environment import Environment
from cluster.errors import EventAhead, EventGap, NotCaughtUp
from cluster.gossip import antientropy
from cluster.model import Dot, Event, Origin


class Intake:
    """Applies what peers send. Safe to call from many tasks at once."""

    def __init__(self, env: Environment) -> None:
        self._env = env
        # Where each log waits for time to pass: one entry per log at most.
        self._parked: dict[Origin, int] = {}

    @property
    def parking(self) -> bool:
        """Whether events are known that this node does not take yet, being ahead of its clock."""
        vector = self._env.records.vector()
        return any(vector.get(origin, 0) < seq for origin, seq in self._parked.items())

    async def take(self, events: Sequence[Event]) -> bool:
        """
        Apply *events*; on return what was applied is durable. Returns whether no gap was met.

        A log stops where an event is missing, or where one is stamped too far ahead; the other
        logs go on. An event from the future is parked where it is, at its sender: it comes again
        with every later pull, until time has caught up with it. It is not a gap: its writer's
        clock is wrong, and "not caught up" would let that one clock make every look-up that
        misses fail everywhere. If it is this node's clock that is wrong, see `parking`.
        """
        rest, gapless = list(events), True
        running = {event.origin for event in events}
        while rest:
            try:
                await self._env.records.apply(rest)
            except EventAhead as exc:
                stopped = exc.dot
                self._park(stopped, exc)
            except EventGap as exc:
                stopped, following = exc.dot, exc.have + 1
                # Behind a parked event nothing is missing that anybody could send.
                if stopped.seq == following or self._parked.get(stopped.origin) != following:
                    gapless = False
                    self._env.log.info("event gap", dot=str(stopped), have=exc.have)
            except NotCaughtUp:
                # The state is being taken over from a peer; what is sent now is asked for then.
                return False
            else:
                break
            running.discard(stopped.origin)
            rest = antientropy.without_log(rest, stopped)
        vector = self._env.records.vector()
        self._parked = {o: seq for o, seq in self._parked.items() if vector.get(o, 0) < seq}
        received = sum(event.origin in running for event in events)
        self._env.counters.events_received += received
        self._env.log.debug("events received", events=received)
        return gapless

    def _park(self, dot: Dot, exc: EventAhead) -> None:
        origin = dot.origin
        self._env.counters.events_parked += 1
        if origin not in self._parked:
            self._env.log.warning(
                "events parked", peer=origin.node, epoch=origin.epoch, ahead_ms=exc.ahead_ms
            )
        self._parked[origin] = dot.seq
