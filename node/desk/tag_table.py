"""The tags of a repository, a page of rows at a time."""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, suppress
from enum import StrEnum
from typing import Final, NamedTuple

from cluster import COUNTER_BITS, stamp_ms
from cluster.model import Digest, Dot
from cluster.objects import Presence, Register, Version
from node.desk.counts import ROWS_TOGETHER, RowReader, is_present
from node.desk.keeper import CatalogueKeeper
from node.desk.outlines import Outline, Outlines
from node.desk.pace import Pace
from node.desk.platforms import Budget, Platforms
from node.desk.replication import ImageAt
from node.desk.tag_orders import (
    LATEST_MAX,
    TAGS_SORTED_MAX,
    TagOrder,
    TagOrders,
    TagSort,
    Unsortable,
)
from node.errors import NameUnknown
from node.index import keys, rows
from node.registry.access import Access
from node.registry.names import RepositoryName
from node.registry.ports import Gate, ListingReader, SettingReader
from node.registry.usecase import UseCase

PAGE_MAX: Final = 50
"""Rows of one page."""

ALIASES_MAX: Final = 5
"""Other tags of one digest that a row names."""

NAMES_LOOKED_AT_MAX: Final = 5000
"""Tags whose names are looked at for one page: some 20 ms."""

IMAGES_LOOKED_AT_MAX: Final = 500
"""Tags whose images are looked at for one page."""

MANIFESTS_LOOKED_AT_MAX: Final = 5000
"""Manifests that are looked at for one page of those without a tag: likewise."""

CONFLICTS_MAX: Final = 10_000
"""Tags in conflict that a list of them has."""


class TagFilter(StrEnum):
    """Which rows are wanted."""

    ALL = "all"
    CONFLICT = "conflict"
    """Tags whose heads disagree."""

    UNTAGGED = "untagged"
    """Manifests that no tag points to, by digest."""


class TagQuery(NamedTuple):
    """What is asked for."""

    text: str = ""
    """What the tags contain, whatever its case."""

    sort: TagSort = TagSort.VERSION
    only: TagFilter = TagFilter.ALL
    platform: str = ""
    """`OS/ARCHITECTURE`, or with `/VARIANT`, that the image is for."""

    after: str = ""
    """Where the page before ended, as it said."""

    limit: int = PAGE_MAX


class TagRow(NamedTuple):
    """A tag, or a manifest without one."""

    tag: str | None
    digest: Digest
    aliases: tuple[str, ...]
    """Other tags that point to the same digest, `ALIASES_MAX` at the most."""

    more_aliases: bool
    """Whether there are more of them."""

    platforms: tuple[str, ...]
    """What the image is for; none where that is not known here."""

    size: int | None
    """Bytes of all that the image leads to, each blob once; None where that is not known here."""

    pushed_ms: int
    """When it was pushed, by the clock of the node that took it: milliseconds since 1970."""

    who: str | None
    """Who pushed it; None where that was not noted, or the caller may not see it."""

    event: str
    """That of the push."""

    conflict: bool

    def at(self, repository: str) -> ImageAt:
        """What is asked of where it is."""
        return ImageAt(
            repository, self.digest, Dot.parse(self.event), self.pushed_ms << COUNTER_BITS
        )


class TagPage(NamedTuple):
    """Some rows."""

    rows: list[TagRow]
    after: str
    """What to go on behind; empty at the end."""

    sort: TagSort
    """How they are sorted: not always as it was asked for."""

    note: str
    """What is to be known of it, in words; empty: nothing."""


_Place = tuple[int, str]


