"""Repositories, tags and search, joined over the index."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from cluster.ports import Log
from node.desk.counts import RowReader
from node.desk.keeper import CatalogueKeeper
from node.desk.outlines import ManifestBodies, Outlines
from node.desk.platforms import Platforms
from node.desk.repositories import RepositoryList
from node.desk.search import Search
from node.desk.tag_orders import TagOrders
from node.desk.tag_table import TagTable
from node.index.worded import Observer
from node.registry.ports import Gate, ListingReader, LocalBlobs, SettingReader


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueDesk:
    """Repositories, their tags, and how they are found."""

    keeper: CatalogueKeeper
    """Its owner runs it: nothing is counted else."""

    repositories: RepositoryList
    tags: TagTable
    search: Search

    @classmethod
    def over(
        cls,
        rows_of: RowReader,
        bodies: ManifestBodies,
        listings: ListingReader,
        settings: SettingReader,
        observe: Callable[[Observer], None],
        gate: Gate,
        blobs: LocalBlobs,
        is_public: Callable[[str], bool],
        log: Log,
    ) -> Self:
        """
        Join its parts over the index.

        Args:
            observe: has its argument hear of all that is written from then on.
            is_public: whether everybody may pull from a repository.
        """
        outlines = Outlines(bodies)
        orders = TagOrders(rows_of, outlines)
        keeper = CatalogueKeeper(rows_of, observe, log)
        keeper.on_changed = orders.forget
        return cls(
            keeper=keeper,
            repositories=RepositoryList(keeper, settings, gate, is_public),
            tags=TagTable(
                rows_of, listings, settings, gate, outlines, Platforms(blobs), orders, keeper
            ),
            search=Search(rows_of, keeper, settings, gate),
        )
