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
        self._bare: dict[asyncio.Future[None], None] = {}
        self._conditions: dict[asyncio.Future[None], Callable[[], bool]] = {}
        self._look_is_due = False

    def beat(self) -> None:
        """Wake everyone who waits now; those who wait for a condition soon, and if it holds."""
        for waiter in self._bare:
            if not waiter.done():
                waiter.set_result(None)
        self._bare.clear()
        if self._conditions and not self._look_is_due:
            # Not now: who beats may be about to change more, and to beat again for that.
            self._look_is_due = True
            asyncio.get_running_loop().call_soon(self._look)

    async def wait(self) -> None:
        """Return after the next beat."""
        waiter = asyncio.get_running_loop().create_future()
        self._bare[waiter] = None
        try:
            await waiter
        finally:
            self._bare.pop(waiter, None)

    async def wait_at_most(self, seconds: float) -> None:
        """Return after the next beat, or after *seconds* and rather late than early."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0) + _LATE_S):
                await self.wait()

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """
        Return once *condition* holds, which is looked at now and after each beat.

        One look goes over all conditions: there are several waiters per link, and of most beats
        none of them has anything. Waking their tasks to look was most of what an idle loop did.
        """
        while not condition():
            waiter = asyncio.get_running_loop().create_future()
            self._conditions[waiter] = condition
            try:
                await waiter
            finally:
                del self._conditions[waiter]

    def _look(self) -> None:
        self._look_is_due = False
        for waiter, condition in list(self._conditions.items()):
            if waiter.done():
                continue
            try:
                holds = condition()
            except Exception as exc:  # noqa: BLE001 - it is the waiter's, not that of who beats
                waiter.set_exception(exc)
            else:
                if holds:
                    waiter.set_result(None)
