"""What happened to images and to the layout, as JSON and as CSV."""

import csv
import io
from collections.abc import Sequence
from typing import Final

import msgspec
from aiohttp import web

from node.admin.answers import answer, document
from node.admin.context import AdminContext
from node.desk.activity import (
    PAGE_MAX,
    ActivityAsked,
    ActivityEntry,
    ActivityKind,
    ActivityPage,
    Cursor,
)
from node.errors import NameInvalid, PaginationInvalid, QueryInvalid
from node.http import headers
from node.http.endpoint import Action, Answer, Endpoint, Request
from node.http.fields import NAME
from node.http.pages import link_to, page_limit
from node.http.query import Parameter, Single, text
from node.registry.names import RepositoryName

_PATH: Final = "/atoll/v1/activity"
_CSV_PATH: Final = f"{_PATH}.csv"

_DANGEROUS: Final = ("=", "+", "-", "@", "\t", "\r")
"""With what a cell begins that a spreadsheet takes for a formula."""


class ActivityDocument(msgspec.Struct):
    """A page of what happened."""

    activity: Sequence[ActivityEntry]
    """The newest first. A page may be shorter than asked for, or empty, and lead on by `Link`."""

    complete_since: str | None
    """What happened later is all there. Null: all that ever was is. A node keeps the newest 10,000
    entries, and after a start those that its logs have: an hour's at least."""


def _kind(given: str) -> ActivityKind:
    if given not in {*ActivityKind}:
        raise QueryInvalid(f"kind must be one of {', '.join(ActivityKind)}")
    return ActivityKind(given)


_KIND: Final = Parameter(
    name="kind",
    doc="Only entries of these kinds.",
    parse=_kind,
    schema={"type": "string", "enum": list(ActivityKind)},
)
_WHO: Final = text("who", "Only what this one asked for, where the caller may see who asked.")
_REPOSITORY: Final[Single[RepositoryName | None]] = Single(
    name="repository",
    doc="Only those of this one.",
    parse=RepositoryName.parse,
    default=None,
    schema={"type": "string", "pattern": NAME},
)
_AFTER: Final[Single[Cursor | None]] = Single(
    name="after",
    doc="The page begins behind this entry, as `Link` has it.",
    parse=Cursor.parse,
    default=None,
)
_COUNT: Final = Single(
    name="n",
    doc=f"Entries in a page; more than {PAGE_MAX} are as {PAGE_MAX}.",
    parse=lambda given: min(page_limit(given), PAGE_MAX),
    default=PAGE_MAX,
    schema={
        "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "maxLength": 0}],
        "default": PAGE_MAX,
    },
)
_PARAMETERS: Final = (_KIND, _WHO, _REPOSITORY, _AFTER, _COUNT)


async def activity(context: AdminContext, request: Request) -> web.Response:
    """GET of a page."""
    page, fields = _page(context, request, _PATH)
    return answer(ActivityDocument(page.entries, page.complete_since), fields)


async def activity_csv(context: AdminContext, request: Request) -> web.Response:
    """GET of the same, as CSV."""
    page, fields = _page(context, request, _CSV_PATH)
    lines = io.StringIO()
    writer = csv.writer(lines)
    writer.writerow(ActivityEntry.__struct_fields__)
    writer.writerows([*map(_cell, msgspec.structs.astuple(each))] for each in page.entries)
    return web.Response(
        text=lines.getvalue(),
        content_type="text/csv",
        charset="utf-8",
        headers={**headers.API_VERSION, "Cache-Control": "no-store", **fields},
    )


def _page(
    context: AdminContext, request: Request, path: str
) -> tuple[ActivityPage, dict[str, str]]:
    query = request.query()
    kinds, who, repository = query.all(_KIND), query.one(_WHO), query.one(_REPOSITORY)
    limit = query.one(_COUNT)
    asked = ActivityAsked({*kinds}, who or "", repository or "")
    access = request.principal.access
    page = context.desk.activity.page(access, asked, query.one(_AFTER), limit)
    if page.after is None:
        return page, {}
    again = [("kind", kind.value) for kind in kinds]
    again += [("who", who)] if who else []
    again += [("repository", str(repository))] if repository else []
    return page, link_to(path, [*again, ("after", page.after), ("n", str(limit))])


def _cell(value: object) -> str:
    told = "" if value is None else str(value)
    return f"'{told}" if told.startswith(_DANGEROUS) else told


_ERRORS: Final = (NameInvalid, PaginationInvalid)

ENDPOINTS: Final = (
    Endpoint(
        action=Action.ACTIVITY,
        methods=("GET",),
        path=_PATH,
        handler=activity,
        doc="Show what happened to images and to the layout, the newest first.",
        parameters=_PARAMETERS,
        answers=(document(200, "A page of it.", ActivityDocument, "Link"),),
        errors=_ERRORS,
    ),
    Endpoint(
        action=Action.ACTIVITY_CSV,
        methods=("GET",),
        path=_CSV_PATH,
        handler=activity_csv,
        doc="The same as CSV, a line for each entry.",
        parameters=_PARAMETERS,
        answers=(
            Answer(
                status=200,
                doc="A page of it.",
                media_types=("text/csv",),
                fields=("Link", "Cache-Control"),
            ),
        ),
        errors=_ERRORS,
    ),
)
