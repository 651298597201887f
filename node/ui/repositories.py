"""The page of repositories."""

from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import quote

from node.desk.catalogue import RepositorySort
from node.desk.repositories import RepositoryLine, RepositoryQuery
from node.http.endpoint import Action, Request
from node.http.query import flag, text, word
from node.ui.context import UiContext
from node.ui.lists import ListColumn, address, as_known, notes, sorting
from node.ui.page import Sheet, page
from node.ui.references import IMAGES
from node.ui.tabs import REPOSITORIES

PROJECTS: Final = "/ui/p/"


QUERY: Final = text("q", "Only those whose names contain this.")
CONFLICT: Final = flag("conflict", "Only those with a tag whose heads disagree.")
SORT: Final = word("sort", "How they are sorted.", RepositorySort, RepositorySort.NAME)
AFTER: Final = text("after", "Where the page before ended.")


class ShownRepository(NamedTuple):
    """A repository, as the table has it."""

    name: str
    href: str
    tags: int
    bytes: int
    pushed: float
    """Seconds since 1970."""

    who: str
    conflicts: int
    public: bool


async def repositories(context: UiContext, request: Request) -> Sheet:
    """The page: those that somebody may see, as the API lists them."""
    query = request.query()
    asked = RepositoryQuery(
        query.one(QUERY) or "", query.one(SORT), query.one(CONFLICT), query.one(AFTER) or ""
    )
    late = await as_known(context.desk.catalogue.repositories.current())
    return await listed(context, request, asked, REPOSITORIES, "repositories.html", {}, late)


async def listed(
    context: UiContext,
    request: Request,
    asked: RepositoryQuery,
    path: str,
    template: str,
    more: Mapping[str, object],
    late: str,
) -> Sheet:
    """A page with a table of repositories, and what *more* its template names; *late* says it where
    the others did not answer."""
    found = await context.desk.catalogue.repositories.known(asked, request.principal.access)
    given = {
        "q": asked.text,
        "conflict": "true" if asked.in_conflict else "",
        "sort": str(asked.sort),
    }
    values = {
        "asked": asked.text,
        "query": given,
        "path": path,
        "columns": columns(path, given),
        "rows": [row_of(line) for line in found.lines],
        "notes": notes(late, found.note),
        "next": address(path, {**given, "after": found.after}) if found.after else "",
        "newest": address(path, {"sort": str(RepositorySort.PUSHED)}),
        "is_filtered": bool(asked.text or asked.in_conflict or asked.after),
        "problem": "",
        **more,
    }
    title = asked.project or "Repositories"
    return Sheet(template=template, title=title, values=values, terminal=_command(asked))


def columns(path: str, given: Mapping[str, str]) -> list[ListColumn]:
    """Those of the table."""
    return [
        sorting(path, given, "Repository", RepositorySort.NAME, ascending=True),
        sorting(path, given, "Tags", RepositorySort.TAGS, ascending=False, num=True),
        sorting(path, given, "Size", RepositorySort.SIZE, ascending=False, num=True),
        sorting(path, given, "Last push", RepositorySort.PUSHED, ascending=False),
        sorting(path, given, "Conflicts", RepositorySort.CONFLICTS, ascending=False, num=True),
        ListColumn("For"),
    ]


def row_of(line: RepositoryLine) -> ShownRepository:
    counts = line.counts
    return ShownRepository(
        counts.name,
        f"{IMAGES}{counts.name}",
        counts.tags,
        counts.bytes,
        line.pushed_ms / 1000,
        line.who or "",
        counts.conflicts,
        line.public,
    )


def _command(asked: RepositoryQuery) -> str:
    words = ["atoll repos"]
    if asked.text.isascii() and asked.text.replace("-", "").replace("/", "").isalnum():
        words.append(f"--containing {quote(asked.text, safe='/-')}")
    if asked.project:
        words.append(f"--project {asked.project}")
    if asked.in_conflict:
        words.append("--conflict")
    if asked.sort is not RepositorySort.NAME:
        words.append(f"--sort {asked.sort}")
    return " ".join(words)


ENDPOINTS: Final = (
    page(
        Action.PAGE_REPOSITORIES,
        REPOSITORIES,
        repositories,
        "Show the repositories that one may see, with what there is in each.",
        route="/atoll/v1/repositories",
        tab=REPOSITORIES,
        parameters=(QUERY, CONFLICT, SORT, AFTER),
    ),
)
