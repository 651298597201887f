"""
How many pushes may be on their way to a peer over a long link. Pure.

An event would wait a round trip for the answer to the push before it, so pushes follow each other.
But one that takes longer at the peer than passes between two of them makes a queue there, of small
batches that cost as much as large ones. What of a push's time is the queue is known from that of
one which had none before it; so the number that may be under way grows while there is no queue,
and shrinks while there is one (Brakmo and Peterson, "TCP Vegas: End to End Congestion Avoidance on
a Global Internet", 1995). What becomes durable meanwhile leaves together.
"""

from collections import deque
from typing import Final, NamedTuple

_QUEUED_LOW: Final = 0.5
_QUEUED_HIGH: Final = 1.0
"""Pushes that wait at the peer: fewer let one more follow, more one less."""


class _Push(NamedTuple):
    sent_at_s: float
    size: int
    number: int
    """How many were under way with it, itself included."""


class Window:
    """The pushes that wait for an answer; they are answered in order. Times in seconds."""

    def __init__(self, count_max: int, bytes_max: int) -> None:
        self._count_max = count_max
        self._bytes_max = bytes_max
        self._pushes: deque[_Push] = deque()
        self._may_be = 1
        self._unqueued_s = 0.0

    def room_bytes(self) -> int:
        """How much the next push may have; 0 while none may follow."""
        if len(self._pushes) >= self._may_be:
            return 0
        return max(0, self._bytes_max - sum(push.size for push in self._pushes))

    def send(self, size: int, now_s: float) -> None:
        """Note a push of *size* bytes."""
        self._pushes.append(_Push(now_s, size, len(self._pushes) + 1))

    def answer(self, now_s: float) -> None:
        """Note the answer to the oldest push."""
        push = self._pushes.popleft()
        took_s = now_s - push.sent_at_s
        # One that had none before it tells how it is now, be that worse than before.
        alone = push.number == 1
        self._unqueued_s = took_s if alone else min(self._unqueued_s, took_s)
        queued = push.number * (1 - self._unqueued_s / took_s) if took_s > 0 else 0.0
        if queued > _QUEUED_HIGH:
            self._may_be = max(1, self._may_be - 1)
        elif queued < _QUEUED_LOW and push.number >= self._may_be:
            self._may_be = min(self._count_max, self._may_be + 1)

    def give_up(self) -> None:
        """Forget them all: none of them will be answered."""
        self._pushes.clear()
        self._may_be = 1
