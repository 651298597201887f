"""
What must hold before a node may take traffic: one line for each condition.

What each part of the node has to say for itself is asked for at every `/readyz`, so nobody has to
remember to tell.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

from cluster import ALLOWED, Act, Cluster, State
from cluster.errors import StorageFull
from node.blobs.filesystem import FilesystemBlobs
from node.errors import IndexDamaged, IndexFull
from node.index.index import Index
from node.lifetime.readiness import Readiness

_CONDITIONS: Final = {
    State.JOINING: "cluster",
    State.LACKING: "index",
    State.RESTORING: "index",
    State.DAMAGED: "index",
    State.FAILED: "index",
    State.STOPPING: "running",
}
"""Under which name `/readyz` tells of the states in which a node is sent no clients."""


def watch(
    readiness: Readiness,
    index: Index,
    blobs: FilesystemBlobs,
    cluster: Cluster,
    check_room: Callable[[], None],
) -> None:
    """
    Have the node's state and *readiness* look at its parts. *check_room* raises when the disk is
    full.
    """
    state = cluster.state
    state.watch(State.FAILED, lambda: _why_failed(index))
    for each in State:
        if Act.CLIENTS not in ALLOWED[each]:
            readiness.watch(_CONDITIONS[each], partial(state.why, each))
    without_room = {
        "index": lambda: _why_unwritable(index),
        "blobs": lambda: blobs.health.failing,
        "disk": lambda: _why_full(check_room),
    }
    for name, check in without_room.items():
        state.watch(State.FULL, check)
        readiness.watch_writes(name, check)
    readiness.watch("index", lambda: _why_paused(index))
    readiness.watch("blobs", lambda: None if blobs.health.reads_work else blobs.health.failing)
    readiness.remark("join", lambda: _who_is_missing(cluster))
    readiness.watch("cluster", lambda: _why_alone(cluster))
    readiness.watch("clock", lambda: _why_off(cluster))
    readiness.watch_writes("copies", lambda: _why_few(cluster))


def _why_failed(index: Index) -> str | None:
    """Why the index can neither be read nor written until somebody looks after it."""
    trouble = index.writer.trouble
    if trouble is None or isinstance(trouble, IndexFull):
        unread = index.journal.store.read_failure
        return None if unread is None else f"a read failed: {unread}; look after the disk"
    if isinstance(trouble, IndexDamaged):
        return f"damaged: {trouble.reason}; start the node with --rebuild-index (docs/damage.md)"
    if index.writer.failed is not None:
        return f"the storage failed: {trouble}; look after the disk, then restart the node"
    return None


def _why_paused(index: Index) -> str | None:
    """Why the index is in trouble, out of which it may find by itself."""
    trouble = index.writer.trouble
    for_good = isinstance(trouble, IndexFull | IndexDamaged) or index.writer.failed is not None
    return None if trouble is None or for_good else f"tries to go on: {trouble}"


def _why_unwritable(index: Index) -> str | None:
    """Why the index takes no writes, though it is read."""
    trouble = index.writer.trouble
    return str(trouble) if isinstance(trouble, IndexFull) else None


def _who_is_missing(cluster: Cluster) -> str | None:
    missing = sorted(cluster.seeds_missing().items())
    return "; ".join(f"{seed} does not answer: {reason}" for seed, reason in missing) or None


def _why_off(cluster: Cluster) -> str | None:
    off_ms = cluster.clock_off_ms()
    return f"{off_ms:.0f} ms off its members'" if off_ms else None


def _why_alone(cluster: Cluster) -> str | None:
    alone = cluster.is_proxy() and not cluster.servers()
    return "it answers through other members, and reaches none" if alone else None


def _why_few(cluster: Cluster) -> str | None:
    shortage = cluster.shortage()
    return None if shortage is None else str(shortage)


def _why_full(check_room: Callable[[], None]) -> str | None:
    try:
        check_room()
    except StorageFull as exc:
        return str(exc)
    return None
