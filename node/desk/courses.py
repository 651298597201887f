"""
How long work goes: what is left of it, looked at again and again. Pure.

Nothing is told of a piece of work but what is left. So its size is the most that was ever left, how
fast it goes follows from two looks, and it is STALLED when less is left at no look for
`STALLED_AFTER_S`.
"""

from collections import deque
from typing import Final, NamedTuple

STALLED_AFTER_S: Final = 120.0
"""Time without progress until work counts as stalled. A large blob over a slow line takes so."""

LOOKS_MIN: Final = 2
"""Looks without progress until then. Who looks every ten minutes has not seen it stand before."""

_RATE_S: Final = 120.0
"""The rate is told of looks of so long."""

_MARKS: Final = 64


class Left(NamedTuple):
    """What is left of some work, as one look finds it."""

    units: int
    bytes: int | None = None
    """None where it is not known."""


class _Mark(NamedTuple):
    at: float
    left: Left


class Course:
    """One piece of work. Times are seconds of a clock that nobody sets."""

    def __init__(self, now: float, look: object, left: Left) -> None:
        """*look* tells looks apart: the same one says nothing new."""
        self.began = now
        self.progressed = now
        """When less was left than before; or it began."""

        self._look = look
        self._looks = 0
        self._marks: deque[_Mark] = deque([_Mark(now, left)], maxlen=_MARKS)
        self._total = left

    @property
    def left(self) -> Left:
        return self._marks[-1].left

    @property
    def total(self) -> Left:
        """The most that was left; more where the caller knows of more (`note`)."""
        return self._total

    def note(self, now: float, look: object, left: Left, total: Left | None = None) -> None:
        """Take a look; *total* where it is known."""
        self._total = total or Left(
            max(self._total.units, left.units), _most(self._total.bytes, left.bytes)
        )
        if look == self._look:
            return
        before, self._look = self.left, look
        if left.units < before.units or _is_less(left.bytes, before.bytes):
            self.progressed, self._looks = now, 0
        else:
            self._looks += 1
        self._marks.append(_Mark(now, left))
        while len(self._marks) > 2 and self._marks[1].at <= now - _RATE_S:
            self._marks.popleft()

    def is_stalled(self, now: float) -> bool:
        """Whether nothing has come of it for `STALLED_AFTER_S`."""
        return now - self.progressed >= STALLED_AFTER_S and self._looks >= LOOKS_MIN

    def rate(self) -> float | None:
        """Units a second; None where nothing is known, or nothing came of it."""
        first, last = self._marks[0], self._marks[-1]
        return _per_second(first.left.units, last.left.units, last.at - first.at)

    def bytes_per_s(self) -> float | None:
        """Bytes a second, likewise."""
        first, last = self._marks[0], self._marks[-1]
        if first.left.bytes is None or last.left.bytes is None:
            return None
        return _per_second(first.left.bytes, last.left.bytes, last.at - first.at)

    def eta_s(self) -> float | None:
        """Seconds that are left at that rate: of bytes, where those are known."""
        rate, left = self.bytes_per_s(), self.left.bytes
        if rate is None or left is None:
            rate, left = self.rate(), self.left.units
        return None if rate is None else left / rate


def _most(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else max(one, other)


def _is_less(one: int | None, other: int | None) -> bool:
    return one is not None and other is not None and one < other


def _per_second(before: int, after: int, seconds: float) -> float | None:
    return (before - after) / seconds if seconds > 0 and after < before else None
