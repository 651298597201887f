"""What the parts of the desk are made over."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from cluster import COUNTER_BITS, Cluster, SystemClock, stamp_ms
from cluster.errors import BelowFloor, StorageFailure
from cluster.layout import Entry
from node import logs
from node.admin.context import LayoutFace
from node.attention.service import Attention
from node.desk.activity import Activity
from node.desk.attached import AttachedThings
from node.desk.catalogue_desk import CatalogueDesk
from node.desk.cluster import ClusterDesk, ClusterSources
from node.desk.desk import Desk
from node.desk.images import Images
from node.desk.replication import ReplicaCluster, Replication
from node.desk.series import Tally
from node.desk.settings import SettingsDesk
from node.identity.authorizer import stranger_may_pull
from node.identity.service import Identity
from node.index.index import Index
from node.index.news import ImageNews, tails
from node.registry.ports import Gate, LocalBlobs
from node.registry.usecases import UseCases
from node.settings import Settings

_EVENTS_MAX: Final = 10_000
_BYTES_MAX: Final = 32 << 20
"""What is read of the logs at a start, of both: a tenth of a second."""


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
        index.observe,
        gate,
        blobs,
        (lambda _: True) if settings.is_open else partial(stranger_may_pull, identity.authorizer),
        logs.get_logger("desk"),
    )


def desk_of(
    catalogue: CatalogueDesk,
    nodes: ClusterDesk,
    settings: SettingsDesk,
    index: Index,
    registry: UseCases,
    cluster: ReplicaCluster,
    layouts: LayoutFace,
    now_ms: Callable[[], int],
) -> Desk:
    """All parts of the desk; those of images are made here."""
    metadata, pull = index.metadata, registry.pull
    activity = _activity_of(index, lambda: layouts.entries, now_ms)
    return Desk(
        catalogue=catalogue,
        images=Images(metadata, pull, activity.ring.tags_that_had),
        attached=AttachedThings(metadata, pull),
        replication=Replication(
            metadata,
            pull,
            cluster,
            lambda: layouts.live,
            index.words,
            now_ms,
            lambda digest: index.journal.cached.size(digest),
        ),
        activity=activity,
        cluster=nodes,
        settings=settings,
    )


def _activity_of(
    index: Index, decisions: Callable[[], Sequence[Entry]], now_ms: Callable[[], int]
) -> Activity:
    """What happened lately, by the ends of the logs, and from now on."""
    activity = Activity(index.metadata, decisions, now_ms)
    # First what comes from now on: so nothing is missing between the two.
    index.observe(ImageNews(activity.ring.add, activity.note_decided))
    if index.journal.restoring:
        activity.ring.start((), now_ms() << COUNTER_BITS)
    else:
        activity.ring.start(*tails(index.journal, _EVENTS_MAX, _BYTES_MAX))
    return activity


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
        entries=lambda: layouts.entries,
        planned=lambda: layouts.plans,
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
