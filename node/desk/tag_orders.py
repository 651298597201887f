"""The tags of a repository in an order that their keys do not have, kept until one changes."""

import asyncio
from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from enum import StrEnum
from heapq import merge
from itertools import islice
from typing import Any, Final, NamedTuple

from cluster.model import Digest
from cluster.objects import Register
from node.desk.counts import ROWS_TOGETHER, RowReader
from node.desk.outlines import Outlines
from node.desk.pace import Pace
from node.desk.versions import version_rank
from node.index import keys, rows

TAGS_SORTED_MAX: Final = 50_000
"""Tags of a repository with more of them are given by name, or the latest."""

TAGS_BY_SIZE_MAX: Final = 10_000
"""Tags of a repository whose sizes are compared: each is read from a manifest."""

LATEST_MAX: Final = 10_000
"""The tags pushed last that are known of a repository with more than can be sorted."""

TAGS_REMEMBERED_MAX: Final = 100_000
"""Tags in all orders that are kept, some 100 bytes each."""

_LARGE: Final = 1000
"""Tags from which on one order is made at a time."""

_SORTED_TOGETHER: Final = 4000
"""Tags sorted in one go: five milliseconds."""


class TagSort(StrEnum):
    """How tags may be sorted."""

    VERSION = "version"
    PUSHED = "pushed"
    SIZE = "size"
    NAME = "name"


Rank = Callable[[str, int], Any]
"""The place of a tag by its name and a number of it, a stamp or a size: the larger comes first."""

RANKS: Final[Mapping[TagSort, Rank]] = {
    TagSort.VERSION: version_rank,
    TagSort.PUSHED: lambda tag, pushed: (pushed, tag),
    TagSort.SIZE: lambda tag, size: (size, tag),
}


_Placed = tuple[Any, int, str]
"""A rank, the number behind it, and the tag."""


class Unsortable(Exception):
    """There are more than *most*, which can be put in that order."""

    def __init__(self, most: int) -> None:
        super().__init__(f"more than {most} tags")
        self.most = most


class TagOrder(NamedTuple):
    """Tags in an order, with the number that each has in it."""

    rank: Rank
    tags: Sequence[str]
    numbers: Sequence[int]
    is_whole: bool
    """Whether all tags are in it, and not the latest alone."""

    def behind(self, place: tuple[int, str] | None) -> Iterator[tuple[int, str]]:
        """The tags behind a *place*, which is a number and a tag; without one all of them."""
        start = 0
        if place is not None:
            wanted = self.rank(place[1], place[0])
            start = bisect_right(
                range(len(self.tags)), False, key=lambda at: self._rank_at(at) < wanted
            )
        for at in range(start, len(self.tags)):
            yield self.numbers[at], self.tags[at]

    def _rank_at(self, at: int) -> Any:
        return self.rank(self.tags[at], self.numbers[at])


class TagOrders:
    """The orders that were asked for last. Belongs to one event loop."""

    def __init__(self, rows_of: RowReader, outlines: Outlines) -> None:
        self._rows = rows_of
        self._outlines = outlines
        self._kept: OrderedDict[tuple[str, TagSort], TagOrder] = OrderedDict()
        self._tags_kept = 0
        self._making: dict[str, int] = {}
        """What is being read, and how often it has changed meanwhile."""
        self._alone = asyncio.Lock()

    def forget(self, names: Iterable[str] | None) -> None:
        """The rows of these repositories have changed; None: of all."""
        for name in list(self._making) if names is None else names:
            if name in self._making:
                self._making[name] += 1
        if not self._kept:
            return
        changed = {name for name, _ in self._kept} if names is None else names
        for name in changed:
            for sort in RANKS:
                self._drop((name, sort))

    def _drop(self, key: tuple[str, TagSort]) -> None:
        order = self._kept.pop(key, None)
        if order is not None:
            self._tags_kept -= len(order.tags)

    async def get(self, repository: str, sort: TagSort, tags: int | None) -> TagOrder:
        """
        The tags that are in *repository* now, so sorted.

        Args:
            tags: how many it has, as far as they are counted; None: they are not.

        Raises:
            Unsortable: they cannot be.
        """
        key = repository, sort
        if (found := self._known(key)) is not None:
            return found
        most, is_large = _most(sort), tags is None or tags > _LARGE
        if tags is not None and tags > most and sort is not TagSort.PUSHED:
            raise Unsortable(most)  # Noticed by reading them, it would take a second, each time.
        turn: AbstractAsyncContextManager[object] = self._alone if is_large else nullcontext()
        async with turn:
            if (found := self._known(key)) is not None:
                return found
            before = self._making.setdefault(repository, 0)
            try:
                made = await self._made(repository, sort)
                if self._making.get(repository) == before:
                    self._keep(key, made)
            finally:
                self._making.pop(repository, None)
        return made

    def _known(self, key: tuple[str, TagSort]) -> TagOrder | None:
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def _keep(self, key: tuple[str, TagSort], order: TagOrder) -> None:
        self._drop(key)
        self._kept[key] = order
        self._tags_kept += len(order.tags)
        while self._tags_kept > TAGS_REMEMBERED_MAX and len(self._kept) > 1:
            self._drop(next(iter(self._kept)))

    async def _made(self, repository: str, sort: TagSort) -> TagOrder:
        pace, prefix = Pace(), keys.join(repository)
        found: list[_Placed] = []
        rank, is_whole = RANKS[sort], True
        start, stop = prefix, keys.after(prefix)
        while page := self._rows.page("tags", start, stop, ROWS_TOGETHER):
            for key, row in page:
                winner = rows.decode(Register, row).winner
                if winner is None or winner.value is None:
                    continue
                tag, number = keys.split(key)[1], int(winner.stamp)
                if sort is TagSort.SIZE:
                    number = self._outlines.of(repository, Digest(winner.value)).size or 0
                    await pace.turn()
                found.append((rank(tag, number), number, tag))
            if len(found) > (_most(sort) if is_whole else 2 * LATEST_MAX):
                if sort is not TagSort.PUSHED:
                    raise Unsortable(_most(sort))
                found = await _descending(found, LATEST_MAX, pace)
                is_whole = False
            start = page[-1][0] + b"\0"
            await pace.turn()
        tags: list[str] = []
        numbers = array("Q")
        for _, number, tag in await _descending(found, None if is_whole else LATEST_MAX, pace):
            tags.append(tag)
            numbers.append(number)
        await pace.turn()
        return TagOrder(rank, tags, numbers, is_whole)


def _most(sort: TagSort) -> int:
    match sort:
        case TagSort.SIZE:
            return TAGS_BY_SIZE_MAX
        case TagSort.PUSHED | TagSort.VERSION | TagSort.NAME:
            return TAGS_SORTED_MAX


async def _descending(found: list[_Placed], limit: int | None, pace: Pace) -> list[_Placed]:
    """The largest first: parts are sorted in one go each, and then merged."""
    parts = []
    for start in range(0, len(found), _SORTED_TOGETHER):
        parts.append(sorted(found[start : start + _SORTED_TOGETHER], reverse=True))
        await pace.turn()
    merged: list[_Placed] = []
    for placed in islice(merge(*parts, reverse=True), limit):
        merged.append(placed)
        if len(merged) % ROWS_TOGETHER == 0:
            await pace.turn()
    return merged
