"""What the parts of the desk are made over."""

from collections.abc import Callable, Mapping
from functools import partial

from cluster import Cluster, SystemClock, stamp_ms
from cluster.errors import BelowFloor, StorageFailure
from node import logs
from node.attention.service import Attention
from node.desk.catalogue_desk import CatalogueDesk
from node.desk.cluster import ClusterDesk, ClusterSources
from node.desk.series import Tally
from node.identity.authorizer import stranger_may_pull
from node.identity.service import Identity
from node.index.index import Index
from node.registry.ports import Gate, LocalBlobs
from node.settings import Settings


def catalogue_of(
    settings: Settings, index: Index, blobs: LocalBlobs, gate: Gate, identity: Identity
) -> CatalogueDesk:
    """Repositories, tags and search over *index*."""
    metadata = index.metadata
    return CatalogueDesk.over(
        metadata,
        metadata,
        metadata,
        metadata,
        index.changes,
        gate,
        blobs,
        (lambda _: True) if settings.is_open else partial(stranger_may_pull, identity.authorizer),
        logs.get_logger("desk"),
    )


def cluster_of(
    cluster: Cluster, index: Index, attention: Attention, tally: Callable[[], Tally]
) -> ClusterDesk:
    """Regions, nodes, what goes on, and the figures of this node."""
    layouts = cluster.layouts
    sources = ClusterSources(
        attention=attention,
        statistics=cluster.statistics,
        live=lambda: layouts.live,
        change=layouts.view,
        round_trips_s=partial(round_trips, cluster),
        written_at=partial(written_at, index),
        tally=tally,
        steady=SystemClock().now_s,
    )
    return ClusterDesk(sources)


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
