"""Finding an image by whatever one has of it."""

from collections.abc import Sequence
from typing import Final

import msgspec
from aiohttp import web

from node.admin.answers import answer, document
from node.admin.context import AdminContext
from node.desk.search import Hit, HitKind
from node.errors import QueryInvalid
from node.http.endpoint import READING, Action, Endpoint, Request
from node.http.limits import SEARCH_TEXT
from node.http.query import Single


class FoundImage(msgspec.Struct):
    """A repository, a tag or an image."""

    kind: HitKind
    """Which of them."""

    repository: str
    """Where it is."""

    tag: str | None
    """Its name, of a tag."""

    digest: str | None
    """What a tag points to, or the image's; null for a repository."""


class SearchDocument(msgspec.Struct):
    """What was found, of what the caller may see."""

    hits: Sequence[FoundImage]
    """The likeliest first."""

    exact: FoundImage | None
    """The one that is what was asked for; null where there is none, or more than one."""

    note: str | None
    """What is to be known of it, in words; null where there is nothing."""


def _asked(given: str) -> str:
    if len(given) > SEARCH_TEXT.number:
        raise QueryInvalid(f"q may have at most {SEARCH_TEXT.number} characters")
    return given


_TEXT: Final = Single(
    name="q",
    doc="A repository, `NAME:TAG`, a digest or its beginning, a tag; or a whole line such as "
    "`docker pull HOST/NAME:TAG`.",
    parse=_asked,
    default="",
    schema={"type": "string", "maxLength": SEARCH_TEXT.number},
)


async def search(context: AdminContext, request: Request) -> web.Response:
    """GET of what is like a text."""
    # Spaces of a command come as %20: a bare plus is a plus (`node.http.query`).
    text = request.query().one(_TEXT)
    found = await context.desk.catalogue.search.find(text, request.principal.access)
    exact = None if found.exact is None else _hit(found.exact)
    return answer(SearchDocument([_hit(hit) for hit in found.hits], exact, found.note or None))


def _hit(hit: Hit) -> FoundImage:
    return FoundImage(hit.kind, hit.repository, hit.tag or None, hit.digest or None)


ENDPOINTS: Final = (
    Endpoint(
        action=Action.SEARCH,
        methods=("GET",),
        path="/atoll/v1/search",
        handler=search,
        doc="Find an image by what one has of it.",
        parameters=(_TEXT,),
        limits=(SEARCH_TEXT,),
        answers=(document(200, "What was found.", SearchDocument),),
        errors=(*READING, QueryInvalid),
    ),
)
