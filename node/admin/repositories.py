"""The repositories that there are, and the tags of one: a page of rows each."""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, Literal

import msgspec
from aiohttp import web

from node.admin.answers import answer, document
from node.admin.context import AdminContext
from node.desk.catalogue import RepositorySort
from node.desk.moments import moment_of_ms
from node.desk.replication import Where
from node.desk.repositories import ROWS_MAX, RepositoryLine, RepositoryQuery
from node.desk.tag_orders import TagSort
from node.desk.tag_table import TagFilter, TagQuery, TagRow
from node.errors import PaginationInvalid, QueryInvalid
from node.http.endpoint import READING, Action, Endpoint, Request
from node.http.pages import link_to
from node.http.query import Single, flag, text, word

_NUMBER: Final = re.compile(r"[0-9]{1,9}")

REPOSITORIES: Final = "/atoll/v1/repositories"


class ListedRepository(msgspec.Struct):
    """A repository, and what there is in it."""

    name: str
    """Its name."""

    tags: int
    """Those that are served."""

    bytes: int
    """Of the blobs that are linked in it, each counted once. Blobs are shared between repositories:
    the sum of all is more than what lies on disks."""

    pushed: str
    """When an image was pushed there last, by the clock of the node that took it: UTC, to the
    millisecond."""

    who: str | None
    """Who that was; null where that was not noted, and for who may not see it."""

    conflicts: int
    """Tags whose heads disagree."""

    visibility: Literal["public", "private"]
    """Whether everybody may pull from it."""


class RepositoryPageDocument(msgspec.Struct):
    """A page of the repositories that the caller may see."""

    repositories: Sequence[ListedRepository]
    """In the order that was asked for."""

    note: str | None
    """What is to be known of the page, in words: that they are still being counted since the start
    of the node, say. Null where there is nothing."""


class ListedTag(msgspec.Struct):
    """A tag, or an image without one."""

    tag: str | None
    """Its name; null for an image without a tag."""

    digest: str
    """What it points to."""

    aliases: Sequence[str]
    """Other tags that point there; the first ones."""

    more_aliases: bool
    """Whether there are more of them."""

    platforms: Sequence[str]
    """What the image is for: what its index lists, without attestations, or what its configuration
    says, where that is on the node that is asked. Empty where it is not known."""

    bytes: int | None
    """Of all that the image leads to, each blob once; null where that is not known."""

    pushed: str
    """When it was pushed, by the clock of the node that took it: UTC, to the millisecond."""

    who: str | None
    """Who pushed it; null where that was not noted, and for who may not see it."""

    event: str
    """That of the push."""

    flags: Sequence[Literal["conflict", "untagged"]]
    """What is special: its heads disagree; it has no tag."""

    where: Where | None
    """How it stands in each region; null where that could not be told in time."""


class TagPageDocument(msgspec.Struct):
    """A page of the tags of a repository."""

    repository: str
    """Whose tags they are."""

    sort: TagSort
    """How they are sorted: what was asked for, if there are not too many for that."""

    tags: Sequence[ListedTag]
    """In that order."""

    note: str | None
    """What is to be known of the page, in words; null where there is nothing."""


def _limit(given: str) -> int:
    if not given:
        return ROWS_MAX
    if _NUMBER.fullmatch(given) is None:
        raise PaginationInvalid("n must be a number, one or more")
    return max(1, min(int(given), ROWS_MAX))


ROWS: Final = Single(
    name="n",
    doc=f"Rows in a page; more than {ROWS_MAX} are as {ROWS_MAX}.",
    parse=_limit,
    default=ROWS_MAX,
    schema={
        "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "maxLength": 0}],
        "default": ROWS_MAX,
    },
)

_AFTER: Final = text("after", "Where the page before ended: its `Link` says.")


_TEXT: Final = text("q", "Only those whose names contain this, whatever its case.")
_PROJECT: Final = text("project", "Only those of this project.")
_CONFLICT: Final = flag("conflict", "Only those with a tag whose heads disagree.")
_REPOSITORY_SORT: Final = word(
    "sort",
    "By `name`; by `pushed`, `size`, `tags` or `conflicts` with the largest first.",
    RepositorySort,
    RepositorySort.NAME,
)
_TAG_SORT: Final = word(
    "sort",
    "`version`: tags that move (`latest`, `2`, `2.14`), versions from the newest, the rest from "
    "the one pushed last. `pushed` and `size`: the largest first. `name`.",
    TagSort,
    TagSort.VERSION,
)
_ONLY: Final = word(
    "only",
    "`conflict`: tags whose heads disagree. `untagged`: images without a tag, by digest.",
    TagFilter,
    TagFilter.ALL,
)
_PLATFORM: Final = text(
    "platform", "Only images for this one: `OS/ARCHITECTURE`, or with `/VARIANT`."
)


