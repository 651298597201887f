"""
The hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", 2014).

A stamp is wall milliseconds << 16 | counter: close to wall time, yet larger than every stamp
that was seen before it was issued.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

from cluster.errors import ClockAhead
from cluster.model import Stamp
from cluster.ports import WallClock

__all__ = ["COUNTER_BITS", "HybridClock", "SystemClock", "WallClock", "stamp_ms"]

COUNTER_BITS: Final = 16

MAX_OFFSET_MS: Final = 500
"""How far ahead of this wall clock a peer's stamp may be. Larger accepts worse clocks, and lets one
of them drag every stamp of the cluster further into the future; smaller parks events of peers whose
clocks are merely a little off."""

_STEADY: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""It counts while the machine is suspended, as a lease that others have given does. Linux stops
CLOCK_MONOTONIC then; other systems do not."""


def stamp_ms(stamp: int) -> int:
    """The wall part of a stamp, in milliseconds since the Unix epoch."""
    return stamp >> COUNTER_BITS


class SystemClock:
    """The machine's clocks."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def now_s(self) -> float:
        return time.clock_gettime(_STEADY)


class HybridClock:
    """
    Issues stamps that never repeat and never go back.

    Thread-safe: the index's writer thread ticks while the event loop observes.
    """

    def __init__(self, wall: WallClock) -> None:
        """Start at zero; `resume` takes the clock past what a log holds."""
        self._wall = wall
        self._off_ms: Callable[[int], float | None] = lambda _: 0.0
        self._last = 0
        self._lock = threading.Lock()

    def heed(self, off_ms: Callable[[int], float | None]) -> None:
        """
        From now on ask *off_ms* with each reading how far this wall clock is ahead, and make the
        stamp without that; while nobody can tell (None) only larger than the last one. It is called
        on any thread.

        One stamp of a wrong clock would be enough to have this node's whole log wait at the others
        for as long as the clock was ahead: stamps never go back.
        """
        self._off_ms = off_ms

    def tick(self, after: Stamp = Stamp(0)) -> Stamp:  # noqa: B008
        """Issue a stamp larger than every earlier one and than *after*."""
        with self._lock:
            wall_ms = self._wall.now_ms()
            off_ms = self._off_ms(wall_ms)
            now = 0 if off_ms is None else wall_ms - round(off_ms) << COUNTER_BITS
            self._last = max(now, self._last + 1, after + 1)
            return Stamp(self._last)

    def observe(self, stamp: Stamp) -> None:
        """
        Take note of a peer's stamp, so that later ticks are larger.

        Raises:
            ClockAhead: it is beyond the bound; the clock has not moved.
        """
        ahead_ms = stamp_ms(stamp) - self._wall.now_ms()
        if ahead_ms > MAX_OFFSET_MS:
            raise ClockAhead(ahead_ms)
        self.resume(stamp)

    def resume(self, stamp: Stamp) -> None:
        """Go on after *stamp*, which was issued or accepted before a restart; no bound."""
        with self._lock:
            self._last = max(self._last, stamp)