class TagTable(UseCase):
    """Reads the rows of tags. Belongs to one event loop."""

    def __init__(
        self,
        rows_of: RowReader,
        listings: ListingReader,
        settings: SettingReader,
        gate: Gate,
        outlines: Outlines,
        platforms: Platforms,
        orders: TagOrders,
        keeper: CatalogueKeeper,
    ) -> None:
        super().__init__(settings, gate)
        self._rows = rows_of
        self._listings = listings
        self._outlines = outlines
        self._platforms = platforms
        self._orders = orders
        self._keeper = keeper

    async def page(self, repository: RepositoryName, query: TagQuery, access: Access) -> TagPage:
        """
        The rows that *query* asks for, of a repository that the caller may pull from.

        Raises:
            NameUnknown: there is no such repository.
        """
        await self.current(repository)
        return await self.known(repository, query, access)

    async def current(self, repository: RepositoryName) -> None:
        """
        Return once what this node knows of *repository* is the latest; raises as
        `Gate.ensure_current` does.

        Raises:
            NameUnknown: there is no such repository.
        """
        exists = self._listings.repository_exists
        if not await self._look_up(repository, lambda: exists(repository) or None):
            raise NameUnknown(repository)

    async def known(self, repository: RepositoryName, query: TagQuery, access: Access) -> TagPage:
        """As `page`, as far as this node knows now."""
        if not self._listings.repository_exists(repository):
            raise NameUnknown(repository)
        self._keeper.look()  # an order of what was before is not used
        limit = max(1, min(query.limit, PAGE_MAX))
        shows_who = access.may_see_who(repository)
        if query.only is TagFilter.UNTAGGED:
            return await self._untagged(repository, query, limit)
        sort, order, note = await self._order(repository, query.sort)
        found: list[TagRow] = []
        images = 0
        last: _Place | None = None
        pace, budget = Pace(), Budget()
        wanted = _Wanted(query, await self._conflicts(repository, query.only, pace))
        looked = self._places(repository, order, query.after, wanted.by_name, pace)
        async with aclosing(looked) as places:
            async for place, is_enough in places:
                if is_enough:
                    return TagPage(found, _text(place), sort, _joined(note, _SOME_NAMES))
                if query.platform and (images >= IMAGES_LOOKED_AT_MAX or budget.is_spent):
                    return TagPage(found, _text(last), sort, _joined(note, _SOME_IMAGES))
                row = await self._row(repository, place[1], budget, shows_who=shows_who)
                await pace.turn()
                images += 1
                if row is not None and wanted.by_image(row):
                    if len(found) == limit:
                        return TagPage(found, _text(last), sort, note)
                    found.append(row)
                last = place
        return TagPage(found, "", sort, note)

    async def row(self, repository: str, tag: str, access: Access) -> TagRow | None:
        """That of one tag; None: it is not served. For who may pull from *repository*."""
        shows_who = access.may_see_who(repository)
        return await self._row(repository, tag, Budget(), shows_who=shows_who)

    async def _order(self, repository: str, sort: TagSort) -> tuple[TagSort, TagOrder | None, str]:
        """How it is sorted, the order (None: that of the keys), and what is to be known of it."""
        if sort is TagSort.NAME:
            return sort, None, ""
        counts = self._keeper.catalogue.get(repository)
        try:
            order = await self._orders.get(
                repository, sort, None if counts is None else counts.tags
            )
        except Unsortable as exc:
            return TagSort.NAME, None, f"More than {exc.most:,} tags: they are sorted by name."
        if order.is_whole:
            return sort, order, ""
        return (
            sort,
            order,
            f"More than {TAGS_SORTED_MAX:,} tags: these are the last {LATEST_MAX:,}.",
        )

    async def _places(
        self,
        repository: str,
        order: TagOrder | None,
        after: str,
        by_name: Callable[[str], bool],
        pace: Pace,
    ) -> AsyncGenerator[tuple[_Place, bool], None]:
        """
        The places behind *after*, which is none where it makes no sense, of tags that are wanted
        *by_name*; at the end perhaps one with True: so many were looked at that it is enough.
        """
        place = _place(after)
        looked_at = 0
        if order is not None:
            for each in order.behind(place):
                if by_name(each[1]):
                    yield each, False
                looked_at += 1
                if looked_at % ROWS_TOGETHER == 0:
                    await pace.turn()
            return
        prefix = keys.join(repository)
        start = prefix if place is None else keys.after(keys.join(repository, place[1]))
        stop = keys.after(prefix)
        while page := self._rows.page("tags", start, stop, ROWS_TOGETHER):
            for key, _ in page:
                tag = keys.split(key)[1]
                if by_name(tag):
                    yield (0, tag), False
                looked_at += 1
                if looked_at == NAMES_LOOKED_AT_MAX:
                    yield (0, tag), True
                    return
            start = page[-1][0] + b"\0"
            await pace.turn()

    async def _conflicts(
        self, repository: str, only: TagFilter, pace: Pace
    ) -> frozenset[str] | None:
        """The tags in conflict; None: it does not matter."""
        if only is not TagFilter.CONFLICT:
            return None
        found: list[str] = []
        prefix = keys.join(repository)
        start, stop = prefix, keys.after(prefix)
        while page := self._rows.page("conflicts", start, stop, ROWS_TOGETHER):
            found += [keys.split(key)[1] for key, _ in page]
            if len(found) >= CONFLICTS_MAX:
                break
            start = page[-1][0] + b"\0"
            await pace.turn()
        return frozenset(found)

    async def _row(
        self, repository: str, tag: str, budget: Budget, *, shows_who: bool
    ) -> TagRow | None:
        register = self._register(repository, tag)
        winner = register.winner
        if winner is None or winner.value is None:
            return None
        digest = Digest(winner.value)
        if not is_present(self._rows, repository, digest):
            return None
        aliases, more = self._aliases(repository, digest, tag)
        outline = self._outlines.of(repository, digest)
        return TagRow(
            tag,
            digest,
            aliases,
            more,
            await self._platforms_of(outline, budget),
            outline.size,
            stamp_ms(winner.stamp),
            _who(winner) if shows_who else None,
            str(winner.dot),
            register.conflict,
        )

    async def _platforms_of(self, outline: Outline, budget: Budget) -> tuple[str, ...]:
        if outline.config is None:
            return outline.platforms
        platform = await self._platforms.of(outline.config, budget)
        return (platform,) if platform else ()

    def _register(self, repository: str, tag: str) -> Register:
        row = self._rows.get("tags", keys.join(repository, tag))
        return Register() if row is None else rows.decode(Register, row)

    def _aliases(self, repository: str, digest: str, tag: str) -> tuple[tuple[str, ...], bool]:
        prefix = keys.join(repository, digest)
        page = self._rows.page("tagged", prefix, keys.after(prefix), ALIASES_MAX + 2)
        others = [name for key, _ in page if (name := keys.split(key)[2]) != tag]
        served = [name for name in others if self._points_to(repository, name, digest)]
        return tuple(served[:ALIASES_MAX]), len(others) > ALIASES_MAX

    def _points_to(self, repository: str, tag: str, digest: str) -> bool:
        winner = self._register(repository, tag).winner
        return winner is not None and winner.value == digest

    async def _untagged(self, repository: str, query: TagQuery, limit: int) -> TagPage:
        found: list[TagRow] = []
        pace, budget, looked_at, prefix = Pace(), Budget(), 0, keys.join(repository)
        start, stop, last = prefix, keys.after(prefix), ""
        with suppress(ValueError):
            if query.after:
                last = Digest.parse(query.after)
                start = keys.after(keys.join(repository, last))
        # Both have the order of digests, so one look at a row of each tells what has no tag.
        tagged = self._tagged(repository, start)
        has_tag = next(tagged, None)
        while page := self._rows.page("manifests", start, stop, ROWS_TOGETHER):
            for key, row in page:
                if len(found) == limit or looked_at == MANIFESTS_LOOKED_AT_MAX:
                    note = "" if len(found) == limit else _SOME_MANIFESTS
                    return TagPage(found, last, TagSort.NAME, note)
                looked_at += 1
                last = keys.split(key)[1]
                while has_tag is not None and has_tag < last:
                    has_tag = next(tagged, None)
                if has_tag == last:
                    continue
                untagged = await self._without_tag(repository, Digest(last), row, budget)
                if untagged is not None and _has(untagged, query):
                    found.append(untagged)
                await pace.turn()
            start = page[-1][0] + b"\0"
            await pace.turn()
        return TagPage(found, "", TagSort.NAME, "")

    def _tagged(self, repository: str, start: bytes) -> Iterator[str]:
        """The digests from *start* on that a tag points to, in their order."""
        stop = keys.after(keys.join(repository))
        while page := self._rows.page("tagged", start, stop, ROWS_TOGETHER):
            digest = ""
            for key, _ in page:
                before, digest = digest, keys.split(key)[1]
                if digest != before:
                    yield digest
            # One may have as many tags as there are.
            start = keys.after(keys.join(repository, digest))

    async def _without_tag(
        self, repository: str, digest: Digest, row: bytes, budget: Budget
    ) -> TagRow | None:
        """The row of a manifest that no tag points to; None: it is deleted."""
        latest = rows.decode(Presence, row).latest
        if latest is None:
            return None
        outline, pushed = self._outlines.of(repository, digest), stamp_ms(latest.stamp)
        platforms, event = await self._platforms_of(outline, budget), str(latest.dot)
        return TagRow(None, digest, (), False, platforms, outline.size, pushed, None, event, False)


