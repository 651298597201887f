"""
The repositories, counted and in order: what every list of them is read from.

The one owner of the counters. In memory, as a scan for each page would take seconds; some 300 bytes
for each repository, none for a tag.
"""

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Final

from node.desk.counts import RepositoryCounts
from node.desk.ordered import Ordered

_END: Final = "\n"
"""Stands behind each name in the joined text; no name has one."""


class RepositorySort(StrEnum):
    """How repositories may be sorted. All but names: the largest first, then by name."""

    NAME = "name"
    PUSHED = "pushed"
    SIZE = "size"
    TAGS = "tags"
    CONFLICTS = "conflicts"


Key = tuple[int, str]
"""The place of a repository in an order."""

KEYS: Final[Mapping[RepositorySort, Callable[[RepositoryCounts], Key]]] = {
    RepositorySort.NAME: lambda counts: (0, counts.name),
    RepositorySort.PUSHED: lambda counts: (-counts.pushed, counts.name),
    RepositorySort.SIZE: lambda counts: (-counts.bytes, counts.name),
    RepositorySort.TAGS: lambda counts: (-counts.tags, counts.name),
    RepositorySort.CONFLICTS: lambda counts: (-counts.conflicts, counts.name),
}


class Catalogue:
    """The counters of all repositories, by name and in each order. Belongs to one event loop."""

    def __init__(self) -> None:
        self._counts: dict[str, RepositoryCounts] = {}
        self._orders = {sort: Ordered[RepositoryCounts](key) for sort, key in KEYS.items()}
        self._text: str | None = _END

    def __len__(self) -> int:
        return len(self._counts)

    def __iter__(self) -> Iterator[str]:
        return iter(self._counts)

    def get(self, name: str) -> RepositoryCounts | None:
        """What is counted of a repository; None: there is none of that name."""
        return self._counts.get(name)

    def put(self, counts: RepositoryCounts) -> None:
        """Have *counts* in the place of what was counted of the same repository before."""
        before = self._counts.get(counts.name)
        if counts == before:
            return
        if before is None:
            self._text = None
        self._counts[counts.name] = counts
        for order in self._orders.values():
            if before is not None:
                order.remove(before)
            order.add(counts)

    def drop(self, name: str) -> None:
        """Have a repository no more, if it is there."""
        before = self._counts.pop(name, None)
        if before is not None:
            self._text = None
            for order in self._orders.values():
                order.remove(before)

    def behind(self, sort: RepositorySort, key: Key | None) -> Iterator[RepositoryCounts]:
        """Those behind *key* in that order. To be read without a pause: they may change in one."""
        return self._orders[sort].behind(key)

    def containing(self, text: str, behind: str = "") -> Iterator[str]:
        """
        Names that contain *text*, in byte order, those *behind* another one.

        One text of all names: 100,000 are 2 MB, and looking for what is not there takes a
        millisecond. Likewise to be read without a pause.
        """
        if _END in text:
            return
        joined = self._joined()
        at = 0
        if behind:
            follower = next(self.behind(RepositorySort.NAME, (0, behind)), None)
            if follower is None:
                return
            at = joined.index(f"{_END}{follower.name}{_END}")
        while (found := joined.find(text, at)) >= 0:
            start, end = joined.rfind(_END, 0, found + 1) + 1, joined.find(_END, found)
            yield joined[start:end]
            at = end

    def _joined(self) -> str:
        if self._text is None:
            names = (counts.name for counts in self.behind(RepositorySort.NAME, None))
            self._text = _END + "".join(f"{name}{_END}" for name in names)
        return self._text


def parse_key(text: str) -> Key | None:
    """The place that `key_text` wrote; None where it is none."""
    number, colon, name = text.partition(":")
    digits = number.removeprefix("-")
    if not colon or not digits.isascii() or not digits.isdigit() or len(digits) > 20:
        return None
    return int(number), name


def key_text(sort: RepositorySort, counts: RepositoryCounts) -> str:
    """A place in an order, for who goes on from there."""
    number, name = KEYS[sort](counts)
    return f"{number}:{name}"
