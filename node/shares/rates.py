"""
Rates: how much somebody may ask for in a while. Pure: no clock, no sockets.

Each has a bucket that holds one period's worth and fills evenly. What is kept of it is one number,
the moment from which on it is full again (GCRA, ITU-T I.371). So whoever has not asked for a period
needs no memory, and is as whoever never did.

Those moments are in a table of fixed size, however many ask (a count-min sketch with conservative
update): each key has one place in each of four rows, and the earliest of the four moments counts.
Who shares all four places with somebody busy gets less than the rate; nobody ever gets more. Which
keys share places depends on a secret of the process: nobody can choose whom to share with.
"""

import hashlib
import secrets
import struct
from array import array
from functools import lru_cache
from typing import Final, NamedTuple

_ROWS: Final = 4
_WORD: Final = 4

_REMEMBERED: Final = 4096
"""Keys whose places are remembered: to hash is most of the work."""

_Places = tuple[int, int, int, int]


class Rate(NamedTuple):
    """So many in so many seconds, all of them at once if they like."""

    most: float
    period_s: float


class Metered(NamedTuple):
    """What came of asking."""

    granted: bool
    remaining: int
    """How many more would be granted now."""

    wait_s: float
    """When asking again is of use; 0 where it was granted."""


class Meter:
    """
    Holds everybody to one rate, each by a key.

    Where *n* nodes share what somebody may ask for, each counts for all of them: what it grants
    takes *n* from its bucket. As long as they know how many they are, they grant no more together
    than one would alone; but each of them grants one in a period, however little there is.
    """

    def __init__(self, rate: Rate, *, places: int = 1 << 18, key: bytes | None = None) -> None:
        """
        Args:
            places: in each row, a power of two; 32 bytes each.
            key: the secret by which keys get their places; a new one unless given.
        """
        assert rate.most >= 1, "a rate of less is no rate"
        assert places & (places - 1) == 0, "a mask chooses the place"
        self.rate = rate
        self._gap_s = rate.period_s / rate.most
        self._mask = places - 1
        self._key = secrets.token_bytes(16) if key is None else key
        self._rows = tuple(array("d", bytes(8 * places)) for _ in range(_ROWS))
        """When the bucket in each place is full again, by the clock of who asks."""
        self._places = lru_cache(_REMEMBERED)(self._hashed)

    @property
    def size_bytes(self) -> int:
        """What the table takes, whoever asks."""
        return sum(row.itemsize * len(row) for row in self._rows)

    def take(self, key: str, now_s: float, *, sharers: int = 1, many: int = 1) -> Metered:
        """Ask for *many*, all or none, on behalf of *key*; *sharers* are the nodes that count."""
        places = self._places(key)
        full_at = self._full_at(places, now_s)
        cost_s = self._cost_s(sharers) * many
        if (wait_s := self._wait_s(full_at + cost_s, now_s)) > 0.0:
            return Metered(False, self._remaining(full_at, now_s), wait_s)
        after = full_at + cost_s
        for row, place in zip(self._rows, places):  # noqa: B905 - four each; it is done often
            if row[place] < after:
                row[place] = after
        return Metered(True, self._remaining(after, now_s), 0.0)

    def look(self, key: str, now_s: float, *, sharers: int = 1) -> Metered:
        """What `take` would answer, but for the one that it takes."""
        full_at = self._full_at(self._places(key), now_s)
        wait_s = self._wait_s(full_at + self._cost_s(sharers), now_s)
        return Metered(wait_s == 0.0, self._remaining(full_at, now_s), wait_s)

    def _cost_s(self, sharers: int) -> float:
        # A node of more sharers than there is to share may still grant one in a period.
        return self._gap_s * min(float(sharers), self.rate.most)

    def _wait_s(self, full_after_s: float, now_s: float) -> float:
        wait_s = full_after_s - now_s - self.rate.period_s
        # A billionth of a period is no reason to refuse the last one: sums of floats are not exact.
        return wait_s if wait_s > self.rate.period_s * 1e-9 else 0.0

    def _remaining(self, full_at: float, now_s: float) -> int:
        free_s = self.rate.period_s - (full_at - now_s)
        return int(free_s / self._gap_s + 1e-6)

    def _full_at(self, places: _Places, now_s: float) -> float:
        (one, two, three, four), (a, b, c, d) = self._rows, places
        return max(now_s, min(one[a], two[b], three[c], four[d]))

    def _hashed(self, key: str) -> _Places:
        digest = hashlib.blake2b(key.encode(), key=self._key, digest_size=_ROWS * _WORD).digest()
        a, b, c, d = struct.unpack("<4I", digest)
        return a & self._mask, b & self._mask, c & self._mask, d & self._mask
