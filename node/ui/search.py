"""The page of a search. What is just what was asked for is opened at once."""

from typing import Final, NamedTuple

from aiohttp import web

from node.desk.search import Hit, HitKind
from node.errors import QueryInvalid
from node.http.endpoint import READING, Action, Request
from node.http.query import Single
from node.ui.context import UiContext
from node.ui.lists import ListColumn, address, as_known, notes
from node.ui.page import Sheet, gone_to, page
from node.ui.references import IMAGES
from node.ui.tabs import REPOSITORIES, SEARCH

_ASKED_MAX: Final = 2000

_KINDS: Final = {HitKind.REPOSITORY: "Repository", HitKind.TAG: "Tag", HitKind.IMAGE: "Image"}


class ShownHit(NamedTuple):
    """Something that was found, as the table has it."""

    kind: str
    text: str
    href: str
    digest: str


def _asked(given: str) -> str:
    if len(given) > _ASKED_MAX:
        raise QueryInvalid(f"q may have at most {_ASKED_MAX} characters")
    # A form of a page sends a space as a plus, and no reference has one.
    return given.replace("+", " ").strip()


_QUERY: Final = Single(name="q", doc="What is looked for.", parse=_asked, default="")


async def search(context: UiContext, request: Request) -> Sheet | web.StreamResponse:
    """The page, or the way to the one thing that was asked for."""
    asked, service = request.query().one(_QUERY), context.desk.catalogue.search
    late = await as_known(service.current())
    found = await service.known(asked, request.principal.access)
    if found.exact is not None:
        return gone_to(href_of(found.exact))
    values = {
        "asked": asked,
        "columns": [ListColumn("Found"), ListColumn("Kind"), ListColumn("Digest")],
        "rows": [
            ShownHit(_KINDS[hit.kind], text_of(hit), href_of(hit), hit.digest) for hit in found.hits
        ],
        "notes": notes(late, found.note),
        "newest": address(REPOSITORIES, {"sort": "pushed"}),
        "problem": "",
    }
    return Sheet(
        template="search.html", title="Search", values=values, terminal="atoll search TEXT"
    )


def text_of(hit: Hit) -> str:
    """As people write it."""
    if hit.kind is HitKind.IMAGE:
        return f"{hit.repository}@{hit.digest}"
    return f"{hit.repository}:{hit.tag}" if hit.tag else hit.repository


def href_of(hit: Hit) -> str:
    """The address of its page."""
    return f"{IMAGES}{text_of(hit)}"


ENDPOINTS: Final = (
    page(
        Action.PAGE_SEARCH,
        SEARCH,
        search,
        "Find an image by what one has of it.",
        route="/atoll/v1/search",
        tab=REPOSITORIES,
        parameters=(_QUERY,),
        errors=(*READING, QueryInvalid),
    ),
)
