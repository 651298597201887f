"""The page of a group, and what is done to groups by forms."""

from functools import partial
from typing import Final

from aiohttp import web

from node.errors import DocumentInvalid
from node.http.endpoint import READING, Action, Request
from node.http.forms import FormFields
from node.identity.documents import GroupMember, User
from node.identity.errors import AccountUnknown
from node.registry.listing import visible
from node.ui.access.common import (
    AFTER,
    CONFIRM,
    LOOKED_MAX,
    ROWS,
    AccessList,
    access_form,
    access_page,
    check_typed,
    columns,
    group_at,
    list_at,
    sheet,
    user_at,
)
from node.ui.context import UiContext
from node.ui.lists import PageLink, address
from node.ui.page import Sheet, gone_to
from node.ui.tabs import ACCESS


async def group(context: UiContext, request: Request) -> Sheet:
    """The page: who is in it."""
    name, directory, query = request.variable, context.identity.directory, request.query()
    found = directory.group(name)
    if found is None:
        raise AccountUnknown("group", name)

    def is_member(login: str) -> bool:
        user = directory.user(login)
        return (
            user is not None and directory.valid(GroupMember, f"{user.id}/{found.id}") is not None
        )

    after = query.one(AFTER) or ""
    read = partial(directory.page, User)
    page = visible(read, is_member, after, ROWS, hidden_max=LOOKED_MAX)
    here = group_at(name)
    values = {
        "name": name,
        "crumbs": [PageLink("Groups", list_at(AccessList.GROUPS))],
        "address": here,
        "rows": [PageLink(each, user_at(each)) for each in page.items],
        "columns": columns("Name", last="Take out"),
        "following": address(here, {"after": page.next_after}) if page.next_after else "",
        "created": found.created,
        "opened": query.one(CONFIRM) or "",
    }
    return sheet(request, "group", name, AccessList.GROUPS, values, f"atoll group show {name}")


async def create_group(
    context: UiContext, request: Request, fields: FormFields
) -> Sheet | web.StreamResponse:
    """POST of a group, with nobody in it."""
    name = fields.one("name").strip()
    await context.identity.accounts.create_group(name)
    return gone_to(group_at(name))


async def write_group(
    context: UiContext, request: Request, fields: FormFields
) -> Sheet | web.StreamResponse:
    """POST: a user comes into the group, or goes."""
    wanted = fields.one("set")
    if wanted not in ("member", "nobody"):
        raise DocumentInvalid("a user is set to be a member, or nobody")
    await context.identity.accounts.set_member(
        request.variable, fields.one("user").strip(), is_member=wanted == "member"
    )
    return gone_to(f"{group_at(request.variable)}#members")


async def delete_group(
    context: UiContext, request: Request, fields: FormFields
) -> Sheet | web.StreamResponse:
    """POST: the group whose name was typed is gone, and what was granted to it."""
    check_typed(fields, request.variable)
    await context.identity.accounts.delete_group(request.variable)
    return gone_to(list_at(AccessList.GROUPS))


_ROUTE: Final = "/atoll/v1/groups"
_GROUP: Final = f"{ACCESS}/groups/{{group}}"

ENDPOINTS: Final = (
    access_page(
        Action.PAGE_GROUP,
        _GROUP,
        group,
        "Show who is in a group.",
        route=f"{_ROUTE}/{{group}}",
        parameters=(AFTER, CONFIRM),
        errors=(*READING, AccountUnknown),
    ),
    access_form(
        Action.PAGE_GROUP_CREATE,
        f"{ACCESS}/groups",
        create_group,
        "Make a group, with nobody in it.",
        route=_ROUTE,
    ),
    access_form(
        Action.PAGE_GROUP_WRITE,
        _GROUP,
        write_group,
        "Put a user into a group, or take one out.",
        route=f"{_ROUTE}/{{group}}",
    ),
    access_form(
        Action.PAGE_GROUP_DELETE,
        f"{_GROUP}/delete",
        delete_group,
        "Delete a group.",
        route=f"{_ROUTE}/{{group}}",
    ),
)
