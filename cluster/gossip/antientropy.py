"""Which events one node has and another lacks, from their version vectors. Pure."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from cluster.model import Event, Origin, Vector


class Missing(NamedTuple):
    """The events of one log after *after*, up to and including *upto*."""

    origin: Origin
    after: int
    upto: int

    @property
    def events(self) -> int:
        return self.upto - self.after


def missing(have: Vector, other: Vector) -> list[Missing]:
    """What *other* covers and *have* does not, by origin, in the order of the origins."""
    return [
        Missing(origin, have.get(origin, 0), upto)
        for origin, upto in sorted(other.items())
        if upto > have.get(origin, 0)
    ]


def behind(have: Vector, other: Vector) -> int:
    """How many events *have* lacks of what *other* covers."""
    return sum(part.events for part in missing(have, other))


def needs_state(have: Vector, other: Vector, events_min: int) -> bool:
    """
    Whether who has *have* had better take over the state at *other* than the events up to there:
    it has nothing, and lacks *events_min* or more.

    A node that has something keeps it, and with it what nobody else may have.
    """
    return not any(have.values()) and behind(have, other) >= events_min


def runs(events: Sequence[Event]) -> Iterator[tuple[Origin, list[Event]]]:
    """Cut a batch into pieces of one origin each, so that trouble with one spares the others."""
    for origin, run in groupby(events, key=lambda event: event.origin):
        yield origin, list(run)
