"""The page of what happened."""

from typing import Any, Final
from urllib.parse import urlencode

from node.desk.activity import ActivityAsked, ActivityKind, Cursor
from node.errors import NameInvalid, PaginationInvalid, QueryInvalid
from node.http.endpoint import Action, Request
from node.http.query import Single, text
from node.registry.names import RepositoryName
from node.ui import image_values as values
from node.ui.context import UiContext
from node.ui.page import Sheet, page

ACTIVITY: Final = "/ui/activity"

ROWS: Final = 50


def _kind(given: str) -> ActivityKind | None:
    # A form sends the fields that nobody has filled in, too.
    if given and given not in {*ActivityKind}:
        raise QueryInvalid(f"kind must be one of {', '.join(ActivityKind)}")
    return ActivityKind(given) if given else None


_KIND: Final[Single[ActivityKind | None]] = Single(
    name="kind", doc="Only entries of this kind.", parse=_kind, default=None
)
_WHO: Final = text("who", "Only what this one asked for.")
_REPOSITORY: Final[Single[RepositoryName | None]] = Single(
    name="repo",
    doc="Only those of this repository.",
    parse=lambda given: RepositoryName.parse(given) if given else None,
    default=None,
)
_AFTER: Final[Single[Cursor | None]] = Single(
    name="after", doc="The page begins behind this entry.", parse=Cursor.parse, default=None
)


async def activity(context: UiContext, request: Request) -> Sheet:
    """What happened, as far as the caller may see it."""
    query = request.query()
    kind, who, repository = query.one(_KIND), query.one(_WHO) or "", query.one(_REPOSITORY) or ""
    asked = ActivityAsked({kind} if kind else (), who, str(repository))
    access, after = request.principal.access, query.one(_AFTER)
    found = context.desk.activity.page(access, asked, after, ROWS)
    given = {"kind": kind or "", "who": who, "repo": str(repository)}
    fields = {name: value for name, value in given.items() if value}
    following = ""
    if found.after is not None:
        following = f"{ACTIVITY}?{urlencode({**fields, 'after': found.after}, errors='replace')}"
    since = found.complete_since
    told: dict[str, Any] = {
        "asked_for": given,
        "is_asked": bool(fields),
        "kinds": [{"value": each.value, "text": values.HAPPENED[each]} for each in ActivityKind],
        "entries": [values.entry(each) for each in found.entries],
        "following": following,
        "since": None if since is None else values.seconds(since),
        "columns": values.columns,
    }
    return Sheet(
        template="activity.html",
        title="Activity",
        values=told,
        terminal=_terminal(kind, who, str(repository)),
    )


def _terminal(kind: ActivityKind | None, who: str, repository: str) -> str:
    """The command that tells the same; what somebody typed is in it where it is one word alone."""
    options = {"--kind": kind or "", "--who": who, "--repository": repository}
    words = [
        f"{option} {value}"
        for option, value in options.items()
        if value and all(each.isalnum() or each in "._+/-" for each in value)
    ]
    return " ".join(["atoll activity", *words])


ENDPOINTS: Final = (
    page(
        Action.PAGE_ACTIVITY,
        ACTIVITY,
        activity,
        "Show what happened to images and to the layout.",
        route="/atoll/v1/activity",
        tab=ACTIVITY,
        parameters=(_KIND, _WHO, _REPOSITORY, _AFTER),
        errors=(QueryInvalid, NameInvalid, PaginationInvalid),
    ),
)
