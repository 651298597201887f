"""The repositories that a caller may see, a page of rows at a time."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from itertools import islice, takewhile
from typing import Final, NamedTuple

from cluster import stamp_ms
from node.desk.catalogue import KEYS, Catalogue, Key, RepositorySort, key_text, parse_key
from node.desk.counts import RepositoryCounts
from node.desk.keeper import CatalogueKeeper
from node.desk.pace import Pace
from node.desk.sight import Sight
from node.registry.access import Access
from node.registry.ports import Gate, SettingReader
from node.registry.usecase import UseCase

ROWS_MAX: Final = 50
"""Rows of one page."""

CANDIDATES_MAX: Final = 3000
"""Names with the text that was asked for, which are sorted or ranked for one answer."""

NARROW: Final = "There are too many to look at: narrow it down."

_BUILDING: Final = (
    "The repositories are being counted: some are missing yet, and figures may be old."
)
_BEHIND: Final = "Some were written to a moment ago: their figures may be older."

_LOOKED_TOGETHER: Final = 2000
"""Repositories looked at between two looks at the time."""

_DIRTY_LOOKED_AT: Final = 100


class RepositoryQuery(NamedTuple):
    """What is asked for."""

    text: str = ""
    """What the names contain, whatever its case."""

    sort: RepositorySort = RepositorySort.NAME
    in_conflict: bool = False
    """Whether only those are wanted that have a tag whose heads disagree."""

    after: str = ""
    """Where the page before ended, as it said."""

    limit: int = ROWS_MAX
    project: str = ""
    """The one project that is wanted; empty: all."""


class RepositoryLine(NamedTuple):
    """A repository, as a list shows it."""

    counts: RepositoryCounts
    pushed_ms: int
    """When something was pushed there last, by the clock of the node that took it: milliseconds
    since 1970."""

    who: str | None
    """Who that was; None where that was not noted, or the caller may not see it."""

    public: bool
    """Whether everybody may pull from it."""


class RepositoryPage(NamedTuple):
    """Some of them."""

    lines: list[RepositoryLine]
    after: str
    """What to go on behind; empty at the end."""

    note: str
    """What is to be known of it, in words; empty: nothing."""


class RepositoryList(UseCase):
    """Reads what is counted. Belongs to one event loop."""

    def __init__(
        self,
        keeper: CatalogueKeeper,
        settings: SettingReader,
        gate: Gate,
        is_public: Callable[[str], bool],
    ) -> None:
        """*is_public* tells whether everybody may pull from a repository."""
        super().__init__(settings, gate)
        self._keeper = keeper
        self._is_public = is_public

    async def page(self, query: RepositoryQuery, access: Access) -> RepositoryPage:
        """The repositories that *query* asks for, of those that the caller may be told of."""
        await self.current()
        return await self.known(query, access)

    async def current(self) -> None:
        """Return once what this node knows is the latest; raises as `Gate.ensure_current` does."""
        await self._ensure_current()

    async def known(self, query: RepositoryQuery, access: Access) -> RepositoryPage:
        """As `page`, as far as this node knows now."""
        await self._keeper.refresh()
        sight = Sight(access, query.project)
        found: list[RepositoryCounts] = []
        note, limit = counting_note(self._keeper, access), max(1, min(query.limit, ROWS_MAX))
        async with aclosing(self._candidates(query, sight, Pace())) as candidates:
            async for counts in candidates:
                if counts is None or sight.is_worn:
                    after = key_text(query.sort, found[-1]) if found and counts is not None else ""
                    return self._page(found, sight, after, _joined(note, NARROW))
                if query.in_conflict and not counts.conflicts:
                    continue
                if not sight.sees(counts.name):
                    continue
                if len(found) == limit:
                    return self._page(found, sight, key_text(query.sort, found[-1]), note)
                found.append(counts)
        return self._page(found, sight, "", note)

    async def line(self, repository: str, access: Access) -> RepositoryLine | None:
        """What is counted of one that the caller may be told of; None: nothing is, yet."""
        await self._keeper.refresh()
        counts = self._keeper.catalogue.get(repository)
        if counts is None or not access.may_list(repository):
            return None
        return self._line(counts, Sight(access))

    def _page(
        self, found: list[RepositoryCounts], sight: Sight, after: str, note: str
    ) -> RepositoryPage:
        return RepositoryPage([self._line(counts, sight) for counts in found], after, note)

    def _line(self, counts: RepositoryCounts, sight: Sight) -> RepositoryLine:
        who = counts.who if counts.who and sight.sees_who(counts.name) else None
        return RepositoryLine(counts, stamp_ms(counts.pushed), who, self._is_public(counts.name))

    async def _candidates(
        self, query: RepositoryQuery, sight: Sight, pace: Pace
    ) -> AsyncGenerator[RepositoryCounts | None, None]:
        """Those that the caller may see or not, in that order; None: there are too many."""
        catalogue, place = self._keeper.catalogue, parse_key(query.after) if query.after else None
        key = KEYS[query.sort]
        if query.project and not query.text:
            mine = of_project(catalogue, query.project)
            if mine is not None:
                for counts in sorted(mine, key=key):
                    if (place is None or key(counts) > place) and sight.may_be_seen(counts.name):
                        yield counts
                return
        if not query.text:
            async with aclosing(walk(catalogue, query.sort, place, sight, pace)) as walked:
                async for counts in walked:
                    yield counts
            return
        names = await containing(catalogue, query.text, sight, pace)
        there = filter(None, map(catalogue.get, names[:CANDIDATES_MAX]))
        for counts in sorted(there, key=key):
            if place is None or key(counts) > place:
                yield counts
        if len(names) > CANDIDATES_MAX:
            yield None


async def walk(
    catalogue: Catalogue, sort: RepositorySort, place: Key | None, sight: Sight, pace: Pace
) -> AsyncGenerator[RepositoryCounts, None]:
    """Those behind *place* in that order, without what the caller surely may not see."""
    while True:
        page = list(islice(catalogue.behind(sort, place), _LOOKED_TOGETHER))
        for counts in page:
            if sight.may_be_seen(counts.name):
                yield counts
        if len(page) < _LOOKED_TOGETHER:
            return
        place = KEYS[sort](page[-1])
        await pace.turn()


def of_project(catalogue: Catalogue, project: str) -> list[RepositoryCounts] | None:
    """The repositories of a project, which are one behind the other by name, but for the one that
    has the project's name; None: there are more than are sorted for one answer."""
    begin, own = f"{project}/", catalogue.get(project)
    behind = catalogue.behind(RepositorySort.NAME, (0, begin))
    found = list(
        islice(takewhile(lambda each: each.name.startswith(begin), behind), CANDIDATES_MAX + 1)
    )
    if len(found) > CANDIDATES_MAX:
        return None
    return found if own is None else [own, *found]


async def containing(catalogue: Catalogue, text: str, sight: Sight, pace: Pace) -> list[str]:
    """
    Names that contain *text*, whatever its case, without what the caller surely may not see: at
    most one more than may be ranked. So hidden ones do not show in how many there are.
    """
    found: list[str] = []
    for looked_at, name in enumerate(catalogue.containing(text.lower())):
        if looked_at % _LOOKED_TOGETHER == 0:
            await pace.turn()  # the text of all names stays the one that it was
        if sight.may_be_seen(name):
            found.append(name)
            if len(found) > CANDIDATES_MAX:
                break
    return found


def counting_note(keeper: CatalogueKeeper, access: Access) -> str:
    """Why what is counted may not be what there is; empty: there is no reason that the caller may
    see."""
    if keeper.building:
        return _BUILDING
    if any(access.may_list(name) for name in islice(keeper.dirty, _DIRTY_LOOKED_AT)):
        return _BEHIND
    return ""


def _joined(*notes: str) -> str:
    return " ".join(filter(None, notes))
