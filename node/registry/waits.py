"""Waiting until an event has arrived elsewhere."""

from collections.abc import Sequence
from typing import Final

from cluster.model import Dot, Region, Spread
from node.errors import TooManyWaits, WaitTimedOut
from node.registry.ports import ClusterView

WAITS_MAX: Final = 1024
"""Requests that may wait on one node at once. Each costs a connection and a task."""

WAIT_MAX_S: Final = 300.0
"""Longest wait of one request; proxies give up before that, and a client may ask again."""


class Waits:
    """The waits of this node's clients."""

    def __init__(self, cluster: ClusterView, waits_max: int = WAITS_MAX) -> None:
        self._cluster = cluster
        self._waits_max = waits_max
        self._waiting = 0

    async def wait(self, event: Dot, regions: Sequence[Region] | None, timeout_s: float) -> Spread:
        """
        Return once every live member of *regions* durably has *event*.

        Raises:
            WaitTimedOut: they did not in time; tells who lacks it.
            TooManyWaits: too many are waiting already.
            UnknownRegion: no member is in one of the regions.
        """
        if self._waiting >= self._waits_max:
            raise TooManyWaits(self._waits_max)
        self._waiting += 1
        try:
            found = await self._cluster.wait_for(event, regions, min(timeout_s, WAIT_MAX_S))
        finally:
            self._waiting -= 1
        if not found.complete:
            raise WaitTimedOut(event, timeout_s, found.missing)
        return found
