"""What `/metrics` tells of a node, read from its parts whenever somebody asks."""

from collections.abc import Mapping, Sequence

from cluster import Cluster
from cluster.model import Member, NodeId
from node.admin.figures import (
    ClockFigures,
    ConnectionFigures,
    DiskFigures,
    NodeFigures,
    RateFigures,
    StoreFigures,
)
from node.admin.metrics import OTHER_REGION, Metrics
from node.attention.facts import StorageFacts
from node.blobs.filesystem import FilesystemBlobs
from node.copies.mender import Mender
from node.disk.datadir import space_at
from node.http.listener import HttpListener
from node.http.throttle import RateThrottle
from node.identity.passwords import Passwords
from node.index.index import Index
from node.lifetime.vitals import version_here
from node.registry.uploads import Uploads
from node.settings import Settings
from node.shares.descriptors import Descriptors


def store_figures(
    index: Index, uploads: Uploads, blobs: FilesystemBlobs, mender: Mender
) -> StoreFigures:
    """Of index, uploads and blobs."""
    totals, files = index.journal.totals, blobs.statistics()
    count, size = blobs_on(index)
    return StoreFigures(
        uploads_open=uploads.open_count,
        blobs=count,
        blob_bytes=size,
        manifests=totals.manifests,
        quarantined=index.replica.quarantined(),
        index_paused=int(index.writer.failed is None and index.writer.trouble is not None),
        index_failed=int(index.writer.failed is not None),
        index_recoveries=index.journal.recoveries,
        blobs_checked=files.checked,
        blobs_damaged=files.damaged,
        blobs_restored=mender.restored,
        blobs_not_restored=mender.lost,
        blobs_set_aside=files.set_aside,
        blobs_hidden=files.hidden,
        disk_failures=files.disk_failures,
    )


def storage_facts(index: Index, blobs: FilesystemBlobs) -> StorageFacts:
    """What is aside on this node's disk."""
    files = blobs.statistics()
    return StorageFacts(index.replica.quarantined(), files.set_aside, files.hidden)


def blobs_on(index: Index) -> tuple[int, int]:
    """How many are on this node, and their bytes."""
    own, cached = index.journal.own, index.journal.cached
    return len(own) + len(cached), own.bytes + cached.bytes


def rate_figures(throttle: RateThrottle) -> RateFigures:
    """Of requests that came too often."""
    refused = throttle.refused
    return RateFigures(
        refused_address=refused["address"],
        refused_account=refused["account"],
        refused_pulls=refused["pulls"],
    )


def connection_figures(http: HttpListener, shares: Descriptors) -> ConnectionFigures:
    """Of the port of clients."""
    return ConnectionFigures(
        connections_open=http.server.connections_open,
        connections_closed=http.server.closed,
        connections_refused=http.server.refused,
        descriptors=shares.limit,
    )


def node_figures(settings: Settings, me: Member) -> NodeFigures:
    """Which node this is."""
    return NodeFigures(settings.cluster, me.node, me.region, me.zone, version_here() or "unknown")


def disk_figures(settings: Settings) -> DiskFigures | None:
    """Of the disk of the data directory; None where it does not say."""
    space = space_at(settings.data_dir)
    if not space.all:
        return None
    return DiskFigures(
        size_bytes=space.all,
        free_bytes=space.free,
        reserve_bytes=settings.disk_reserve_bytes,
    )


def clock_figures(cluster: Cluster) -> ClockFigures:
    """Of this node's clock."""
    return ClockFigures(clock_offset_s=cluster.clock_off_ms() / 1000)


def queue_lengths(cluster: Cluster, index: Index, passwords: Passwords) -> Mapping[str, int]:
    """What waits for its turn, by the name of the queue."""
    statistics = cluster.statistics()
    return {
        "index": index.writer.waiting,
        "fetches": statistics.fetches_waiting,
        "copies": statistics.replications_waiting,
        "log-ins": passwords.waiting,
    }


class Lateness:
    """Counts how late events of other nodes come, by the regions of those nodes."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._cluster: Cluster | None = None
        self._joined = False
        self._living: object = None
        self._regions: dict[NodeId, str] = {}
        """Of all that were there in this run: an event may come when its node is gone."""

    def follow(self, cluster: Cluster) -> None:
        """Begin. What comes before *cluster* has joined is its past, and not late."""
        self._cluster = cluster

    def __call__(self, late: Sequence[tuple[NodeId, float]]) -> None:
        """Count events that came together: who wrote each, and how late it came."""
        cluster = self._cluster
        if cluster is None:
            return
        if not self._joined:
            self._joined = cluster.is_joined()
            if not self._joined:
                return
        living = cluster.living()
        if living is not self._living:  # It is the same object for as long as nobody comes or goes.
            self._living = living
            self._regions.update((member.node, member.region) for member in living)
        for node, seconds in late:
            self._metrics.lag(self._regions.get(node, OTHER_REGION), seconds)
