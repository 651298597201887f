"""Manifests: the same rows on every node, whatever the order in which it heard of the events."""

import json
import random
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.model import Digest, Dot, Key
from cluster.objects.events import Add, Body, Remove
from node.index import keys, local, rows
from node.index.journal import Transaction
from node.index.rows import ManifestPayload
from node.index.store import END
from node.registry.media_types import DOCKER_MANIFEST, OCI_MANIFEST
from tests.builders import HandClock
from tests.unit.index.orders import Place, replay

SUBJECT = Digest.of(b"subject")
BODY = json.dumps(
    {
        "schemaVersion": 2,
        "config": {"mediaType": "a/b", "digest": Digest.of(b"config"), "size": 6},
        "layers": [],
        "subject": {"mediaType": OCI_MANIFEST, "digest": SUBJECT, "size": 1},
    }
).encode()
"""Without a mediaType: two pushes may say different things, and neither is asked."""

KEY = Key("manifest", "lib/app", Digest.of(BODY))


def emit(place: Place, body: Body) -> Dot:
    return place.change(lambda txn: local.emit(txn, KEY, body))


def push(place: Place, media_type: str, replaces: tuple[Dot, ...] = ()) -> Dot:
    return emit(place, Add(replaces, rows.encode(ManifestPayload(media_type, BODY))))


def live(txn: Transaction) -> tuple[Dot, ...]:
    return rows.presence(txn, "manifests", KEY.repository, KEY.name).dots


def listed_as(place: Place) -> list[str]:
    """The media types in the list of the subject's referrers."""
    found = place.journal.store.scan("referrers", keys.join(KEY.repository, SUBJECT), END)
    return [json.loads(descriptor)["mediaType"] for _, descriptor in found]


def test_a_referrer_is_listed_as_what_its_bytes_say(subtests: pytest.Subtests):
    """Broken: who heard of the push that was removed lists its type for ever, others do not."""
    wall = HandClock()
    one, other = Place("a", wall), Place("b", wall)
    push(one, OCI_MANIFEST)
    wall.ms += 1
    removed = push(other, DOCKER_MANIFEST)
    emit(other, Remove((removed,)))
    events = [*one.heard, *other.heard]
    for order in permutations(events):
        if order.index(events[1]) < order.index(events[2]):
            with subtests.test(order=[str(event.dot) for event in order]):
                place = Place("c", wall)
                for event in order:
                    place.hear(event)
                assert listed_as(place) == [OCI_MANIFEST]


@given(st.randoms(use_true_random=False), st.integers(1, 12))
def test_pushes_of_one_manifest_as_several_things_end_alike(rng: random.Random, count: int):
    wall = HandClock()
    places = [Place(name, wall) for name in "abc"]
    for _ in range(count):
        place = rng.choice(places)
        place.hear_from(rng.choice(places), rng.randrange(4))
        wall.ms += rng.randrange(2)
        dots = live(place.look())
        named = tuple(dot for dot in dots if rng.randrange(2))
        if named and rng.randrange(2):
            emit(place, Remove(named))
        else:
            push(place, rng.choice([OCI_MANIFEST, DOCKER_MANIFEST]), named)
    for place in places * 2:
        for other in places:
            place.hear_from(other)
    again = replay(places[0].heard, rng, wall)
    for place in places[1:]:
        assert place.rows() == places[0].rows()
    assert again.rows() == places[0].rows()
    latest = rows.presence(again.look(), "manifests", KEY.repository, KEY.name).latest
    assert listed_as(again) == ([] if latest is None else [OCI_MANIFEST])