_SOME_NAMES: Final = f"Another {NAMES_LOOKED_AT_MAX:,} names were looked at; it goes on."
_SOME_IMAGES: Final = f"Another {IMAGES_LOOKED_AT_MAX:,} images were looked at; it goes on."
_SOME_MANIFESTS: Final = f"Another {MANIFESTS_LOOKED_AT_MAX:,} were looked at; it goes on."


class _Wanted:
    """Whether a row is one that was asked for."""

    def __init__(self, query: TagQuery, conflicts: frozenset[str] | None) -> None:
        self._text = query.text.lower()
        self._conflicts = conflicts
        self._platform = query.platform

    def by_name(self, tag: str) -> bool:
        if self._text and self._text not in tag.lower():
            return False
        return self._conflicts is None or tag in self._conflicts

    def by_image(self, row: TagRow) -> bool:
        return _is_for(row, self._platform)


def _has(row: TagRow, query: TagQuery) -> bool:
    return query.text.lower() in row.digest and _is_for(row, query.platform)


def _is_for(row: TagRow, platform: str) -> bool:
    if not platform:
        return True
    return any(each == platform or each.startswith(f"{platform}/") for each in row.platforms)


def _who(version: Version) -> str | None:
    return version.who or None


def _place(after: str) -> _Place | None:
    number, colon, tag = after.partition(":")
    if not colon or not number.isascii() or not number.isdigit() or len(number) > 20:
        return None
    return int(number), tag


def _text(place: _Place | None) -> str:
    return "" if place is None else f"{place[0]}:{place[1]}"


def _joined(*notes: str) -> str:
    return " ".join(filter(None, notes))
