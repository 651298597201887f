"""Whether what is here is current: before each read, and before each write."""

from cluster.driver.catchup import CatchUp
from cluster.driver.freshness import FreshnessDriver
from cluster.environment import Environment
from cluster.errors import ClockOff, ClusterError, NotCaughtUp, StorageFailure
from cluster.state import Act


class Reads:
    """Asks the region where leases do not cover a read, and counts what became of it."""

    def __init__(self, env: Environment, freshness: FreshnessDriver, catch_up: CatchUp) -> None:
        self._env = env
        self._freshness = freshness
        self._catch_up = catch_up

    def are_covered(self) -> bool:
        """Whether this node has everything that any member of its region has acknowledged."""
        return self._env.state.allows(Act.READ) and self._freshness.is_covered()

    def covered_until(self) -> float:
        """
        Until when `are_covered` is so, as things stand: seconds of the steady clock; 0: it is not.
        """
        return self._freshness.covered_until() if self._env.state.allows(Act.READ) else 0.0

    def count_covered(self) -> None:
        """Count a read that was answered from here while this node was covered."""
        self._env.counters.reads_covered += 1

    async def ensure_current(self, *, patient: bool = False) -> bool:
        """
        Return once this node may answer reads from its own index: everything that its region has
        acknowledged is here. At once while leases of a majority of the region's quorum cover it.
        False: no majority is connected, and what is here may not be the latest.

        Before a write as well: a delete removes, and a push replaces, what is known here. Writes
        are *patient*: as they wait for a member that stopped until its link is down, for
        `durable_timeout_s` at most, so does this.

        Raises:
            NotCaughtUp, StorageFailure: see `CatchUp.catch_up_region`; or the state is being taken
                over; or no majority is connected, and this is for a write.
            ClockOff: what the region acknowledged may be parked here, its stamps being ahead of
                this node's clock, which is wrong.
        """
        counters = self._env.counters
        if self.are_covered():
            self.count_covered()
            return True
        try:
            current = await self._ask(patient)
        except (ClusterError, StorageFailure):
            counters.reads_refused += 1
            raise
        counters.reads_asked += current
        counters.reads_unconfirmed += not current
        return current

    async def _ask(self, patient: bool) -> bool:
        self.check_clock()
        patience_s = self._env.config.durable_timeout_s if patient else 0.0
        current = await self._catch_up.catch_up_region(patience_s)
        if patient and not current:
            raise NotCaughtUp("no majority of this region is connected")
        return current

    def check_clock(self) -> None:
        """Return if this node's clock is right; raises `ClockOff`."""
        if off_ms := self._env.clocks.off_ms():
            raise ClockOff(off_ms)
