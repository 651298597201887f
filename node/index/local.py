"""The events that this node writes itself, each merged as it is made."""

from collections.abc import Collection
from typing import Final

from cluster.model import Digest, Dot, Key, Stamp
from cluster.objects import Add, Body, Hold, Presence, Remove, Write
from node.index import keys, objects, rows
from node.index.journal import Transaction
from node.index.rows import HolderRow

_PRESENT_IN: Final = {objects.MANIFEST: "manifests", objects.BLOB: "blobs"}
_WRITTEN_IN: Final = {objects.TAG: "tags", objects.SETTING: "settings"}


def emit(txn: Transaction, key: Key, body: Body, after: int = 0) -> Dot:
    """Log and merge a new event; its stamp is larger than *after*."""
    event = txn.new_event(key, body, Stamp(after))
    problem = objects.apply(txn, event)
    assert problem is None, f"this node's own event was quarantined: {problem}"
    return event.dot


def push(txn: Transaction, key: Key, payload: bytes, needs: tuple[Dot, ...] = ()) -> Dot:
    """Make an object present; the push stands for those of it that are known here."""
    live = rows.presence(txn, _PRESENT_IN[key.collection], key.repository, key.name)
    after = max((earlier.stamp for earlier in live.live), default=0)
    return emit(txn, key, Add(live.dots, payload, needs), after)


def write(
    txn: Transaction, key: Key, value: str | None, *, instead_of: Collection[Dot] | None = None
) -> Dot:
    """
    Set a tag or a setting, or delete it with None, in the place of every head there is, or of those
    of *instead_of* alone.
    """
    heads = rows.register(txn, _WRITTEN_IN[key.collection], key.repository, key.name).heads
    if instead_of is not None:
        heads = tuple(head for head in heads if head.dot in instead_of)
    after = max((head.stamp for head in heads), default=0)
    return emit(txn, key, Write(tuple(head.dot for head in heads), value), after)


def remove(txn: Transaction, key: Key, state: Presence, *, seen_only: bool = False) -> Dot:
    """Delete an object that is present; what somebody else pushed unseen stays with *seen_only*."""
    body = Remove(state.dots, seen_only)
    return emit(txn, key, body, max(push.stamp for push in state.live))


def hold(txn: Transaction, digest: Digest, size: int) -> None:
    """Say that this node holds a blob, unless it has said so already, and of this disk."""
    known = _holding(txn, digest)
    if not known.held or not txn.stands(known.epoch, known.seq):
        emit(txn, Key(objects.HOLDER, "", digest), Hold(held=True, size=size), known.stamp)


def cache(txn: Transaction, digest: Digest, size: int) -> None:
    """Note that a blob is here, unless this node holds it: nobody else is told."""
    known = _holding(txn, digest)
    if not known.held or not txn.stands(known.epoch, known.seq):
        txn.put_cached(digest, size)


def release(txn: Transaction, digest: Digest) -> None:
    """The blob is not here: take back that this node holds it, if it has said so."""
    txn.put_cached(digest, None)
    known = _holding(txn, digest)
    if known.held:
        emit(txn, Key(objects.HOLDER, "", digest), Hold(held=False, size=0), known.stamp)


def _holding(txn: Transaction, digest: Digest) -> HolderRow:
    row = txn.get("holders", keys.join(digest, txn.origin.node))
    return objects.NOT_HELD if row is None else rows.decode(HolderRow, row)
