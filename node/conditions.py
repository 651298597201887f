"""
What must hold before a node may take traffic: one line for each condition.

What each part of the node has to say for itself is asked for at every `/readyz`, so nobody has to
remember to tell.
"""

from collections.abc import Callable

from cluster.agent import Cluster
from cluster.errors import StorageFull
from node.admin.health import Readiness
from node.index.opening import Index

_RESTORING = "taking over the index of another node"
_DAMAGED = "rows of the index are not what was written"


def watch(
    readiness: Readiness, index: Index, cluster: Cluster, check_room: Callable[[], None]
) -> None:
    """Have *readiness* look at the parts of a node. *check_room* raises when the disk is full."""
    readiness.watch("index", lambda: _why_failed(index))
    readiness.watch("index", lambda: _RESTORING if cluster.is_restoring() else None)
    readiness.watch("index", lambda: _DAMAGED if cluster.is_damaged() else None)
    readiness.watch("clock", lambda: _why_off(cluster))
    readiness.watch_writes("copies", lambda: _why_few(cluster))
    readiness.watch_writes("disk", lambda: _why_full(check_room))


def _why_failed(index: Index) -> str | None:
    return None if index.writer.failed is None else "the storage failed; restart the node"


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
