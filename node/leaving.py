"""How a node goes for good: it drains, ends what is running, and tells the others."""

import asyncio
from contextlib import suppress
from typing import Final

from node.admin.health import Readiness

DRAIN_DEFAULT_S: Final = 5.0
DRAIN_MAX_S: Final = 300.0
"""Longest time between the request to leave and the end of service. Load balancers look every few
seconds; a slip of the finger must not keep a node for days."""


class Departure:
    """
    Waits until the node is asked to leave. Belongs to one event loop.

    The others are told last, when nothing is acknowledged here any more: from then on nobody asks
    this node before reading, so what it acknowledged later could be missed.
    """

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness
        self._begun = asyncio.Event()
        self._drain_s = 0.0

    @property
    def begun(self) -> bool:
        """Whether the node is leaving. That is not taken back."""
        return self._begun.is_set()

    def begin(self, drain_s: float) -> None:
        """
        Leave: serve for *drain_s* seconds more while `/readyz` sends clients elsewhere, and stop.

        Asking again changes nothing.
        """
        if self.begun:
            return
        self._drain_s = drain_s
        self._readiness.require("running", "leaving")
        self._begun.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Set *stop* once the node was asked to leave and has drained."""
        await self._begun.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._drain_s):
                await stop.wait()
        stop.set()