async def repositories(context: AdminContext, request: Request) -> web.Response:
    """GET of the repositories that the caller may see."""
    query = request.query()
    asked = RepositoryQuery(
        query.one(_TEXT) or "",
        query.one(_REPOSITORY_SORT),
        query.one(_CONFLICT),
        query.one(_AFTER) or "",
        query.one(ROWS),
        query.one(_PROJECT) or "",
    )
    page = await context.desk.catalogue.repositories.page(asked, request.principal.access)
    fields: dict[str, str] = {}
    if page.after:
        conflict = "true" if asked.in_conflict else ""
        named = [("q", asked.text), ("project", asked.project), ("conflict", conflict)]
        fields = _link(REPOSITORIES, named, asked.sort, page.after, asked.limit)
    lines = [_line(line) for line in page.lines]
    return answer(RepositoryPageDocument(lines, page.note or None), fields)


async def repository_tags(context: AdminContext, request: Request) -> web.Response:
    """GET of the tags of a repository."""
    query, repository = request.query(), request.repository
    asked = TagQuery(
        query.one(_TEXT) or "",
        query.one(_TAG_SORT),
        query.one(_ONLY),
        query.one(_PLATFORM) or "",
        query.one(_AFTER) or "",
        query.one(ROWS),
    )
    access = request.principal.access
    page = await context.desk.catalogue.tags.page(repository, asked, access)
    fields: dict[str, str] = {}
    if page.after:
        only = "" if asked.only is TagFilter.ALL else str(asked.only)
        named = [("q", asked.text), ("only", only), ("platform", asked.platform)]
        path = f"{REPOSITORIES}/{repository}/@tags"
        fields = _link(path, named, asked.sort, page.after, asked.limit)
    places = await context.desk.replication.where([row.at(request.repository) for row in page.rows])
    rows = [_tag(row, where) for row, where in zip(page.rows, places, strict=True)]
    return answer(TagPageDocument(repository, page.sort, rows, page.note or None), fields)


def _link(
    path: str, named: Sequence[tuple[str, str]], sort: StrEnum, after: str, limit: int
) -> dict[str, str]:
    given = [(name, value) for name, value in named if value]
    return link_to(path, [*given, ("sort", str(sort)), ("after", after), ("n", str(limit))])


def _line(line: RepositoryLine) -> ListedRepository:
    counts = line.counts
    return ListedRepository(
        counts.name,
        counts.tags,
        counts.bytes,
        moment_of_ms(line.pushed_ms),
        line.who,
        counts.conflicts,
        "public" if line.public else "private",
    )


def _tag(row: TagRow, where: Where | None) -> ListedTag:
    flags: list[Literal["conflict", "untagged"]] = []
    if row.conflict:
        flags.append("conflict")
    if row.tag is None:
        flags.append("untagged")
    return ListedTag(
        row.tag,
        row.digest,
        row.aliases,
        row.more_aliases,
        row.platforms,
        row.size,
        moment_of_ms(row.pushed_ms),
        row.who,
        row.event,
        flags,
        where,
    )


ENDPOINTS: Final = (
    Endpoint(
        action=Action.REPOSITORIES,
        methods=("GET",),
        path=REPOSITORIES,
        handler=repositories,
        doc="List the repositories that one may see, with what there is in each.",
        parameters=(_TEXT, _PROJECT, _CONFLICT, _REPOSITORY_SORT, _AFTER, ROWS),
        answers=(document(200, "A page of them.", RepositoryPageDocument, "Link"),),
        errors=(*READING, PaginationInvalid, QueryInvalid),
    ),
    Endpoint(
        action=Action.REPOSITORY_TAGS,
        methods=("GET",),
        # No name and no tag has an @: with a word of letters in its place, the tags of `lib/tags`
        # would be where the tag of that name of `lib` is.
        path=f"{REPOSITORIES}/{{name}}/@tags",
        handler=repository_tags,
        doc="List the tags of a repository, with what each points to.",
        parameters=(_TEXT, _ONLY, _PLATFORM, _TAG_SORT, _AFTER, ROWS),
        answers=(document(200, "A page of them.", TagPageDocument, "Link"),),
        errors=(*READING, PaginationInvalid, QueryInvalid),
    ),
)
