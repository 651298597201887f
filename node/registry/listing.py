"""Listings: tags, repositories, referrers. Every page is bounded and read from an iterator."""

from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

from cluster.model import Digest
from node.errors import NameUnknown
from node.registry.access import UNRESTRICTED, Access
from node.registry.names import RepositoryName
from node.registry.ports import Gate, ListingReader, SettingReader
from node.registry.usecase import UseCase
from node.registry.values import Page

HIDDEN_MAX: Final = 10_000
"""Names that the caller may not see, looked at for one page of those that they may: some 100 ms."""

PAGE_MAX: Final = 1000
"""Entries in one page, whatever the client asks for (CVE-2023-2253)."""


class ReferrersPage(NamedTuple):
    """Descriptors as JSON; *next_after* is the digest to continue after, None at the end."""

    descriptors: list[bytes]
    next_after: str | None


def visible(
    read: Callable[[str, int], Page],
    may_see: Callable[[str], bool],
    last: str,
    limit: int,
    *,
    hidden_max: int = HIDDEN_MAX,
) -> Page:
    """
    The first *limit* names behind *last* that *may_see* lets through, out of what *read* lists. A
    page may be shorter, or empty, and lead on: some *hidden_max* names at the most are looked at
    in vain.
    """
    found: list[str] = []
    hidden, after, step = 0, last, limit + 1
    while True:
        # One more than is wanted: whether there is more is said by what there is to see.
        page = read(after, step)
        for name in page.items:
            if not may_see(name):
                hidden += 1
            elif len(found) == limit:
                return Page(found, found[-1] if found else None)
            else:
                found.append(name)
        if page.next_after is None:
            return Page(found, None)
        after = page.next_after
        if hidden >= hidden_max or len(page.items) < step:  # the reader has looked at enough, too
            return Page(found, after)
        step = min(PAGE_MAX, hidden_max)


class Listing(UseCase):
    """Lists what is in the registry, as far as the connected nodes know."""

    def __init__(self, listings: ListingReader, settings: SettingReader, gate: Gate) -> None:
        super().__init__(settings, gate)
        self._listings = listings

    async def tags(self, repository: RepositoryName, last: str, limit: int) -> Page:
        """
        Tags behind *last*, in byte order.

        Raises:
            NameUnknown: there is no such repository.
        """
        exists = partial(self._listings.repository_exists, repository)
        if not await self._look_up(repository, lambda: exists() or None):
            raise NameUnknown(repository)
        return self._listings.tags(repository, last, min(limit, PAGE_MAX))

    async def repositories(self, last: str, limit: int, access: Access = UNRESTRICTED) -> Page:
        """
        Repositories with at least one manifest, behind *last*, in byte order: those that the caller
        may be told of.
        """
        await self._ensure_current()
        return visible(self._listings.repositories, access.may_list, last, min(limit, PAGE_MAX))

    async def referrers(
        self,
        repository: RepositoryName,
        subject: Digest,
        artifact_types: frozenset[str],
        last: str,
    ) -> ReferrersPage:
        """
        Manifests whose subject is *subject*, of one of *artifact_types* if there are any; an
        empty page when there are none.

        An empty first page asks the peers, as a missing tag does: a signature pushed a moment
        ago through another node must be found.
        """
        await self._ensure_current(repository)
        here = partial(
            self._listings.referrers, repository, subject, artifact_types, last, PAGE_MAX
        )
        page = ReferrersPage(*here())
        if not page.descriptors and not last:
            await self._gate.catch_up()
            page = ReferrersPage(*here())
        return page
