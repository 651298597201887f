"""
Event bodies and their encoding (MessagePack).

A body names the dots it replaces or removes, so that merging needs no clock to be right. One with
more fields than this version knows is unreadable, not half read.

The last field of what clients ask for is *who* asked (`model.WHO`). It is left out where it is
empty: so were the bodies of versions that did not know it.
"""

import heapq
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final, assert_never

import msgspec

from cluster.errors import EventUndecodable
from cluster.model import Dot, Event, Kind, Origin, plain


class Add(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """
    A push: the object is present under this event's dot, which stands for *replaces* too.

    *payload* is the registry's; the cluster never reads it. *needs* are events of other logs
    without which the object is of no use, as those that brought the blobs of a manifest: one of
    each log at most, the last.
    """

    replaces: tuple[Dot, ...]
    payload: bytes
    needs: tuple[Dot, ...] = ()
    who: str = ""


class Remove(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """
    A delete: these dots are gone. What it had not seen is deleted as far as `merge.Deletion` says,
    but for *seen_only*.
    """

    dots: tuple[Dot, ...]
    seen_only: bool = False
    who: str = ""


class Write(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A register write: *value* (None deletes) takes the place of the writes in *replaces*."""

    replaces: tuple[Dot, ...]
    value: str | None
    who: str = ""


class Hold(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """
    The event's node holds (or no longer holds) the blob named by the key.

    Sizes in bytes.
    """

    held: bool
    size: int


Body = Add | Remove | Write | Hold

_KINDS: Final[dict[type[Body], Kind]] = {
    Add: Kind.ADD,
    Remove: Kind.REMOVE,
    Write: Kind.WRITE,
    Hold: Kind.HOLD,
}
_DECODERS: Final[dict[str, msgspec.msgpack.Decoder[Body]]] = {
    kind: msgspec.msgpack.Decoder(body_type) for body_type, kind in _KINDS.items()
}
_EVENT: Final = msgspec.msgpack.Decoder(Event)
_ENCODER: Final = msgspec.msgpack.Encoder(enc_hook=plain)


def kind_of(body: Body) -> str:
    """The event kind that carries *body*."""
    return _KINDS[type(body)].value


def builds_on(body: Body) -> tuple[Dot, ...]:
    """
    The events whose outcome *body* takes for known: what it replaces, removes or needs.

    Applied before one of the former, it would uncover what that one had hidden: a deletion of the
    latest write, say, lets the one before it be seen. And who has a push has to have all that it
    takes to serve it: only then is it a copy.
    """
    match body:
        case Add(replaces, _, needs):
            return (*replaces, *needs)
        case Write(replaces, _):
            return replaces
        case Remove(dots):
            return dots
        case Hold():
            return ()
        case _:
            assert_never(body)


def asked_by(body: Body, who: str) -> Body:
    """*body* with who asked for it; a `Hold` is a node's word of itself, and stays as it is."""
    return body if isinstance(body, Hold) else msgspec.structs.replace(body, who=who)


def encode_body(body: Body) -> bytes:
    if isinstance(body, Hold) or body.who:
        return _ENCODER.encode(body)
    *others, _ = msgspec.structs.astuple(body)
    return _ENCODER.encode(others)


def decode_body(event: Event) -> Body:
    """
    Decode an event's body by its kind.

    Raises:
        EventUndecodable: the kind is unknown or the body does not fit it.
    """
    decoder = _DECODERS.get(event.kind)
    if decoder is None:
        raise EventUndecodable(event.dot, f"unknown kind {event.kind!r}")
    try:
        return decoder.decode(event.body)
    except msgspec.MsgspecError as exc:
        raise EventUndecodable(event.dot, str(exc)) from exc


def encode_event(event: Event) -> bytes:
    """The form in which an event is stored in the log."""
    return _ENCODER.encode(event)


def decode_event(data: bytes) -> Event:
    """Inverse of `encode_event`; raises `msgspec.MsgspecError` on corrupt rows."""
    return _EVENT.decode(data)


def changes(events: Iterable[Event]) -> Iterator[list[Event]]:
    """
    The events of each change, in the order in which the changes end.

    Those of which the end is missing come last; their last event has a *rest*.
    """
    begun: dict[Origin, list[Event]] = {}
    for event in events:
        begun.setdefault(event.origin, []).append(event)
        if not event.rest:
            yield begun.pop(event.origin)
    yield from begun.values()


def in_causal_order(logs: Iterable[Iterable[Event]]) -> Iterator[Event]:
    """
    The events of several logs, each change whole, behind those that it builds on, as far as those
    are among them.

    Who makes a change has observed the stamps of what it builds on, so its own are larger
    (Kulkarni et al., "Logical Physical Clocks", 2014): by stamp is an order that will do.
    """
    ahead = heapq.merge(*map(changes, logs), key=lambda change: (change[-1].stamp, change[-1].dot))
    return chain.from_iterable(ahead)
