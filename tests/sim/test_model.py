"""The reference itself."""

from cluster.model import Dot, Event, Key
from cluster.objects.events import Add, Body, Remove, encode_body, kind_of
from tests.sim.model import UNSEEN, Model

KEY = Key("manifest", "lib/app", "sha256:" + "0" * 64)


def made(node: str, seq: int, stamp: int, body: Body) -> Event:
    return Event(Dot(node, 1, seq), stamp, kind_of(body), KEY, encode_body(body))


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
