"""Which events one node has and another lacks, from their version vectors. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from cluster import vectors
from cluster.model import Dot, Event, Origin, Vector

_EVENT_BYTES: Final = 200
"""What an event takes beside its body, about: names, digest, stamp."""


class Missing(NamedTuple):
    """The events of one log after *after*, up to and including *upto*."""

    origin: Origin
    after: int
    upto: int


def missing(have: Vector, other: Vector) -> list[Missing]:
    """
    What *other* covers and *have* does not, by origin, in the order of the origins.

    But for what is retired in *other*: of that nobody can tell it (`vectors.unmet`).
    """
    return [
        Missing(origin, have.get(origin, 0), upto)
        for origin, upto in sorted(vectors.logs(other))
        if upto > vectors.reached(have, origin)
    ]


def behind(have: Vector, other: Vector) -> int:
    """
    How many events *have* lacks of what *other* covers, about: one for each node of which it lacks
    something that is retired there.
    """
    events = sum(
        max(0, upto - vectors.reached(have, origin)) for origin, upto in vectors.logs(other)
    )
    return events + len(vectors.unmet(have, other))


def needs_state(have: Vector, other: Vector, events_min: int) -> bool:
    """
    Whether a node that has *have* should take over a state, and not pull the events of *other*: it
    has nothing, and lacks *events_min* events or more.

    A node that has something keeps that: perhaps nobody else has it.
    """
    return not any(have.values()) and behind(have, other) >= events_min


def without_log(events: Sequence[Event], stopped: Dot) -> list[Event]:
    """The events after *stopped* that are of other logs."""
    after = next(at for at, event in enumerate(events, 1) if event.dot == stopped)
    return [event for event in events[after:] if event.origin != stopped.origin]


def size_of(batch: Sequence[Event]) -> int:
    """Bytes of *batch* on the wire, about."""
    return sum(len(event.body) + _EVENT_BYTES for event in batch)


def batches(events: Iterable[Event], size_max: int) -> Iterator[list[Event]]:
    """
    Cut *events*, each change in one piece, into batches whose bodies are about *size_max* bytes.

    A batch is longer by one change at most.
    """
    batch: list[Event] = []
    size = 0
    for event in events:
        if batch and not batch[-1].rest and size + len(event.body) > size_max:
            yield batch
            batch, size = [], 0
        batch.append(event)
        size += len(event.body) + _EVENT_BYTES
    if batch:
        yield batch
