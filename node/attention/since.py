"""Since when each finding is there."""

from collections.abc import Collection
from typing import Final

from node.attention.findings import FindingKey

GRACE_S: Final = 60.0
"""What was not there for less than this, and is again, is as old as it was: a link that comes and
goes is one trouble."""


class FirstSeen:
    """Remembers, from look to look. Times are seconds since 1970, of a clock that may be set."""

    def __init__(self) -> None:
        self._first: dict[FindingKey, float] = {}
        self._last: dict[FindingKey, float] = {}

    def note(self, there: Collection[FindingKey], now: float) -> None:
        """Take note of what is there at *now*; what has been gone for a while is forgotten."""
        for key in there:
            self._first[key] = min(self._first.get(key, now), now)
            self._last[key] = now
        for key, last in list(self._last.items()):
            if not -GRACE_S <= now - last <= GRACE_S:
                del self._first[key], self._last[key]

    def since(self, key: FindingKey) -> float:
        """When *key* was seen first. It is one of those that were there at the last look."""
        return self._first[key]
