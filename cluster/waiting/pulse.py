"""Waking those who wait for a condition, each time something changed."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

_LATE_S: Final = 0.001
"""Timers may be early. Whoever waits *until* a time would look once more for nothing."""


class Pulse:
    """
    Tells any number of waiters that it is time to look again.

    Like `asyncio.Condition` without its lock: everything happens on one event loop, so the
    condition cannot change between a look and a wait. Nothing is queued; a beat that nobody
    waits for is forgotten.
    """

    def __init__(self) -> None:
        self._next: asyncio.Future[None] | None = None

    def beat(self) -> None:
        """Wake everyone who waits now."""
        waiting, self._next = self._next, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    async def wait(self) -> None:
        """Return after the next beat."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        # The future is shared: one waiter's cancellation must not end the others' wait.
        await asyncio.shield(self._next)

    async def wait_at_most(self, seconds: float) -> None:
        """Return after the next beat, or after *seconds* and rather late than early."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0) + _LATE_S):
                await self.wait()

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return once *condition* holds, which is looked at now and after each beat."""
        while not condition():
            await self.wait()
