"""Finding an image by whatever somebody has of it."""

from collections.abc import Iterable, Iterator
from contextlib import aclosing
from enum import StrEnum
from heapq import heapify, heappop
from itertools import islice
from typing import Final, NamedTuple

from cluster.model import Digest
from cluster.objects import Register
from node.desk.catalogue import Catalogue, RepositorySort
from node.desk.counts import RowReader, is_present
from node.desk.keeper import CatalogueKeeper
from node.desk.pace import Pace
from node.desk.pasted import Asked, parse_pasted
from node.desk.repositories import CANDIDATES_MAX, NARROW, containing, counting_note, walk
from node.desk.sight import Sight
from node.index import keys, rows
from node.registry.access import Access
from node.registry.ports import Gate, SettingReader
from node.registry.usecase import UseCase

HITS_MAX: Final = 50
"""Hits of one answer."""

LATEST_LOOKED_AT: Final = 1000
"""Repositories, those that were pushed to last, in which a tag or a digest without a name is looked
for: there is no list of all tags of a registry."""

NAMED_LOOKED_AT: Final = 500
"""Images that name a digest which are looked at."""

_BY_TAG: Final = (
    f"Tags without a name were looked for in the {LATEST_LOOKED_AT:,} repositories "
    + ("pushed to last.")
)
_CHILD: Final = "child"
"""In a key of `named`, see `node.index.references`: an index names the digest."""


class HitKind(StrEnum):
    """What was found."""

    REPOSITORY = "repository"
    TAG = "tag"
    IMAGE = "image"
    """A manifest, by its digest."""


class Hit(NamedTuple):
    """Something that was found."""

    kind: HitKind
    repository: str
    tag: str = ""
    digest: str = ""


class SearchResult(NamedTuple):
    """What a search comes to."""

    hits: list[Hit]
    """The likeliest first."""

    exact: Hit | None
    """The one that is what was asked for; None: there is none, or there are several."""

    note: str
    """What is to be known of it, in words; empty: nothing."""


