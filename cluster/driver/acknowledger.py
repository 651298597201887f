"""Waits until an event of this node may be acknowledged."""

from cluster.driver.freshness import FreshnessDriver
from cluster.environment import Environment
from cluster.errors import NotDurable
from cluster.freshness.machine import Backing
from cluster.model import Acknowledged, Consistency, Dot, Member
from cluster.tasks.changes import Topic


class Acknowledger:
    """
    Waits, and looks at each change whether an event may be acknowledged. Holds no state.

        enough nodes anywhere have it (`copies`)                            (P1)
        and a majority of the region's quorum has confirmed it (P2): whoever reads here by the word
        of one of those has it

    That is the rule of consistency `region`. `global` asks every living member besides, connected
    or not; `local` asks nobody.

    In a small cluster fewer nodes than `copies` may be enough while others are away, and those that
    are there have to confirm. Then the write is accepted and counted as degraded.
    """

    def __init__(self, env: Environment, freshness: FreshnessDriver) -> None:
        self._env = env
        self._freshness = freshness

    async def wait_durable(
        self, dot: Dot, consistency: Consistency = Consistency.REGION
    ) -> Acknowledged:
        """
        Return once enough nodes durably have this node's log up to *dot*, and nobody of the region
        can read an older value of it.

        Raises:
            NotDurable: not so within `durable_timeout_s`.
        """
        assert dot.origin == self._env.events.origin, f"{dot} is not of this log"
        if consistency is Consistency.LOCAL:
            return self._acknowledged(dot, consistency)
        now = self._env.clock.now_s
        until = now() + self._env.config.durable_timeout_s
        while True:
            wake_at = until
            if self._has_copies(dot, consistency):
                backing = self._freshness.backing(dot)
                if self._is_confirmed(backing):
                    acknowledged = self._acknowledged(dot, consistency)
                    if acknowledged.degraded:
                        self._note_degraded(dot)
                    return acknowledged
                wake_at = min(until, backing.wake_at)
            if now() >= until:
                raise NotDurable(dot)
            await self._env.changes.wait_at_most(
                max(0.0, wake_at - now()), dot, Topic.MEMBERS, Topic.LEASES
            )

    def _has_copies(self, dot: Dot, consistency: Consistency) -> bool:
        having = self._having(dot)
        living = self._env.roll.living() if consistency is Consistency.GLOBAL else ()
        return self._env.roll.suffice(having) and not set(living) - set(having)

    def _is_confirmed(self, backing: Backing) -> bool:
        """Whether whoever reads in this region by somebody's word has the event."""
        roll = self._env.roll
        if not roll.is_small:
            return roll.is_majority(backing.confirmed)
        return roll.there() & self._freshness.quorum() <= backing.confirmed

    def _having(self, dot: Dot) -> list[Member]:
        """The other members that durably have *dot*, by their word."""
        reached = self._env.progress.reached
        return [m for m in self._env.roll.others() if reached(m.node, dot.origin) >= dot.seq]

    def _acknowledged(self, dot: Dot, consistency: Consistency) -> Acknowledged:
        wanted = 1 if consistency is Consistency.LOCAL else self._env.roll.copies
        return Acknowledged(1 + len(self._having(dot)), wanted)

    def _note_degraded(self, dot: Dot) -> None:
        if self._env.roll.names() or self._env.config.seeds:
            self._env.counters.degraded += 1
            self._env.log.warning(
                "acknowledged with too few copies",
                dot=str(dot),
                connected=len(self._env.roll.connected()),
            )
