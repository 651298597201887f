"""Running a coroutine in a process of its own, so that no crowd slows down another one's clock."""

import asyncio
import multiprocessing
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from typing import Generic, TypeVar

T = TypeVar("T")

_SPAWN = multiprocessing.get_context("spawn")


class Apart(Generic[T]):
    """
    `main(stop)` in another process, from now on. *stop* is set by `end`.

    *main* and what it returns have to be picklable.
    """

    def __init__(self, main: Callable[[asyncio.Event], Awaitable[T]]) -> None:
        self._ours, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=_run, args=(theirs, main), daemon=True)
        self._process.start()
        theirs.close()

    def end(self) -> T:
        """
        Have it stop, and return what it found.

        Raises:
            RuntimeError: it failed; its traceback is on standard error.
        """
        self._ours.send(None)
        return self.result()

    def result(self) -> T:
        """Wait until it ends by itself, and return what it found; raises as `end` does."""
        try:
            found: T = self._ours.recv()
        except EOFError:
            raise RuntimeError("a process of the run failed") from None
        finally:
            self._process.join()
        return found


def _run(conn: Connection, main: Callable[[asyncio.Event], Awaitable[T]]) -> None:
    async def body() -> T:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(conn.fileno(), stop.set)
        try:
            return await main(stop)
        finally:
            loop.remove_reader(conn.fileno())

    conn.send(asyncio.run(body()))
