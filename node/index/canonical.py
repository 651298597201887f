"""
What a row says, in a form that does not depend on how it is stored.

Sums are taken over this form, so a version that stores rows differently has the same sums. The form
has a number: nodes of different forms are not compared, and a migration makes the sums of a new
one. `tests/unit/index/test_canonical.py` has each family's form.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from cluster.model import Dot
from cluster.objects import Presence, Register
from node.index import rows
from node.index.rows import HistoryRow, HistoryTotalsRow, HolderRow, RepositoryRow

FORM: Final = 1

_ENCODER: Final = msgspec.msgpack.Encoder()


def form(family: str, value: bytes) -> bytes:
    """
    The canonical form of a row. Its key is canonical as it is: names with a 0x00 behind each.

    A row that cannot be read has one of its own, which no row that can be read has.
    """
    facts = _FACTS.get(family)
    if facts is None:
        return value
    try:
        return _ENCODER.encode(facts(value))
    except msgspec.MsgspecError:
        return b"\xc1" + value  # never used in MessagePack


def _presence(value: bytes) -> Any:
    state = rows.decode(Presence, value)
    pushes = [(*live.dot, live.stamp, live.note) for live in state.live]
    return pushes, _dots(state.awaited)


def _register(value: bytes) -> Any:
    state = rows.decode(Register, value)
    heads = [(*head.dot, head.stamp, head.value, *_who(head.who)) for head in state.heads]
    return heads, _dots(state.awaited)


def _write(value: bytes) -> Any:
    row = rows.decode(HistoryRow, value)
    return row.value, _dots(row.replaces), *_who(row.who)


def _writes(value: bytes) -> Any:
    row = rows.decode(HistoryTotalsRow, value)
    return row.writes, row.newest  # its oldest is a key, and follows from the history


def _repository(value: bytes) -> Any:
    row = rows.decode(RepositoryRow, value)
    return row.manifests, row.blobs


def _holder(value: bytes) -> Any:
    row = rows.decode(HolderRow, value)
    return row.held, row.size, row.stamp, row.epoch, row.seq


def _who(who: str) -> tuple[str, ...]:
    """What says who asked: nothing where nobody is named, as in rows of before there was a name."""
    return (who,) if who else ()


def _dots(dots: Iterable[Dot]) -> list[Any]:
    return [tuple(dot) for dot in dots]


_FACTS: Final[Mapping[str, Callable[[bytes], Any]]] = {
    "manifests": _presence,
    # The key has the digest, and nothing is stored before it is hashed: no need to do it twice.
    "manifest_bytes": lambda value: None,
    "blobs": _presence,
    "tags": _register,
    "history": _write,
    "histories": _writes,
    "repositories": _repository,
    "settings": _register,
    "holders": _holder,
}
"""Of every other shared family the value is empty, or a document that is served as it is."""
