"""The events that this node writes itself, each merged as it is made."""

from cluster.events import Body, Hold, Remove, Write
from cluster.gossip.merge import Presence
from cluster.model import Digest, Dot, Key, Stamp
from node.index import keys, objects, rows
from node.index.journal import Transaction
from node.index.rows import HolderRow


def emit(txn: Transaction, key: Key, body: Body, after: int = 0) -> Dot:
    """Log and merge a new event; its stamp is larger than *after*."""
    event = txn.new_event(key, body, Stamp(after))
    problem = objects.apply(txn, event)
    assert problem is None, f"this node's own event was quarantined: {problem}"
    return event.dot


def write_tag(txn: Transaction, repository: str, tag: str, value: Digest | None) -> Dot:
    """Point a tag at *value*, or delete it, in the place of every head there is."""
    state = objects.register(txn, repository, tag)
    after = max((head.stamp for head in state.heads), default=0)
    return emit(txn, Key(objects.TAG, repository, tag), Write(state.dots, value), after)


def remove(txn: Transaction, key: Key, state: Presence) -> Dot:
    """Delete an object that is present."""
    return emit(txn, key, Remove(state.dots), max(push.stamp for push in state.live))


def hold(txn: Transaction, digest: Digest, size: int) -> None:
    """Say that this node holds a blob, unless it has said so already, and of this disk."""
    known = _holding(txn, digest)
    if not known.held or not txn.stands(known.epoch, known.seq):
        emit(txn, Key(objects.HOLDER, "", digest), Hold(held=True, size=size), known.stamp)


def release(txn: Transaction, digest: Digest) -> None:
    """Take back that this node holds a blob, if it has said so."""
    known = _holding(txn, digest)
    if known.held:
        emit(txn, Key(objects.HOLDER, "", digest), Hold(held=False, size=0), known.stamp)


def _holding(txn: Transaction, digest: Digest) -> HolderRow:
    row = txn.get("holders", keys.join(digest, txn.origin.node))
    return objects.NOT_HELD if row is None else rows.decode(HolderRow, row)
