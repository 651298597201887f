"""Whether this node hears enough of its cluster to hand out anything."""

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Final

LOOK_S: Final = 5.0
"""Seconds between two looks: what is allowed for an hour may be so much longer."""


class VoterWatch:
    """
    When a majority of the control log's voters was last connected, as this node sees it.

    A node that has just started has seen none: else each restart on the cut-off side of a partition
    would begin another hour.
    """

    def __init__(
        self,
        voters: Callable[[], tuple[Sequence[object], Sequence[object]]],
        now: Callable[[], float],
    ) -> None:
        """
        Args:
            voters: all voters, and those of them that are not connected. None are there before the
                cluster has begun.
            now: seconds, of a clock that nobody sets.
        """
        self._voters = voters
        self._now = now
        self._seen = -math.inf

    def apart_s(self) -> float:
        """See `node.identity.ports.Authority`."""
        self._look()
        return self._now() - self._seen

    def _look(self) -> None:
        voters, silent = self._voters()
        if 2 * len(silent) < len(voters) or not voters:
            self._seen = self._now()

    async def run(self) -> None:
        """Look, for ever: nobody may ask while all is well."""
        while True:
            self._look()
            await asyncio.sleep(LOOK_S)
