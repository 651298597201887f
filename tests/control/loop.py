"""Simulated time, and the one source of chance of a seed."""

import heapq
from collections.abc import Callable
from random import Random
from typing import Any


class Loop:
    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.random = Random(seed)
        self.steps = 0
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._number = 0

    def after(self, delay_s: float, call: Callable[..., None], *args: Any) -> None:
        self._number += 1
        heapq.heappush(self._events, (self.now + delay_s, self._number, call, args))

    def run_until(self, time: float) -> None:
        while self._events and self._events[0][0] <= time:
            self.now, _, call, args = heapq.heappop(self._events)
            self.steps += 1
            call(*args)
        self.now = time
