"""The reference itself."""

import json
from typing import Any

import pytest

from cluster.model import Dot, Event, Key
from cluster.objects.events import Add, Body, Remove
from node.index import rows
from node.index.rows import ManifestPayload
from node.registry.media_types import OCI_INDEX
from tests.builders import an_event
from tests.sim.model import UNSEEN, Model

KEY = Key("manifest", "lib/app", "sha256:" + "0" * 64)


def made(node: str, seq: int, stamp: int, body: Body) -> Event:
    return an_event(Dot(node, 1, seq), KEY, body, stamp)


def test_an_old_push_goes_with_a_deletion_but_for_one_of_what_was_seen_only():
    """Broken: a list that a node removes takes a client's push of the same bytes along."""
    for seen_only in (False, True):
        events = [
            made("a", 1, 0, Add((), b"")),
            made("b", 1, 0, Add((), b"")),
            made("a", 2, 2 * UNSEEN, Remove((Dot("a", 1, 1),), seen_only)),
        ]
        present = ("manifest", (KEY.repository, KEY.name)) in Model(events, 9).present
        assert present is seen_only


def pushed(seq: int, name: str, document: dict[str, Any]) -> Event:
    payload = rows.encode(ManifestPayload(OCI_INDEX, json.dumps(document).encode()))
    body = Add((), payload)
    key = Key("manifest", "lib/app", name)
    return an_event(Dot("a", 1, seq), key, body, seq)


@pytest.mark.parametrize(
    ("deleted", "readable"),
    [
        pytest.param([], "index list image layer", id="nothing is deleted"),
        pytest.param(["image", "list"], "index list image layer", id="something names them"),
        pytest.param(["index", "list", "image"], "", id="nothing names it"),
        pytest.param(["index", "image"], "list image layer", id="one of two names it"),
    ],
)
def test_what_is_named_can_be_read(deleted: list[str], readable: str):
    """Broken: a child is gone while its index lives, or stays when that is gone."""
    events = [
        pushed(1, "image", {"config": {"digest": "layer"}}),
        pushed(2, "list", {"manifests": [{"digest": "image"}]}),
        pushed(3, "index", {"manifests": [{"digest": "list"}]}),
    ]
    dots = {event.key.name: event.dot for event in events}
    for seq, name in enumerate(deleted, 4):
        body = Remove((dots[name],))
        key = Key("manifest", "lib/app", name)
        events.append(an_event(Dot("a", 1, seq), key, body, seq))
    model = Model(events, 9)
    assert {name for _, (_, name) in model.readable} == set(readable.split())
    assert {name for _, (_, name) in model.present} == dots.keys() - set(deleted)
