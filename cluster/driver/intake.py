"""Events on their way into the index: trouble with one log must not hold up the others."""

from collections.abc import Sequence

from cluster.environment import Environment
from cluster.errors import ClockAhead, EventGap, NotCaughtUp
from cluster.gossip import antientropy
from cluster.model import Event, Origin


class Intake:
    """Applies what peers send. Safe to call from many tasks at once."""

    def __init__(self, env: Environment) -> None:
        self._env = env
        # One entry per log at most; only there to log the change and not every repetition.
        self._parked: set[Origin] = set()

    async def take(self, events: Sequence[Event]) -> bool:
        """
        Apply *events*; on return what was applied is durable. Returns whether no gap was met.

        A log stops where an event is missing, or where one is stamped too far ahead; the other
        logs go on. An event from the future is parked where it is, at its sender: it comes again
        with every later pull, until time has caught up with it. It is not a gap: its writer's
        clock is wrong, and "not caught up" would let that one clock make every look-up that
        misses fail everywhere.
        """
        stopped: set[Origin] = set()
        gapless = True
        for origin, run in antientropy.runs(events):
            if origin in stopped:
                continue
            try:
                await self._env.records.apply(run)
            except ClockAhead as exc:
                stopped.add(origin)
                self._park(origin, exc)
            except EventGap as exc:
                stopped.add(origin)
                gapless = False
                self._env.log.warning("event gap", dot=str(exc.dot), have=exc.have)
            except NotCaughtUp:
                # The state is being taken over from a peer; what is sent now is asked for then.
                return False
            else:
                self._parked.discard(origin)
                self._env.counters.events_received += len(run)
        return gapless

    def _park(self, origin: Origin, exc: ClockAhead) -> None:
        self._env.counters.events_parked += 1
        if origin not in self._parked:
            self._parked.add(origin)
            self._env.log.warning(
                "events parked", peer=origin.node, epoch=origin.epoch, ahead_ms=exc.ahead_ms
            )
