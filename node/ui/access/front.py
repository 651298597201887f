"""The page of access: the lists of who there is, or somebody's own account."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from aiohttp import web

from node.errors import PaginationInvalid, QueryInvalid
from node.http.endpoint import READING, Action, Request
from node.http.forms import FormFields
from node.http.query import Single, text
from node.identity.actions import RULES, Reach
from node.identity.decisions import ALL
from node.identity.documents import Group, ProjectAccess, Robot, User
from node.identity.errors import AccessDenied
from node.registry.listing import visible
from node.registry.values import Page
from node.ui.access.account import own_account
from node.ui.access.common import (
    AFTER,
    CONFIRM,
    DONE,
    LOOKED_MAX,
    ROWS,
    AccessList,
    access_form,
    access_page,
    check_typed,
    columns,
    group_at,
    list_at,
    only_admin,
    project_at,
    sheet,
)
from node.ui.access.rows import key_rows, robot_row, role_rows, user_row
from node.ui.context import UiContext
from node.ui.lists import PageLink, address
from node.ui.page import Sheet, gone_to
from node.ui.tabs import ACCESS


def _list(given: str) -> AccessList | None:
    if not given:
        return None
    if given not in {*AccessList} - {AccessList.WHY}:
        raise QueryInvalid("there is no such list")
    return AccessList(given)


_OF: Final[Single[AccessList | None]] = Single(
    name="of", doc="Which list.", parse=_list, default=None
)
_QUERY: Final = text("q", "Only those whose names contain this.")

_TAKES: Final[Mapping[AccessList, Action]] = {
    AccessList.USERS: Action.USERS,
    AccessList.GROUPS: Action.GROUPS,
    AccessList.ROLES: Action.CLUSTER_GRANTS,
    AccessList.KEYS: Action.KEYS,
}
"""What somebody has to be allowed for a list. Those of projects and robots have what each may see,
and one's own account is everybody's."""


async def access(context: UiContext, request: Request) -> Sheet:
    """The list that was asked for: as the API has it, and for whom the API has it."""
    rights, query = request.principal.rights, request.query()
    which = query.one(_OF)
    if which is None:
        which = AccessList.USERS if rights.may(Action.USERS) else AccessList.ACCOUNT
    action = _TAKES.get(which)
    if action is not None and not rights.may(action):
        raise AccessDenied(action)
    asked, after = query.one(_QUERY) or "", query.one(AFTER) or ""
    match which:
        case AccessList.USERS:
            return _users(context, request, asked, after)
        case AccessList.GROUPS:
            return _groups(context, request, asked, after)
        case AccessList.PROJECTS:
            return _projects(context, request, asked, after)
        case AccessList.ROBOTS:
            return _robots(context, request, asked, after)
        case AccessList.ROLES:
            return _roles(context, request, after)
        case AccessList.KEYS:
            return _keys(context, request, after)
        case _:
            return own_account(context, request, after)


def _listed(
    request: Request,
    which: AccessList,
    title: str,
    values: dict[str, Any],
    *,
    terminal: str,
    following: str | None,
    asked: str = "",
) -> Sheet:
    there = address(ACCESS, {"of": which, "q": asked, "after": following}) if following else ""
    told = {"asked_for": asked, "following": there, "all": list_at(which), **values}
    return sheet(request, str(which), title, which, told, terminal)


def _users(context: UiContext, request: Request, asked: str, after: str) -> Sheet:
    directory = context.identity.directory
    page = directory.page(User, after, ROWS, containing=asked)
    values = {
        "rows": [row for name in page.items for row in user_row(directory, name)],
        "columns": columns("Name", "Log-in", "Groups", "Role everywhere", "Made"),
    }
    return _listed(
        request, AccessList.USERS, "Users", values,
        terminal="atoll user list", following=page.next_after, asked=asked,
    )  # fmt: skip


def _groups(context: UiContext, request: Request, asked: str, after: str) -> Sheet:
    page = context.identity.directory.page(Group, after, ROWS, containing=asked)
    values = {
        "rows": [PageLink(name, group_at(name)) for name in page.items],
        "columns": columns("Name"),
    }
    return _listed(
        request, AccessList.GROUPS, "Groups", values,
        terminal="atoll group list", following=page.next_after, asked=asked,
    )  # fmt: skip


def _projects(context: UiContext, request: Request, asked: str, after: str) -> Sheet:
    """Those of which the caller may say who reaches them."""
    directory, rights = context.identity.directory, request.principal.rights
    page = visible(
        partial(directory.page, ProjectAccess, containing=asked),
        lambda name: rights.may(Action.ACCESS_READ, name),
        after,
        ROWS,
        hidden_max=LOOKED_MAX,
    )
    values = {
        "rows": [_project_row(context, name) for name in page.items],
        "columns": columns("Name", "For"),
        "may_create": rights.may(Action.PAGE_PROJECT_CREATE),
    }
    return _listed(
        request, AccessList.PROJECTS, "Projects", values,
        terminal="atoll access list", following=page.next_after, asked=asked,
    )  # fmt: skip


def _project_row(context: UiContext, name: str) -> dict[str, Any]:
    found = context.identity.directory.project(name)
    return {
        "name": name,
        "href": project_at(name),
        "public": found is not None and found.public,
    }


def _robots(context: UiContext, request: Request, asked: str, after: str) -> Sheet:
    """Those of the projects that the caller runs."""
    directory, rights = context.identity.directory, request.principal.rights

    def may_see(name: str) -> bool:
        return rights.may(Action.ROBOTS, name.partition("+")[0])

    page: Page = visible(
        partial(directory.page, Robot, containing=asked),
        may_see,
        after,
        ROWS,
        hidden_max=LOOKED_MAX,
    )
    now = context.now()
    values = {
        "rows": [row for name in page.items for row in robot_row(directory, name, now)],
        "columns": columns("Name", "Project", "Log-in", "Role", "For", "Ends", "Secrets"),
    }
    return _listed(
        request, AccessList.ROBOTS, "Robots", values,
        terminal="", following=page.next_after, asked=asked,
    )  # fmt: skip


def _roles(context: UiContext, request: Request, after: str) -> Sheet:
    rows, following = role_rows(context.identity.directory, ALL, after, context.now())
    values = {
        "rows": rows,
        "columns": columns("Who", "Role", "For", "Ends", last="Take away"),
        "lonely": only_admin(context),
    }
    return _listed(
        request, AccessList.ROLES, "Roles everywhere", values,
        terminal="atoll role list", following=following,
    )  # fmt: skip


def _keys(context: UiContext, request: Request, after: str) -> Sheet:
    rows, following = key_rows(context.identity.directory, after)
    values = {
        "rows": rows,
        "columns": columns("Node", "Key", "Made", "Ends", last="Take back"),
        "may_revoke": request.principal.rights.may(Action.PAGE_KEY_REVOKE),
        "opened": request.query().one(CONFIRM) or "",
    }
    return _listed(
        request, AccessList.KEYS, "Keys", values,
        terminal="atoll auth keys", following=following,
    )  # fmt: skip


async def revoke_key(
    context: UiContext, request: Request, fields: FormFields
) -> Sheet | web.StreamResponse:
    """POST: no token that a key has signed is worth anything any more."""
    key = fields.one("key")
    check_typed(fields, key)
    await context.identity.accounts.revoke_key(key)
    return gone_to(f"{list_at(AccessList.KEYS)}#keys")


assert {RULES[action].reach for action in _TAKES.values()} == {Reach.CLUSTER}

ENDPOINTS: Final = (
    access_page(
        Action.PAGE_ACCESS,
        ACCESS,
        access,
        "List users, groups, projects, robots, roles and keys; or show one's own account.",
        route="/atoll/v1/users",
        parameters=(_OF, _QUERY, AFTER, CONFIRM, DONE),
        errors=(*READING, QueryInvalid, PaginationInvalid),
    ),
    access_form(
        Action.PAGE_KEY_REVOKE,
        f"{ACCESS}/keys/revoke",
        revoke_key,
        "Void all that a key has signed.",
        route="/atoll/v1/keys/revoke",
    ),
)
