"""Whom the desk asks."""

from collections.abc import Callable, Mapping
from functools import partial

from cluster import Cluster, SystemClock, stamp_ms
from cluster.errors import BelowFloor, StorageFailure
from node.attention.service import Attention
from node.desk.cluster import ClusterDesk, ClusterSources
from node.desk.desk import Desk
from node.desk.series import Tally
from node.index.index import Index


def desk_of(
    cluster: Cluster, index: Index, attention: Attention, tally: Callable[[], Tally]
) -> Desk:
    """All parts of the desk of this node."""
    layouts = cluster.layouts
    of_cluster = ClusterSources(
        attention=attention,
        statistics=cluster.statistics,
        live=lambda: layouts.live,
        change=layouts.view,
        entries=lambda: layouts.entries,
        planned=lambda: layouts.plans,
        round_trips_s=partial(round_trips, cluster),
        written_at=partial(written_at, index),
        tally=tally,
        steady=SystemClock().now_s,
    )
    return Desk(cluster=ClusterDesk(of_cluster))


def round_trips(cluster: Cluster) -> Mapping[str, float]:
    """Seconds to each connected node and back, as far as its greetings were measured."""
    measured = cluster.layouts.circumstances().distance
    return {node: seconds for (_, node), seconds in measured.items()}


def written_at(index: Index, events: int) -> float | None:
    """
    When the first of so many events, the last ones that this node wrote, was written, in seconds
    since 1970; None where it is not kept any more, or the disk fails.
    """
    replica = index.replica
    upto = replica.vector().get(replica.origin, 0)
    try:
        found = replica.events_after(replica.origin, max(0, upto - events), max_bytes=0)
    except (BelowFloor, StorageFailure):
        return None
    return stamp_ms(found[0].stamp) / 1000 if found else None
