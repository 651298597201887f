"""
The blobs that repositories have, and who has them: what is at stake when a node goes, what a change
of the layout moves, and which blobs have too few copies.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import Final, NamedTuple, Protocol

from cluster.layout import Layout, Live, Row
from cluster.model import Digest, Dot, NodeId, Region
from node.attention.facts import BlobSum, CopyPlaces, NodeCopies

_ROWS: Final = 128
"""Holder rows looked at between two turns of the event loop: some milliseconds."""

EXAMPLES_MAX: Final = 10

_REST: Final = 10
"""A look at all blobs is not repeated before so many times as long as it took have passed."""


class Holders(Protocol):
    """The holder rows of the index."""

    def held_by_after(
        self, node: NodeId | None, after: Digest | None, looked_at_max: int
    ) -> tuple[Sequence[tuple[Digest, int]], Digest | None]:
        """
        Blobs that *node* (None: somebody) said it holds, with their sizes, and the blob to go on
        after: those of the next *looked_at_max* rows, whoever made them, the last blob's rows all
        included.

        Raises:
            NotCaughtUp: the index does not say.
        """
        ...

    def holders(self, digest: Digest) -> Mapping[NodeId, Dot]:
        """Who said to hold the blob."""
        ...


class Repositories(Protocol):
    def repositories_with(self, digest: Digest) -> Iterator[str]:
        """The repositories that have the blob."""
        ...


class Present(Protocol):
    """The cluster, as far as it is connected."""

    def having(self, digest: Digest) -> Sequence[NodeId]:
        """The connected nodes that durably have the blob."""
        ...


async def rows(
    holders: Holders, repositories: Repositories, present: Present, node: NodeId
) -> AsyncGenerator[Row, None]:
    """
    The blobs that *node* said it holds, each with the nodes that have it and can be asked.

    A holder row of a member that is not connected is no copy: it may be gone for good. Blobs that
    no repository has any more are nobody's loss.

    Raises:
        NotCaughtUp, StorageFailure: the index does not say, or the disk.
    """

    def having(digest: Digest) -> Collection[NodeId]:
        return {node, *present.having(digest)}

    async with aclosing(_walk(holders, repositories, having, node)) as found:
        async for row in found:
            yield row


async def claimed(holders: Holders, repositories: Repositories) -> AsyncGenerator[Row, None]:
    """All blobs, each with the nodes that said they hold it, there or not; see `rows`."""

    def claiming(digest: Digest) -> Collection[NodeId]:
        return holders.holders(digest).keys()

    async with aclosing(_walk(holders, repositories, claiming, None)) as found:
        async for row in found:
            yield row


async def _walk(
    holders: Holders,
    repositories: Repositories,
    holders_of: Callable[[Digest], Collection[NodeId]],
    node: NodeId | None,
) -> AsyncGenerator[Row, None]:
    after: Digest | None = None
    while True:
        begun = time.monotonic()
        held, after = holders.held_by_after(node, after, _ROWS)
        for digest, size in held:
            if next(repositories.repositories_with(digest), None) is not None:
                yield Row(digest, size, holders_of(digest))
        if after is None:
            return
        # As long as the look itself took: others get half of the loop's time at least.
        await asyncio.sleep(time.monotonic() - begun)


class Shortfall(NamedTuple):
    """How the copies of all blobs are, on nodes that are there; sizes are bytes."""

    blobs: int
    bytes: int
    short: int
    """Blobs that are there, on fewer stores or in fewer regions than the layout asks for."""

    short_bytes: int
    gone: int
    """Blobs of which nobody who is there has a copy."""

    gone_bytes: int
    examples: tuple[Digest, ...]
    """Some of both kinds."""

    places: CopyPlaces = CopyPlaces()


class _Sums:
    """Adds up `CopyPlaces`."""

    def __init__(self, layout: Layout) -> None:
        self._region_of: dict[NodeId, Region] = {m.node: m.region for m in layout.members}
        self._draining = {m.node for m in layout.stores() if not m.keeps_copies}
        self._held: Counter[NodeId] = Counter()
        self._held_bytes: Counter[NodeId] = Counter()
        self._sole: Counter[NodeId] = Counter()
        self._sole_bytes: Counter[NodeId] = Counter()
        self._short: Counter[NodeId] = Counter()
        self._short_bytes: Counter[NodeId] = Counter()
        self._regions: Counter[Region] = Counter()
        self._regions_bytes: Counter[Region] = Counter()
        self._drained = self._drained_bytes = 0

    def add(self, row: Row, *, short: bool) -> None:
        """Count a blob, which has too few copies where it is *short*."""
        for node in row.holders:
            self._held[node] += 1
            self._held_bytes[node] += row.size
        if len(row.holders) == 1:
            [only] = row.holders
            self._sole[only] += 1
            self._sole_bytes[only] += row.size
        if short:
            self._add_short(row)

    def _add_short(self, row: Row) -> None:
        for node in row.holders:
            self._short[node] += 1
            self._short_bytes[node] += row.size
        for region in {self._region_of[n] for n in row.holders if n in self._region_of}:
            self._regions[region] += 1
            self._regions_bytes[region] += row.size
        if not self._draining.isdisjoint(row.holders):
            self._drained += 1
            self._drained_bytes += row.size

    def places(self, walk: int) -> CopyPlaces:
        nodes = {
            str(node): NodeCopies(
                BlobSum(held, self._held_bytes[node]),
                BlobSum(self._sole[node], self._sole_bytes[node]),
                BlobSum(self._short[node], self._short_bytes[node]),
            )
            for node, held in self._held.items()
        }
        regions = {
            str(region): BlobSum(blobs, self._regions_bytes[region])
            for region, blobs in self._regions.items()
        }
        return CopyPlaces(nodes, regions, BlobSum(self._drained, self._drained_bytes), walk)


class CopyCount:
    """Looks for blobs with too few copies. Who asks often gets the same answer for a while."""

    def __init__(
        self,
        holders: Holders,
        repositories: Repositories,
        present: Present,
        live: Callable[[], Live],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """*live* raises `NotDecided` while there is no layout."""
        self._rows = partial(_walk, holders, repositories, present.having, None)
        self._live = live
        self._now = now
        self._asking = asyncio.Lock()
        self._found: Shortfall | None = None
        self._walks = 0
        self._good_until = 0.0

    async def look(self) -> Shortfall:
        """
        How the copies are now, or were a moment ago.

        Raises:
            NotDecided, NotCaughtUp, StorageFailure: that cannot be told.
        """
        async with self._asking:
            if self._found is None or self._now() >= self._good_until:
                begun = self._now()
                self._found = await self._count()
                self._good_until = self._now() + _REST * (self._now() - begun)
            return self._found

    async def _count(self) -> Shortfall:
        layout = self._live().newest
        region_of = {m.node: m.region for m in layout.stores() if m.keeps_copies}
        copies = min(layout.settings.copies, len(region_of))
        regions = min(layout.settings.regions_min, len(set(region_of.values())))
        blobs = size = short = short_bytes = gone = gone_bytes = 0
        examples: list[Digest] = []
        sums = _Sums(layout)
        async with aclosing(self._rows()) as found:
            async for row in found:
                blobs, size = blobs + 1, size + row.size
                there = [region_of[node] for node in row.holders if node in region_of]
                enough = len(there) >= copies and len(set(there)) >= regions
                sums.add(row, short=not enough)
                if enough:
                    continue
                if row.holders:
                    short, short_bytes = short + 1, short_bytes + row.size
                else:
                    gone, gone_bytes = gone + 1, gone_bytes + row.size
                if len(examples) < EXAMPLES_MAX:
                    examples.append(row.digest)
        self._walks += 1
        places = sums.places(self._walks)
        return Shortfall(blobs, size, short, short_bytes, gone, gone_bytes, tuple(examples), places)
