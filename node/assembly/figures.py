"""What `/metrics` tells of a node, read from its parts whenever somebody asks."""

from node.admin.figures import ConnectionFigures, RateFigures, StoreFigures
from node.attention.facts import StorageFacts
from node.blobs.filesystem import FilesystemBlobs
from node.copies.mender import Mender
from node.http.listener import HttpListener
from node.http.throttle import RateThrottle
from node.index.index import Index
from node.registry.uploads import Uploads
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
