"""
How many pushes may be on their way to a peer over a long link. Pure.

One push at a time would make each event wait a round trip, so pushes follow each other. Too many
make a queue at the peer, of small batches that cost as much as large ones. So there are as many
under way as the peer takes within one round trip without a queue: the way there and back is full,
and nothing waits. What becomes durable meanwhile leaves as one batch.

How long does the peer take for one? If the second of two pushes waited there for the first: the
time between their answers. If it did not wait, the peer is fast enough.
"""

from collections import deque
from typing import Final, NamedTuple

_WEIGHT: Final = 0.2
"""Of the latest answer in the averages. Higher takes a hiccup for a queue."""

_WAITED: Final = 0.25
"""A push has waited that took longer than one without a queue by this part of the time between two
answers."""

_ALONE: Final = 8
"""After so many pushes one by one, a second may follow: the peer may be faster by now."""

_FOLLOWED: Final = 32
"""After so many pushes behind another, one goes alone: the way may be longer by now."""


class _Push(NamedTuple):
    sent_at_s: float
    size: int
    alone: bool


class Window:
    """The pushes that wait for an answer; they are answered in order. Times in seconds."""

    def __init__(self, count_max: int, bytes_max: int) -> None:
        self._count_max = count_max
        self._bytes_max = bytes_max
        self._pushes: deque[_Push] = deque()
        self._may_be = 1
        self._alone = _ALONE - 1
        self._followed = 0
        self._unqueued_s: float | None = None
        self._at_peer_s = 0.0
        self._answered_at_s = 0.0

    def room_bytes(self) -> int:
        """How much the next push may have; 0 while none may follow."""
        if len(self._pushes) >= self._may_be:
            return 0
        return max(0, self._bytes_max - sum(push.size for push in self._pushes))

    def send(self, size: int, now_s: float) -> None:
        """Note a push of *size* bytes."""
        self._pushes.append(_Push(now_s, size, alone=not self._pushes))

    def answer(self, now_s: float) -> None:
        """Note the answer to the oldest push."""
        push = self._pushes.popleft()
        took_s, between_s = now_s - push.sent_at_s, now_s - self._answered_at_s
        self._answered_at_s = now_s
        # One behind others may have waited: only a shorter time tells of the way.
        if self._unqueued_s is None:
            self._unqueued_s = took_s
        elif push.alone or took_s < self._unqueued_s:
            self._unqueued_s += _WEIGHT * (took_s - self._unqueued_s)
        if push.alone:
            self._alone, self._followed = self._alone + 1, 0
            if self._alone >= _ALONE and self._may_be == 1:
                self._may_be = min(2, self._count_max)
            return
        self._alone, self._followed = 0, self._followed + 1
        waited = took_s - self._unqueued_s > _WAITED * between_s
        self._at_peer_s += _WEIGHT * ((between_s if waited else 0.0) - self._at_peer_s)
        self._may_be = min(self._may_be + 1, self._fitting(self._unqueued_s))
        if self._may_be <= 2 and self._followed >= _FOLLOWED:
            self._may_be, self._alone = 1, _ALONE - 1

    def _fitting(self, unqueued_s: float) -> int:
        if unqueued_s >= self._count_max * self._at_peer_s:
            return self._count_max
        return max(1, int(unqueued_s / self._at_peer_s + 0.75))

    def give_up(self) -> None:
        """Forget them all: none of them will be answered."""
        self._pushes.clear()
        self._may_be, self._alone = 1, 0
