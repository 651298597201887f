"""The page of a repository: its tags, and how to pull them."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from node.desk.repositories import RepositoryLine
from node.desk.tag_orders import TagSort
from node.desk.tag_table import TagFilter, TagPage, TagQuery, TagRow
from node.http.endpoint import Action, Request
from node.http.query import text, word
from node.registry.policy import project_of
from node.ui.context import UiContext
from node.ui.image_values import ShownStrip, strip
from node.ui.lists import Fact, ListColumn, PageLink, address, as_known, notes, sorting
from node.ui.page import Sheet, page
from node.ui.pull import pull_command, registry_name
from node.ui.references import IMAGES
from node.ui.repositories import PROJECTS
from node.ui.tabs import REPOSITORIES
from node.ui.text import byte_count, count

_QUERY: Final = text("q", "Only tags that contain this.")
_SORT: Final = word("sort", "How they are sorted.", TagSort, TagSort.VERSION)
_ONLY: Final = word("only", "Which are shown.", TagFilter, TagFilter.ALL)
_PLATFORM: Final = text("platform", "Only images for this one.")
_AFTER: Final = text("after", "Where the page before ended.")

_DIGEST_SHOWN: Final = len("sha256:") + 12

_ORDERS: Final = {
    TagSort.VERSION: "Moving tags, then versions by number, then the rest by time",
    TagSort.PUSHED: "From the one pushed last",
    TagSort.SIZE: "The largest first",
    TagSort.NAME: "By name",
}


class ShownTag(NamedTuple):
    """A tag, or an image without one, as the table has it."""

    tag: str
    """Empty: it has none."""

    href: str
    digest: str
    short: str
    aliases: Sequence[str]
    more_aliases: bool
    platforms: Sequence[str]
    size: int | None
    pushed: float
    """Seconds since 1970."""

    who: str
    conflict: bool
    where: ShownStrip | None
    """In which regions it is; None: that is not known yet."""

    command: str
    label: str
    """What is copied, for who hears the page."""


async def repository(context: UiContext, request: Request) -> Sheet:
    """The page. Who may pull may see it."""
    query, name = request.query(), request.repository
    asked = TagQuery(
        query.one(_QUERY) or "",
        query.one(_SORT),
        query.one(_ONLY),
        query.one(_PLATFORM) or "",
        query.one(_AFTER) or "",
    )
    desk, access = context.desk.catalogue, request.principal.access
    late = await as_known(desk.tags.current(name))
    found = await desk.tags.known(name, asked, access)
    line = await desk.repositories.line(name, access)
    registry = registry_name(context, request.http)
    path = f"{IMAGES}{name}"
    given = {
        "q": asked.text,
        "platform": asked.platform,
        "only": "" if asked.only is TagFilter.ALL else str(asked.only),
        "sort": str(found.sort),
    }
    places = await context.desk.replication.where([row.at(name) for row in found.rows])
    rows = [
        _shown(row, name, registry, strip(where))
        for row, where in zip(found.rows, places, strict=True)
    ]
    newest = next((row for row in rows if row.tag), None)
    values = {
        "name": name,
        "crumbs": [
            PageLink("Repositories", REPOSITORIES),
            PageLink(project_of(name), f"{PROJECTS}{project_of(name)}"),
        ],
        "facts": _facts(line),
        "conflicts": 0 if line is None else line.counts.conflicts,
        "only_conflicts": address(path, {"only": str(TagFilter.CONFLICT)}),
        "pull": newest.command if newest is not None else pull_command(registry, name),
        "query": given,
        "path": path,
        "columns": _columns(path, given),
        "rows": rows,
        "notes": notes(late, found.note),
        "order": _order(asked, found),
        "next": address(path, {**given, "after": found.after}) if found.after else "",
        "whole": path,
        "is_filtered": bool(asked.text or asked.platform or asked.after or given["only"]),
        "problem": "",
    }
    return Sheet(
        template="repository.html", title=name, values=values, terminal=f"atoll tags {name}"
    )


def _facts(line: RepositoryLine | None) -> list[Fact]:
    """None while they are being counted."""
    if line is None:
        return []
    counts = line.counts
    return [
        Fact(count(counts.tags), "tag" if counts.tags == 1 else "tags"),
        Fact(byte_count(counts.bytes), "of blobs"),
        Fact("Public" if line.public else "Private", ""),
    ]


def _columns(path: str, given: dict[str, str]) -> list[ListColumn]:
    return [
        sorting(path, given, "Tag", TagSort.VERSION, ascending=False),
        ListColumn("Platforms"),
        sorting(path, given, "Size", TagSort.SIZE, ascending=False, num=True),
        sorting(path, given, "Pushed", TagSort.PUSHED, ascending=False),
        ListColumn("Where"),
        ListColumn("Copy", hidden=True),
    ]


def _order(asked: TagQuery, found: TagPage) -> str:
    return "By digest" if asked.only is TagFilter.UNTAGGED else _ORDERS[found.sort]


def _shown(row: TagRow, name: str, registry: str, where: ShownStrip | None) -> ShownTag:
    reference = f"{name}:{row.tag}" if row.tag is not None else f"{name}@{row.digest}"
    return ShownTag(
        row.tag or "",
        f"/ui/i/{reference}",
        row.digest,
        row.digest[:_DIGEST_SHOWN],
        row.aliases,
        row.more_aliases,
        row.platforms,
        row.size,
        row.pushed_ms / 1000,
        row.who or "",
        row.conflict,
        where,
        pull_command(registry, reference),
        f"Copy pull command of {row.tag or row.digest[:_DIGEST_SHOWN]}",
    )


ENDPOINTS: Final = (
    page(
        Action.PAGE_REPOSITORY,
        f"{IMAGES}{{name}}",
        repository,
        "Show the tags of a repository, with what each points to.",
        route="/atoll/v1/repositories/{name}/@tags",
        tab=REPOSITORIES,
        parameters=(_QUERY, _ONLY, _PLATFORM, _SORT, _AFTER),
    ),
)
