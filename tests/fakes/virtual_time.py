"""
An event loop and a clock with virtual time for the tests of one engine or a few.

What a test waits for costs no time, and how busy the machine is changes nothing: when no task can
go on, the clock jumps to the next timer.
"""

import asyncio
import weakref
from collections.abc import AsyncGenerator
from typing import Any, Final

from tests.sim.loop import SimLoop

_START_MS: Final = 1_700_000_000_000


class VirtualLoop(SimLoop):
    """The simulator's loop, as `asyncio.Runner` uses one: at its end, nothing of a test is left."""

    def __init__(self) -> None:
        super().__init__()
        self._closed = False
        self._generators: weakref.WeakSet[AsyncGenerator[Any, Any]] = weakref.WeakSet()

    def set_debug(self, enabled: bool) -> None:
        """There is no debug mode; see `get_debug`."""

    def is_closed(self) -> bool:
        return self._closed

    async def shutdown_asyncgens(self) -> None:
        """End the async generators that were left half-way, as asyncio does."""
        for generator in list(self._generators):
            await generator.aclose()

    async def shutdown_default_executor(self) -> None:
        """There are no threads."""

    def close(self) -> None:
        """
        Raises:
            AssertionError: a callback raised, or an error was retrieved by nobody.
        """
        self._closed = True
        self.let_go()
        assert not self.failures, self.failures

    def _begun(self, generator: Any) -> None:
        self._generators.add(generator)

    def _finalize(self, generator: Any) -> None:
        self._generators.discard(generator)
        if not self._closed:
            self.create_task(generator.aclose(), name="aclose")


class LoopClock:
    """A machine's clocks, which show its event loop's time. A test sets the wall clock wrong."""

    wrong_ms = 0

    def now_ms(self) -> int:
        return _START_MS + int(self.now_s() * 1000) + self.wrong_ms

    def now_s(self) -> float:
        return asyncio.get_running_loop().time()
