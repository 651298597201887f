"""Nodes without a thread or a loop, and the orders in which the logs of several may come to one."""

import random
from collections.abc import Callable, Sequence

from cluster.clock import HybridClock
from cluster.model import Dot, Event, Origin, Stamp
from cluster.objects.events import builds_on, decode_body, decode_event
from node.index import keys, objects
from node.index.journal import Journal, Transaction
from node.index.store import END, SHARED_FAMILIES
from tests.builders import HandClock
from tests.fakes.ordered_store import MemoryStore

DAY_MS = 86_400_000


class Place:
    """An index that makes events of its own, and is told those of others one by one."""

    def __init__(self, name: str, wall: HandClock) -> None:
        self.journal = Journal(MemoryStore(), Origin(name, 1), HybridClock(wall))
        self.heard: list[Event] = []
        """Everything that is applied here, in the order in which it was."""

    def change(self, make: Callable[[Transaction], Dot]) -> Dot:
        """Make one event, as `Metadata` does."""
        txn = self.journal.begin()
        dot = make(txn)
        txn.commit()
        row = self.journal.store.get("log", keys.log(dot.origin, dot.seq))
        assert row is not None
        self.heard.append(decode_event(row))
        return dot

    def look(self) -> Transaction:
        """The state as it is, to read."""
        return self.journal.begin()

    def knows(self, dot: Dot) -> bool:
        return dot.seq <= self.journal.applied.get(dot.origin, 0)

    def is_next(self, event: Event) -> bool:
        """Whether the event may be applied now: decision 14."""
        before = event.dot.seq - 1
        return self.journal.applied.get(event.origin, 0) == before and all(
            self.knows(dot) for dot in builds_on(decode_body(event))
        )

    def hear(self, event: Event) -> None:
        assert self.is_next(event)
        self.journal.clock.observe(Stamp(event.stamp))
        txn = self.journal.begin()
        assert objects.apply(txn, event) is None
        txn.commit()
        self.heard.append(event)

    def hear_from(self, other: "Place", count: int | None = None) -> None:
        """Hear of the first *count* events that are known there and not here, in their order."""
        new = [event for event in other.heard if not self.knows(event.dot)]
        for event in new[:count]:
            self.hear(event)

    def rows(self) -> dict[str, list[tuple[bytes, bytes]]]:
        """Everything that must be the same on every node, byte for byte."""
        store = self.journal.store
        return {family: list(store.scan(family, b"", END)) for family in SHARED_FAMILIES}


def replay(events: Sequence[Event], rng: random.Random, wall: HandClock) -> Place:
    """A node that hears of *events* in an order that *rng* chooses among those that may be."""
    place = Place("replay", wall)
    ahead = list(events)
    while ahead:
        event = rng.choice([event for event in ahead if place.is_next(event)])
        ahead.remove(event)
        place.hear(event)
    return place
