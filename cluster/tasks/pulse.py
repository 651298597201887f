"""Waking those who wait for a condition, each time something changed that it may hang on."""

import asyncio
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Final, TypeVar

_LATE_S: Final = 0.001
"""Timers may be early. Whoever waits *until* a time would look once more for nothing."""

T = TypeVar("T")
Waiters = dict[Hashable, dict[asyncio.Future[None], T]]


class Pulse:
    """
    Tells any number of waiters that it is time to look again.

    Like `asyncio.Condition` without its lock: everything happens on one event loop, so the
    condition cannot change between a look and a wait. Nothing is queued; a beat that nobody
    waits for is forgotten. A beat may be of topics: it wakes who waits for one of them, and who
    named none.
    """

    def __init__(self) -> None:
        self._bare: Waiters[None] = {}
        self._conditions: Waiters[Callable[[], bool]] = {}
        self._due: dict[Hashable, None] = {}
        self.looks = 0
        """How often somebody was woken, or a condition was looked at after a beat."""

    def beat(self, *topics: Hashable) -> None:
        """Wake everyone who waits now; those who wait for a condition soon, and if it holds."""
        # Not now: who beats may be about to change more, and to beat again for that.
        if not self._due and self._conditions:
            asyncio.get_running_loop().call_soon(self._look)
        for topic in (*topics, None):
            for waiter in self._bare.pop(topic, ()):
                if not waiter.done():
                    self.looks += 1
                    waiter.set_result(None)
            if self._conditions:
                self._due[topic] = None

    async def wait(self, *topics: Hashable) -> None:
        """Return after the next beat of one of *topics*; of any without."""
        await self._wait(self._bare, topics, None)

    async def wait_at_most(self, seconds: float, *topics: Hashable) -> None:
        """Return after the next beat, or after *seconds* and rather late than early."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0) + _LATE_S):
                await self.wait(*topics)

    async def wait_until(
        self, condition: Callable[[], bool], *topics: Hashable, at_most_s: float | None = None
    ) -> None:
        """
        Return once *condition* holds, which is looked at now and after each beat of *topics*; after
        *at_most_s* seconds in any case.

        One look goes over all conditions: there are several waiters per link, and of most beats
        none of them has anything. Waking their tasks to look was most of what an idle loop did.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most_s):
                while not condition():
                    await self._wait(self._conditions, topics, condition)

    async def _wait(self, waiters: Waiters[T], topics: tuple[Hashable, ...], value: T) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        for topic in topics or (None,):
            waiters.setdefault(topic, {})[waiter] = value
        try:
            await waiter
        finally:
            for topic in topics or (None,):
                others = waiters.get(topic, {})
                others.pop(waiter, None)
                if not others:
                    waiters.pop(topic, None)

    def _look(self) -> None:
        due, self._due = self._due, {}
        found: dict[asyncio.Future[None], Callable[[], bool]] = {}
        for topic in due:
            found |= self._conditions.get(topic, {})
        for waiter, condition in found.items():
            if waiter.done():
                continue
            self.looks += 1
            try:
                holds = condition()
            except Exception as exc:  # noqa: BLE001 - it is the waiter's, not that of who beats
                waiter.set_exception(exc)
            else:
                if holds:
                    waiter.set_result(None)
