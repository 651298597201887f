"""A line of the log whenever a condition of the node's readiness begins or ceases to hold."""

import asyncio
from typing import Final

from cluster.ports import Log
from node.lifetime.readiness import Readiness

_LOOK_S: Final = 1.0
"""Between two looks. What holds again within that time need not be in anybody's log."""

_RUNNING: Final = "running"
"""Whether the node is starting, stopping or leaving, which have lines of their own."""


class ConditionLog:
    """
    Tells the log what `/readyz` would tell whoever asks: a wrong clock, a full disk, too few nodes.

    What does not hold yet at the start has no line, nor has the stop: both are as they should be.
    Belongs to one event loop.
    """

    def __init__(self, readiness: Readiness, log: Log) -> None:
        self._readiness = readiness
        self._log = log
        self._unmet = set(self._reasons())

    async def run(self) -> None:
        """Look now and then, for ever."""
        while True:
            self.look()
            await asyncio.sleep(_LOOK_S)

    def look(self) -> None:
        """Log what has changed since the last look."""
        reasons = self._reasons()
        for name, reason in reasons.items():
            if name not in self._unmet:
                self._log.warning("condition does not hold", condition=name, reason=reason)
        for name in sorted(self._unmet - reasons.keys()):
            self._log.info("condition holds again", condition=name)
        self._unmet = set(reasons)

    def _reasons(self) -> dict[str, str]:
        reasons = self._readiness.all_reasons()
        reasons.pop(_RUNNING, None)
        return reasons
