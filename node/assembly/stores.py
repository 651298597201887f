"""Opening what a data directory has; what is in the way is a `StartupError`."""

import random
from contextlib import AsyncExitStack

from cluster import HybridClock, SystemClock
from cluster.errors import StorageFailure, StorageFull
from cluster.model import Event, NodeId
from node import logs
from node.blobs.config import BlobStoreConfig
from node.blobs.filesystem import FilesystemBlobs
from node.copies.holdings import Holdings
from node.errors.startup import StartupError
from node.index.index import Index, open_index
from node.recovery import former
from node.recovery.repair import Repair, open_store
from node.settings import Settings


def index_of(
    settings: Settings, name: NodeId, repair: Repair, clock: HybridClock, epoch_after: int
) -> Index:
    """
    Open the index of the node *name*: an empty one, where the last one was left behind. It begins
    an epoch behind *epoch_after*.

    Raises:
        StartupError: it cannot be used, or is not whole and *repair* allows nothing about it.
    """
    log = logs.get_logger("index")

    def on_quarantine(event: Event, reason: str) -> None:
        log.error("event quarantined", dot=str(event.dot), key=list(event.key), reason=reason)

    try:
        ended = former.part(settings.data_dir, log)
        store = open_store(
            settings.data_dir,
            repair,
            has_peers=bool(settings.seeds),
            log=log,
            memory_bytes=settings.index_memory_bytes,
        )
    except (StorageFailure, OSError) as exc:
        raise StartupError(str(exc)) from exc
    try:
        index = open_index(
            store,
            name,
            clock,
            SystemClock(),
            random.Random(),
            on_quarantine,
            ended=ended or (),
            epoch_after=epoch_after,
        )
    except StorageFailure as exc:
        store.close()
        raise StartupError(f"cannot use the index: {exc}") from exc
    except StartupError:
        store.close()
        raise
    if ended is not None:
        former.parted(settings.data_dir)
    return index


async def enter_blobs(stack: AsyncExitStack, settings: Settings, index: Index) -> FilesystemBlobs:
    """
    Open the blob store, as long as *stack* lasts, and remove what no upload will go on with.

    Raises:
        StartupError: it cannot be used.
    """
    config = BlobStoreConfig(
        threads=settings.blob_threads,
        reserve_bytes=settings.disk_reserve_bytes,
        verify_interval_s=settings.blob_verify_interval_s,
    )
    try:
        blobs = await stack.enter_async_context(FilesystemBlobs(settings.data_dir, config))
        removed = await blobs.recover({upload.id for upload in index.metadata.uploads()})
    except (StorageFailure, StorageFull) as exc:
        raise StartupError(f"cannot use the blob store: {exc}") from exc
    if removed:
        logs.get_logger("blobs").info("removed unfinished files", count=removed)
    return blobs


async def verify(holdings: Holdings) -> None:
    """
    Hold the index against the blobs; see `Holdings.verify`.

    Raises:
        StartupError: a disk could not tell.
    """
    try:
        await holdings.verify()
    except StorageFailure as exc:
        raise StartupError(f"cannot hold the index against the blobs: {exc}") from exc
