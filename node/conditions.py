"""
What must hold before a node may take traffic: one line for each condition.

What each part of the node has to say for itself is asked for at every `/readyz`, so nobody has to
remember to tell.
"""

from collections.abc import Callable

from cluster import Cluster
from cluster.errors import StorageFull
from node.admin.health import Readiness
from node.blobs.filesystem import FilesystemBlobs
from node.errors import IndexDamaged, IndexFull
from node.index.opening import Index

_RESTORING = "taking over the index of another node"
_DAMAGED = "rows of the index are not what was written"


def watch(
    readiness: Readiness,
    index: Index,
    blobs: FilesystemBlobs,
    cluster: Cluster,
    check_room: Callable[[], None],
) -> None:
    """Have *readiness* look at the parts of a node. *check_room* raises when the disk is full."""
    readiness.watch("index", lambda: _why_failed(index))
    readiness.watch("index", lambda: _RESTORING if cluster.is_restoring() else None)
    readiness.watch("index", lambda: _DAMAGED if cluster.is_damaged() else None)
    readiness.watch("blobs", lambda: None if blobs.health.reads_work else blobs.health.failing)
    readiness.watch("cluster", cluster.why_not_joined)
    readiness.remark("join", lambda: _who_is_missing(cluster))
    readiness.watch("clock", lambda: _why_off(cluster))
    readiness.watch_writes("blobs", lambda: blobs.health.failing)
    readiness.watch_writes("copies", lambda: _why_few(cluster))
    readiness.watch_writes("index", lambda: _why_unwritable(index))
    readiness.watch_writes("disk", lambda: _why_full(check_room))


def _why_failed(index: Index) -> str | None:
    """Why the index can neither be read nor written, as far as is known."""
    trouble = index.writer.trouble
    if trouble is None or isinstance(trouble, IndexFull):
        unread = index.journal.store.read_failure
        return None if unread is None else f"a read failed: {unread}; look after the disk"
    if isinstance(trouble, IndexDamaged):
        return f"damaged: {trouble.reason}; start the node with --rebuild-index (docs/damage.md)"
    if index.writer.failed is not None:
        return f"the storage failed: {trouble}; look after the disk, then restart the node"
    return f"tries to go on: {trouble}"


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


def _why_few(cluster: Cluster) -> str | None:
    shortage = cluster.shortage()
    return None if shortage is None else str(shortage)


def _why_full(check_room: Callable[[], None]) -> str | None:
    try:
        check_room()
    except StorageFull as exc:
        return str(exc)
    return None
