"""
Whether what was read had been replaced: reads of tags against the writes of each, by their times.

A tag has one writer, who waits for each answer before it goes on. So its writes have an order.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final, NamedTuple

NOTHING: Final = 0
"""What is read where there is no such tag."""

UNKNOWN: Final = math.inf
"""The end of a write of which nobody said that it stands."""


class Write(NamedTuple):
    """Times are seconds of one clock; *value* is what the tag pointed to from then on."""

    start: float
    end: float
    value: int


class TagHistory:
    """The writes of one tag, in their order."""

    def __init__(self, writes: Sequence[Write]) -> None:
        self._writes = [write for write in writes if write.end != UNKNOWN]
        self._ends = [write.end for write in self._writes]
        self._starts = [write.start for write in self._writes]
        self._open = [write for write in writes if write.end == UNKNOWN]

    def may_read(self, start: float, end: float) -> set[int]:
        """What a read from *start* to *end* may find."""
        latest = bisect_left(self._ends, start) - 1
        begun = bisect_left(self._starts, end)
        found = {write.value for write in self._writes[max(latest, 0) : begun]}
        if latest < 0:
            found.add(NOTHING)
        # One without an answer may take effect at any time.
        return found | {write.value for write in self._open if write.start < end}
