"""How late events come: each is told of once, when it is durable, by its stamp."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from cluster import COUNTER_BITS
from cluster.errors import EventGap
from cluster.model import Dot, Event, Key, NodeId, Origin, Vector
from node.index.lateness import TimedEvents

NOW_MS = 10_000


class _Held:
    """A log that applies when it is let to, and not from the event on that it *refuses*."""

    def __init__(self) -> None:
        self.durable: dict[Origin, int] = {}
        self.refuses = 0
        self.turn = asyncio.Event()
        self.turn.set()

    def vector(self) -> Vector:
        return dict(self.durable)

    async def apply(self, events: Sequence[Event]) -> None:
        await self.turn.wait()
        for event in events:
            have = self.durable.get(event.origin, 0)
            if event.dot.seq == self.refuses:
                raise EventGap(event.dot, have)
            self.durable[event.origin] = max(have, event.dot.seq)


class _Wall:
    def now_ms(self) -> int:
        return NOW_MS


def event(seq: int, ago_ms: int = 0, node: str = "a") -> Event:
    stamp = (NOW_MS - ago_ms) << COUNTER_BITS
    return Event(Dot(NodeId(node), 3, seq), stamp, "tag", Key("tag", "lib/app", "x"), b"")


def timed() -> tuple[TimedEvents, Any, list[tuple[str, float]]]:
    told: list[tuple[str, float]] = []
    log: Any = _Held()
    return TimedEvents(log, told.extend, _Wall()), log, told


async def test_each_is_told_of_by_its_stamp():
    events, _, told = timed()
    await events.apply([event(1, 1500), event(2, 250), event(1, 40, "b")])
    assert told == [("a", 1.5), ("a", 0.25), ("b", 0.04)]


async def test_what_was_here_is_not_told_of_again():
    """Broken: two peers send the same events, and the lag is that of the slower one, twice."""
    events, _, told = timed()
    await events.apply([event(1, 100)])
    await events.apply([event(1, 100), event(2, 200)])
    assert told == [("a", 0.1), ("a", 0.2)]


async def test_two_who_bring_the_same_at_once_are_counted_once():
    events, log, told = timed()
    log.turn.clear()
    both = [asyncio.ensure_future(events.apply([event(1, 100), event(2, 100)])) for _ in "ab"]
    await asyncio.sleep(0)
    log.turn.set()
    await asyncio.gather(*both)
    assert told == [("a", 0.1), ("a", 0.1)]


async def test_what_came_before_a_gap_counts_and_what_is_behind_it_does_not():
    events, log, told = timed()
    log.refuses = 2
    with pytest.raises(EventGap):
        await events.apply([event(1, 100), event(2, 100), event(3, 100)])
    assert told == [("a", 0.1)]
    log.refuses = 0
    await events.apply([event(2, 900), event(3, 800)])
    assert told == [("a", 0.1), ("a", 0.9), ("a", 0.8)]
