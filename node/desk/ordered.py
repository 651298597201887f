"""Values that are kept in order while some come and go, and are read from any place on."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from typing import Any, Final, Generic, TypeVar

V = TypeVar("V")

CHUNK_MAX: Final = 1000
"""Values in one chunk: an insertion moves half of them at the most, which takes a microsecond."""


class Ordered(Generic[V]):
    """
    Values by their *key*, which no two of them share. A list of chunks, each in order.

    Belongs to one event loop.
    """

    def __init__(self, key: Callable[[V], Any]) -> None:
        self._key = key
        self._chunks: list[list[V]] = []
        self._first: list[Any] = []
        """The key of the first value of each chunk."""

    def add(self, value: V) -> None:
        """Put *value* in its place."""
        key = self._key(value)
        if not self._chunks:
            self._chunks.append([value])
            self._first.append(key)
            return
        at = max(0, bisect_right(self._first, key) - 1)
        chunk = self._chunks[at]
        place = bisect_left(chunk, key, key=self._key)
        chunk.insert(place, value)
        if place == 0:
            self._first[at] = key
        if len(chunk) > CHUNK_MAX:
            rest = chunk[CHUNK_MAX // 2 :]
            del chunk[CHUNK_MAX // 2 :]
            self._chunks.insert(at + 1, rest)
            self._first.insert(at + 1, self._key(rest[0]))

    def remove(self, value: V) -> None:
        """Take *value* out, which is there."""
        key = self._key(value)
        at = bisect_right(self._first, key) - 1
        chunk = self._chunks[at]
        place = bisect_left(chunk, key, key=self._key)
        assert chunk[place] is value, "what is taken out was put in"
        del chunk[place]
        if not chunk:
            del self._chunks[at], self._first[at]
        elif place == 0:
            self._first[at] = self._key(chunk[0])

    def behind(self, key: Any | None) -> Iterator[V]:
        """The values behind *key*, in order; all of them without one. Nothing changes meanwhile."""
        if key is None:
            for chunk in self._chunks:
                yield from chunk
            return
        at = max(0, bisect_right(self._first, key) - 1)
        for number in range(at, len(self._chunks)):
            chunk = self._chunks[number]
            start = bisect_right(chunk, key, key=self._key) if number == at else 0
            for place in range(start, len(chunk)):
                yield chunk[place]
