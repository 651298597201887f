"""A desk over an index, and what its counters have to be: read slowly, and in another way."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

from cluster.model import Digest
from cluster.ports import Clock
from node.assembly.settings import own_setting
from node.attention.service import Attention
from node.blobs.memory import MemoryBlobs
from node.desk.catalogue import RepositorySort
from node.desk.catalogue_desk import CatalogueDesk
from node.desk.cluster import ClusterDesk, ClusterSources
from node.desk.keeper import CatalogueKeeper
from node.desk.planner import Planner
from node.desk.plans import PlanBook
from node.desk.settings import OwnSetting, SettingsDesk
from node.index import keys, rows
from node.index.index import Index
from node.index.store import END
from node.logs import get_logger
from node.registry.access import UNRESTRICTED
from node.registry.ports import Gate, LocalBlobs
from node.settings import load
from node.settings.model import NAMES
from tests.fakes.log import MemoryLog
from tests.fakes.replicator import SoloReplicator, SoloView
from tests.fakes.solo_layouts import SoloLayouts

EVERYBODY: Final = UNRESTRICTED


def desk_over(index: Index, log: MemoryLog | None = None) -> CatalogueDesk:
    """A desk whose keeper nobody runs yet."""
    metadata = index.metadata
    return CatalogueDesk.over(
        metadata,
        metadata,
        metadata,
        metadata,
        index.observe,
        SoloReplicator(),
        MemoryBlobs(),
        lambda name: name.startswith("pub/"),
        log or MemoryLog(),
    )


@asynccontextmanager
async def running(index: Index, log: MemoryLog | None = None) -> AsyncIterator[CatalogueDesk]:
    """A desk that has counted what is in *index*, and goes on."""
    desk = desk_over(index, log)
    task = asyncio.create_task(desk.keeper.run())
    try:
        await counted(desk.keeper)
        yield desk
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def counting(
    index: Index, blobs: LocalBlobs, gate: Gate, is_public: Callable[[str], bool] | None
) -> AsyncIterator[CatalogueDesk]:
    """That of a whole registry, which counts from now on; None: all of it is public."""
    metadata = index.metadata
    catalogue = CatalogueDesk.over(
        metadata,
        metadata,
        metadata,
        metadata,
        index.observe,
        gate,
        blobs,
        is_public or (lambda _: True),
        get_logger("desk"),
    )
    task = asyncio.create_task(catalogue.keeper.run())
    try:
        yield catalogue
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def cluster_desk(
    attention: Attention, view: SoloView, layouts: SoloLayouts, wall: Clock
) -> ClusterDesk:
    """What is said of the nodes that a test sets."""
    return ClusterDesk(
        ClusterSources(
            attention=attention,
            statistics=view.statistics,
            live=lambda: layouts.live,
            change=layouts.view,
            entries=lambda: layouts.entries,
            planned=lambda: layouts.plans,
            round_trips_s=lambda: view.round_trips_s,
            written_at=view.written_at.get,
            tally=lambda: view.tally,
            steady=wall.now_s,
        )
    )


OWN_SETTINGS: Final = tuple(
    own_setting(load({"data_dir": "/var/lib/atoll", "node": "solo"}, {}), name) for name in NAMES
)
"""Those of a node that was given nothing else."""


def settings_desk(own: Sequence[OwnSetting], view: SoloView, layouts: SoloLayouts) -> SettingsDesk:
    """What is said of the settings of a node, and of the layout that a test sets."""
    return SettingsDesk(own, view.statistics, lambda: layouts.live)


def planner_of(
    layouts: SoloLayouts, view: SoloView, attention: Attention, book: PlanBook
) -> Planner:
    """What plans changes of the layout that a test sets."""
    return Planner(layouts, view.statistics, layouts.blobs, attention, book)


async def counted(keeper: CatalogueKeeper) -> None:
    """Return once all that was written before is counted."""
    async with asyncio.timeout(30):
        await keeper.wait_counted()


Counted = tuple[int, int, int, int]
"""Tags, bytes, the stamp of the last push, conflicts."""


def kept(keeper: CatalogueKeeper) -> dict[str, Counted]:
    """What the catalogue has; each of its orders has the same."""
    names = [each.name for each in keeper.catalogue.behind(RepositorySort.NAME, None)]
    for sort in RepositorySort:
        found = [each.name for each in keeper.catalogue.behind(sort, None)]
        assert sorted(found) == names == sorted(keeper.catalogue)
    counts = [keeper.catalogue.get(name) for name in names]
    return {
        each.name: (each.tags, each.bytes, each.pushed, each.conflicts) for each in counts if each
    }


def scanned(index: Index) -> dict[str, Counted]:
    """The same, by reading what clients read."""
    metadata, store = index.metadata, index.journal.store
    found: dict[str, Counted] = {}
    for name in metadata.repositories("", 1_000_000).items:
        linked = [keys.split(key) for key, _ in store.scan("blobs", b"", END)]
        size = sum(
            metadata.blob(name, Digest(digest)) or 0
            for repository, digest in linked
            if repository == name
        )
        pushed = max(
            rows.presence(metadata, "manifests", name, keys.split(key)[1]).latest.stamp
            for key, _ in store.scan("manifests", b"", END)
            if keys.split(key)[0] == name
            and rows.presence(metadata, "manifests", name, keys.split(key)[1]).present
        )
        conflicts, _ = metadata.conflicts(name, None, 1_000_000)
        tags = len(metadata.tags(name, "", 1_000_000).items)
        found[name] = (tags, size, pushed, len(conflicts))
    return found