class Search(UseCase):
    """Looks in the names of repositories, and in rows by their keys. Belongs to one event loop."""

    def __init__(
        self, rows_of: RowReader, keeper: CatalogueKeeper, settings: SettingReader, gate: Gate
    ) -> None:
        super().__init__(settings, gate)
        self._rows = rows_of
        self._keeper = keeper

    async def find(self, text: str, access: Access) -> SearchResult:
        """What is like *text*, of what the caller may be told of."""
        await self.current()
        return await self.known(text, access)

    async def current(self) -> None:
        """Return once what this node knows is the latest; raises as `Gate.ensure_current` does."""
        await self._ensure_current()

    async def known(self, text: str, access: Access) -> SearchResult:
        """As `find`, as far as this node knows now."""
        await self._keeper.refresh()
        asked, pace, sight = parse_pasted(text), Pace(), Sight(access)
        notes = [counting_note(self._keeper, access)]
        hits: dict[Hit, None] = {}
        exact: Hit | None = None
        for reading in asked.readings:
            exact = exact or self._named(reading, sight)
        if exact is not None:
            hits[exact] = None
        if asked.digest:
            by_digest = await self._by_digest(asked.digest, sight, pace)
            hits |= dict.fromkeys(by_digest)
            whole = {hit for hit in by_digest if hit.digest == asked.digest}
            if exact is None and len(whole) == 1:
                [exact] = whole
        for reading in asked.readings[:1]:
            ranked, are_all = await self._ranked(reading.name, sight, pace)
            if not are_all:
                notes.append(NARROW)
            for name in islice(_seen(ranked, sight), HITS_MAX):
                hits[self._in(name, reading)] = None
            if "/" not in reading.name and not reading.tag and not reading.digest:
                hits |= dict.fromkeys(await self._by_tag(text.strip(), sight, pace))
                if exact is None:
                    notes.append(_BY_TAG)
        return SearchResult(list(hits)[:HITS_MAX], exact, " ".join(filter(None, notes)))

    def _named(self, asked: Asked, sight: Sight) -> Hit | None:
        """What is named in full, if it is there and may be seen."""
        if self._keeper.catalogue.get(asked.name) is None or not sight.sees(asked.name):
            return None
        hit = self._in(asked.name, asked)
        is_whole = hit.digest == asked.digest if asked.digest else hit.tag == asked.tag
        return hit if is_whole else None

    def _in(self, name: str, asked: Asked) -> Hit:
        """The tag or the digest that is asked for in a repository, or that alone."""
        if asked.digest and is_present(self._rows, name, asked.digest):
            return Hit(HitKind.IMAGE, name, digest=asked.digest)
        if asked.tag and not asked.digest and (digest := self._tagged(name, asked.tag)):
            return Hit(HitKind.TAG, name, asked.tag, digest)
        return Hit(HitKind.REPOSITORY, name)

    def _tagged(self, repository: str, tag: str) -> str:
        """What a tag points to; empty: it is not served."""
        row = self._rows.get("tags", keys.join(repository, tag))
        winner = None if row is None else rows.decode(Register, row).winner
        if winner is None or winner.value is None:
            return ""
        return winner.value if is_present(self._rows, repository, winner.value) else ""

    async def _ranked(self, text: str, sight: Sight, pace: Pace) -> tuple[Iterator[str], bool]:
        """Names that contain *text*, the likeliest first; and whether these are all."""
        if not text:
            return iter(()), True
        found = await containing(self._keeper.catalogue, text, sight, pace)
        await pace.turn()
        return likeliest(found[:CANDIDATES_MAX], text), len(found) <= CANDIDATES_MAX

    async def _by_tag(self, tag: str, sight: Sight, pace: Pace) -> list[Hit]:
        """Repositories that have a tag of that name, of those pushed to last."""
        found: list[Hit] = []
        if not tag.isascii() or "\0" in tag:
            return found
        for name in await latest(self._keeper.catalogue, sight, pace):
            digest = self._tagged(name, tag)
            if digest and sight.sees(name):
                found.append(Hit(HitKind.TAG, name, tag, digest))
            await pace.turn()
        return found

    async def _by_digest(self, begun: str, sight: Sight, pace: Pace) -> list[Hit]:
        """Images whose digest begins so, and those that have a blob whose digest does."""
        start, found = begun.encode(), list[Hit]()
        for key, _ in self._rows.page("named", start, start + b"\x7f", NAMED_LOOKED_AT):
            digest, repository, kind, parent = keys.split(key)
            if sight.sees(repository):
                image = digest if kind == _CHILD else parent
                found.append(Hit(HitKind.IMAGE, repository, digest=image))
        is_whole = is_digest(begun)
        for name in await latest(self._keeper.catalogue, sight, pace):
            # A look at one row takes a tenth of a search for the first ones.
            digests = [begun] if is_whole else self._digests_in(name, start)
            for digest in digests:
                if is_present(self._rows, name, digest) and sight.sees(name):
                    found.append(Hit(HitKind.IMAGE, name, digest=digest))
            await pace.turn()
        return found

    def _digests_in(self, repository: str, start: bytes) -> list[str]:
        """The first manifests of a repository whose digests begin with *start*."""
        prefix = keys.join(repository) + start
        page = self._rows.page("manifests", prefix, prefix + b"\x7f", 2)
        return [keys.split(key)[1] for key, _ in page]


def is_digest(text: str) -> bool:
    """Whether *text* is a whole digest."""
    try:
        Digest.parse(text)
    except ValueError:
        return False
    return True


async def latest(catalogue: Catalogue, sight: Sight, pace: Pace) -> list[str]:
    """The repositories pushed to last of those in whose projects the caller may see something."""
    found: list[str] = []
    async with aclosing(walk(catalogue, RepositorySort.PUSHED, None, sight, pace)) as walked:
        async for counts in walked:
            if len(found) == LATEST_LOOKED_AT:
                break
            found.append(counts.name)
    return found


def _seen(names: Iterable[str], sight: Sight) -> Iterator[str]:
    for name in names:
        if sight.is_worn:
            return
        if sight.sees(name):
            yield name


def likeliest(names: Iterable[str], text: str) -> Iterator[str]:
    """
    Those that contain *text*: that are it, or whose last component is; whose last component begins
    with it; any component of which does; the others. Of these the shortest first.
    """
    kinds: tuple[list[tuple[int, str]], ...] = ([], [], [], [])
    for name in names:
        kinds[_likeness(name, text)].append((len(name), name))
    for found in kinds:
        # Who asks takes the first few of thousands: the others need no order.
        heapify(found)
        while found:
            yield heappop(found)[1]


def _likeness(name: str, text: str) -> int:
    last = name[name.rfind("/") + 1 :]
    if text in (name, last):
        return 0
    if last.startswith(text):
        return 1
    return 2 if name.startswith(text) or f"/{text}" in name else 3
