"""Long work in short turns: how long each may be, and what the others get in between."""

import asyncio
from time import perf_counter
from typing import Final

TURN_S: Final = 0.002
"""How long a turn holds the event loop. Longer ones are seen by whoever pulls meanwhile."""


class Pace:
    """The turns of one task. Belongs to one event loop."""

    def __init__(self, rest: float = 0.0) -> None:
        """*rest*: how long it rests for each second of work. 0: no longer than others have
        something to do."""
        self.rest = rest
        self._since = perf_counter()
        self._hurry = asyncio.Event()

    def begin(self) -> None:
        """A turn begins: what came before was a rest."""
        self._since = perf_counter()

    def hurry(self, *, wanted: bool) -> None:
        """Do not rest while that is *wanted*."""
        if wanted:
            self._hurry.set()
        else:
            self._hurry.clear()

    async def turn(self) -> None:
        """Go on, or have the others run first if this turn was long enough."""
        worked = perf_counter() - self._since
        if worked < TURN_S:
            return
        if self.rest and not self._hurry.is_set():
            try:
                async with asyncio.timeout(worked * self.rest):
                    await self._hurry.wait()
            except TimeoutError:
                pass
        else:
            await asyncio.sleep(0)
        self._since = perf_counter()
