"""What the pages of access have in common: the ways between them, and the fields of their forms."""

import re
from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from itertools import islice
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from aiohttp import web

from node.errors import DocumentInvalid
from node.http.endpoint import WRITING, Action, Endpoint, Request, Rights
from node.http.forms import FormFields
from node.http.query import Parameter, text
from node.identity.documents import NEVER
from node.identity.errors import AccountExists, AccountUnknown, SecurityDocumentInvalid
from node.ui.columns import ColumnHead
from node.ui.context import UiContext
from node.ui.lists import address
from node.ui.page import Act, Look, Sheet, form, gone_to, page
from node.ui.tabs import ACCESS

ROWS: Final = 50
"""Rows of a list."""

LOOKED_MAX: Final = 2_000
"""Names looked at in vain for one page of a list, where each takes some documents to be read."""

DAYS_MAX: Final = 3_650
"""Days after which something ends that is made by a form."""

DAYS: Final = (("30", "30 days"), ("90", "90 days"), ("365", "a year"), ("", "never"))
"""Those that forms offer."""

CONFIRM: Final = text("confirm", "What is asked for once more is opened: `delete`, or an id.")
DONE: Final = text("done", "The id of a password that was set.")
AFTER: Final = text("after", "Where the page before ended.")

CHANGING: Final = (*WRITING, SecurityDocumentInvalid, AccountUnknown, AccountExists)
"""What a form may be refused with."""


class AccessList(StrEnum):
    """What the page of access lists."""

    ACCOUNT = "account"
    USERS = "users"
    GROUPS = "groups"
    PROJECTS = "projects"
    ROBOTS = "robots"
    ROLES = "roles"
    KEYS = "keys"
    WHY = "why"
    """Not a list: it has an address of its own."""


class AccessWay(NamedTuple):
    """A link from one page of access to another."""

    text: str
    href: str
    is_current: bool


class Choice(NamedTuple):
    """One of what a form offers."""

    value: str
    text: str


_WAYS: Final = (
    (AccessList.USERS, "Users", Action.USERS),
    (AccessList.GROUPS, "Groups", Action.GROUPS),
    (AccessList.PROJECTS, "Projects", Action.CLUSTER_GRANTS),
    (AccessList.ROBOTS, "Robots", Action.CLUSTER_GRANTS),
    (AccessList.ROLES, "Roles everywhere", Action.CLUSTER_GRANTS),
    (AccessList.KEYS, "Keys", Action.KEYS),
    (AccessList.WHY, "Why", Action.WHY),
)
"""The lists, and who is offered them. Of projects and robots everybody sees those that they run."""

WHY: Final = f"{ACCESS}/why"

_DAYS: Final = re.compile("[0-9]{1,4}", re.ASCII)


def list_at(which: AccessList) -> str:
    """The address of a list."""
    return WHY if which is AccessList.WHY else address(ACCESS, {"of": which})


def user_at(name: str) -> str:
    """The address of the page of a user."""
    return f"{ACCESS}/users/{quote(name, safe='')}"


def group_at(name: str) -> str:
    """The address of the page of a group."""
    return f"{ACCESS}/groups/{quote(name, safe='')}"


def robot_at(name: str) -> str:
    """The address of the page of a robot."""
    return f"{ACCESS}/robots/{quote(name, safe='')}"


def project_at(name: str) -> str:
    """The address of the page that says who may reach a project."""
    return f"{ACCESS}/projects/{quote(name, safe='')}"


def subject_at(name: str) -> str:
    """The address of a user, a robot, or `@GROUP`."""
    if name.startswith("@"):
        return group_at(name[1:])
    return robot_at(name) if "+" in name else user_at(name)


def ways(rights: Rights, here: AccessList) -> Sequence[AccessWay]:
    """The lists that somebody with *rights* may open; none, where only their own account is."""
    found = [
        AccessWay(named, list_at(which), which is here)
        for which, named, action in _WAYS
        if rights.may(action)
    ]
    own = AccessWay("Your account", list_at(AccessList.ACCOUNT), here is AccessList.ACCOUNT)
    return [*found, own] if found else []


def only_admin(context: UiContext) -> str:
    """The name of the one user who runs the cluster; empty: there are others, or none."""
    found = list(islice(context.identity.authorizer.admins(), 2))
    return found[0] if len(found) == 1 else ""


def columns(*names: str, last: str = "") -> list[ColumnHead]:
    """The heads of a table; *last* is heard only: its cells have buttons."""
    found = [ColumnHead(name) for name in names]
    return [*found, ColumnHead(last, hidden=True)] if last else found


def sheet(
    request: Request,
    template: str,
    title: str,
    here: AccessList,
    values: dict[str, Any],
    terminal: str = "",
) -> Sheet:
    """A page of access; *here* is the list that it belongs to."""
    onward = str(request.http.rel_url)
    return Sheet(
        template=f"access/{template}.html",
        title=title,
        terminal=terminal,
        values={
            "ways": ways(request.principal.rights, here),
            "renew": address("/ui/login", {"next": onward}),
            "days": [Choice(*each) for each in DAYS],
            **values,
        },
    )


def access_page(
    action: Action,
    path: str,
    look: Look,
    doc: str,
    *,
    route: str,
    parameters: tuple[Parameter[Any], ...] = (),
    errors: tuple[type[Exception], ...] = (),
) -> Endpoint[UiContext]:
    """A page of access. Where the registry is open there are no accounts, and it says so."""

    async def closed(context: UiContext, request: Request) -> Sheet | web.StreamResponse:
        if context.is_open:
            return Sheet(template="access/open.html", title="Access")
        return await look(context, request)

    return page(
        action, path, closed, doc, route=route, tab=ACCESS, parameters=parameters, errors=errors
    )


def access_form(
    action: Action,
    path: str,
    act: Act,
    doc: str,
    *,
    route: str,
    recent: bool = True,
    errors: tuple[type[Exception], ...] = CHANGING,
) -> Endpoint[UiContext]:
    """A form of such a page. Where the registry is open it does nothing."""

    async def closed(
        context: UiContext, request: Request, fields: FormFields
    ) -> Sheet | web.StreamResponse:
        if context.is_open:
            return gone_to(ACCESS)
        return await act(context, request, fields)

    return form(action, path, closed, doc, route=route, recent=recent, errors=errors)


def new_password(fields: FormFields) -> str:
    """
    A password that was typed twice.

    Raises:
        DocumentInvalid: they differ.
    """
    password = fields.one("password")
    if password != fields.one("again"):
        raise DocumentInvalid("the two passwords are not the same; nothing was done")
    return password


def check_typed(fields: FormFields, wanted: str) -> None:
    """
    Return if somebody has typed what was asked for.

    Raises:
        DocumentInvalid: it is something else.
    """
    if fields.one("typed").strip() != wanted:
        raise DocumentInvalid(f"type {wanted[:256]}, the whole name; nothing was done")


def end_in(fields: FormFields, now: float) -> float:
    """
    When it is to end by what the field `days` has, in seconds since 1970; `NEVER` without any.

    Raises:
        DocumentInvalid: that is no number of days.
    """
    given = fields.one("days").strip()
    if not given:
        return NEVER
    if _DAYS.fullmatch(given) is None or not 0 < int(given) <= DAYS_MAX:
        raise DocumentInvalid(f"something ends after 1 to {DAYS_MAX:,} days, or never")
    return now + timedelta(days=int(given)).total_seconds()


def patterns_given(fields: FormFields) -> Sequence[str]:
    """The patterns of repositories that somebody has typed."""
    return fields.one("patterns").replace(",", " ").split()
