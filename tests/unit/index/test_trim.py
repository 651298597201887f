"""
Tags whose histories are trimmed, against a model that forgets nothing.

Broken: a deleted tag comes back, or a push that was acknowledged is gone, months after it.
"""

import random
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.model import Digest, Dot, Event, Key
from cluster.objects.events import Remove, Write, decode_body
from cluster.objects.merge import Version
from node.index import history, keys, local, rows
from tests.builders import HandClock
from tests.unit.index.orders import DAY_MS, Place

REPO, TAG = "lib/app", "latest"
KEPT_MAX = 8


@pytest.fixture(autouse=True, scope="module")
def short_histories() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history, "KEPT_MAX", KEPT_MAX)
        yield


class Tagger(Place):
    """A node that writes one tag."""

    def write(self, value: str = "") -> Dot:
        digest = Digest.of((value or str(len(self.heard))).encode())
        return self.change(lambda txn: local.write(txn, Key("tag", REPO, TAG), digest))

    def delete(self) -> Dot:
        return self.change(lambda txn: local.write(txn, Key("tag", REPO, TAG), None))

    def delete_manifest(self, digest: Digest) -> Dot:
        return self.change(lambda txn: local.emit(txn, Key("manifest", REPO, digest), Remove(())))

    @property
    def heads(self) -> tuple[Version, ...]:
        return rows.register(self.look(), "tags", REPO, TAG).heads

    @property
    def values(self) -> list[str | None]:
        return [head.value for head in self.heads]

    @property
    def kept(self) -> list[Dot]:
        found = self.look().scan("history", keys.join(REPO, TAG))
        return [history.read(key, row).version.dot for key, row in found]


def heads_of(events: Sequence[Event]) -> tuple[Version, ...]:
    """The writes that no other one replaced and no delete is younger than, nothing forgotten."""
    bodies = [(event, decode_body(event)) for event in events]
    writes = {event.dot: (event, body) for event, body in bodies if isinstance(body, Write)}
    gone = {dot for _, body in writes.values() for dot in body.replaces}
    deleted: dict[str | None, tuple[int, Dot]] = {}
    for event, body in bodies:
        if not isinstance(body, Write):
            of = event.key.name
        elif body.value is None:
            of = None
        else:
            continue
        deleted[of] = max((event.stamp, event.dot), deleted.get(of, (0, event.dot)))
    found = [Version(d, e.stamp, b.value) for d, (e, b) in sorted(writes.items()) if d not in gone]
    return tuple(
        head
        for head in found
        if head.value is not None
        and all((head.stamp, head.dot) > deleted[of] for of in (None, head.value) if of in deleted)
    )


def kept_of(events: Sequence[Event]) -> list[Dot]:
    """What of them a history keeps, oldest first."""
    every = sorted((e.stamp, e.dot) for e in events if e.key.collection == "tag")
    oldest = (every[-1][0] if every else 0) - (history.KEPT_DAYS * DAY_MS << 16)
    return [dot for stamp, dot in every[-KEPT_MAX:] if stamp >= oldest]


class Watch:
    """Nodes that write one tag and hear of each other, checked against the model at every step."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.wall = HandClock()
        self.places = [Tagger(name, self.wall) for name in "abc"]

    def act(self) -> None:
        place = self.rng.choice(self.places)
        self.wall.ms += 1 if self.rng.randrange(20) else 150 * DAY_MS
        match self.rng.randrange(5):
            case 0 if place.heads:
                place.delete()
            case 1 if place.heads:
                place.delete_manifest(Digest(self.rng.choice(place.values) or ""))
            case _:
                place.write(self.rng.choice("xyz"))
        self.check(place)

    def hear(self, place: Tagger, events: Sequence[Event]) -> None:
        for event in events:
            if not place.knows(event.dot):
                place.hear(event)
                self.check(place)

    def check(self, place: Tagger) -> None:
        assert place.heads == heads_of(place.heard)
        assert place.kept == kept_of(place.heard)

    def exchange(self) -> None:
        for place in self.places * 2:
            for other in self.places:
                self.hear(place, other.heard)

    def replay(self) -> Tagger:
        """One more node, which hears of everything in an order of its own."""
        place, ahead = Tagger("d", self.wall), list(self.places[0].heard)
        while ahead:
            event = self.rng.choice([e for e in ahead if place.is_next(e)])
            ahead.remove(event)
            self.hear(place, [event])
        return place


@given(st.randoms(use_true_random=False), st.integers(1, 40))
@settings(deadline=None, max_examples=30)
def test_heads_do_not_depend_on_what_is_forgotten(rng: random.Random, count: int):
    """Broken: a node that heard of a write late differs in the tag for ever."""
    watch = Watch(rng)
    for _ in range(count):
        watch.act()
        place, other = rng.sample(watch.places, 2)
        if rng.randrange(3):
            watch.hear(place, other.heard[: rng.randrange(len(other.heard) + 1)])
    watch.exchange()
    watch.places.append(watch.replay())
    for place in watch.places:
        assert place.rows() == watch.places[0].rows()
