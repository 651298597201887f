"""Coalescing of work that answers everyone who asked before it started."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Rounds(Generic[T]):
    """
    Runs one operation over and over, as asked for; never two at a time.

    A caller shares the round that *starts* after it asked: one that runs already may have looked
    too early. So at most one round runs and one waits, however many callers there are. A caller
    that is cancelled leaves the round to the others.
    """

    def __init__(self, once: Callable[[], Awaitable[T]]) -> None:
        self._once = once
        self._next: asyncio.Future[T] | None = None
        self._asked = asyncio.Event()
        self._current: asyncio.Future[T] | None = None
        self._stopped: Exception | None = None

    async def run(self) -> None:
        """Carry out rounds until one fails; its callers get the error too."""
        try:
            while True:
                await self._asked.wait()
                self._asked.clear()
                self._current, self._next = self._next, None
                if self._current is not None:
                    self._current.set_result(await self._once())
        except Exception as exc:
            self.stop(exc)
            raise
        finally:
            # Cancellation is told as an error: the callers themselves were not cancelled.
            self.stop(Stopped())

    def stop(self, error: Exception) -> None:
        """Tell *error* to every caller, now and later. The first call counts."""
        if self._stopped is not None:
            return
        self._stopped = error
        for future in (self._current, self._next):
            if future is not None and not future.done():
                future.set_exception(error)
                future.exception()  # Nobody may be left to retrieve it; that is no mishap.

    async def join(self) -> T:
        """
        Return the result of the next round to start.

        Raises:
            Stopped: `run` ended.
            Exception: whatever the round raised.
        """
        if self._stopped is not None:
            raise self._stopped
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        self._asked.set()
        return await asyncio.shield(self._next)


class Stopped(Exception):
    """The rounds were ended before this one took place."""
