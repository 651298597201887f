"""The page of a user, and what is done to users by forms."""

from typing import Final

from aiohttp import web

from node.errors import DocumentInvalid
from node.http.endpoint import READING, Action, Request
from node.http.forms import FormFields
from node.identity.errors import AccountUnknown, TooManyLogins
from node.ui.access.common import (
    AFTER,
    CHANGING,
    CONFIRM,
    DONE,
    WHY,
    AccessList,
    access_form,
    access_page,
    check_typed,
    columns,
    list_at,
    new_password,
    only_admin,
    sheet,
    user_at,
)
from node.ui.access.rows import held_roles, user_row
from node.ui.context import UiContext
from node.ui.lists import PageLink, address
from node.ui.page import Sheet, gone_to
from node.ui.tabs import ACCESS


async def user(context: UiContext, request: Request) -> Sheet:
    """The page: whether they may log in, their groups, their roles."""
    name, directory, query = request.variable, context.identity.directory, request.query()
    found = directory.user(name)
    if found is None:
        raise AccountUnknown("user", name)
    [row] = user_row(directory, name)
    rights, after = request.principal.rights, query.one(AFTER) or ""
    roles, following = held_roles(directory, found.id, after, rights, context.now())
    password, address_here = directory.password(found.id), user_at(name)
    values = {
        "user": row,
        "crumbs": [PageLink("Users", list_at(AccessList.USERS))],
        "address": address_here,
        "is_self": request.principal.account.id == found.id,
        "is_only_admin": only_admin(context) == name,
        "roles": roles,
        "role_columns": columns("Where", "Role", "For", "Ends"),
        "following": address(address_here, {"after": following}) if following else "",
        "why": address(WHY, {"user": name}),
        "opened": query.one(CONFIRM) or "",
        "is_done": password is not None and query.one(DONE) == password.id,
    }
    return sheet(request, "user", name, AccessList.USERS, values, "atoll user list")


async def create_user(
    context: UiContext, request: Request, fields: FormFields
) -> Sheet | web.StreamResponse:
    """POST of a user. Without a password nobody can log in as them yet."""
    name, password = fields.one("name").strip(), new_password(fields)
    await context.identity.accounts.put_user(
        name, password=password or None, disabled=False, create=True
    )
    return gone_to(user_at(name))


async def write_user(
    context: UiContext, request: Request, fields: FormFields
) -> Sheet | web.StreamResponse:
    """POST: a password, or whether they may log in."""
    name, accounts = request.variable, context.identity.accounts
    address_here = user_at(name)
    match fields.one("set"):
        case "password":
            await accounts.set_password(name, new_password(fields))
            directory = context.identity.directory
            found = directory.user(name)
            password = None if found is None else directory.password(found.id)
            done = "" if password is None else password.id
            return gone_to(f"{address(address_here, {'done': done})}#done")
        case "disabled" | "enabled" as wanted:
            is_disabled = wanted == "disabled"
            await accounts.put_user(name, password=None, disabled=is_disabled, create=False)
            return gone_to(f"{address_here}#log-in")
        case _:
            raise DocumentInvalid("what is set is the password, disabled or enabled")


async def delete_user(
    context: UiContext, request: Request, fields: FormFields
) -> Sheet | web.StreamResponse:
    """POST: the user whose name was typed is gone."""
    check_typed(fields, request.variable)
    await context.identity.accounts.delete_user(request.variable)
    return gone_to(list_at(AccessList.USERS))


_ROUTE: Final = "/atoll/v1/users"
_USER: Final = f"{ACCESS}/users/{{user}}"

ENDPOINTS: Final = (
    access_page(
        Action.PAGE_USER,
        _USER,
        user,
        "Show a user: groups, roles, and whether they may log in.",
        route=_ROUTE,
        parameters=(AFTER, CONFIRM, DONE),
        errors=(*READING, AccountUnknown),
    ),
    access_form(
        Action.PAGE_USER_CREATE,
        f"{ACCESS}/users",
        create_user,
        "Make a user, with no role anywhere.",
        route=_ROUTE,
        errors=(*CHANGING, TooManyLogins),
    ),
    access_form(
        Action.PAGE_USER_WRITE,
        _USER,
        write_user,
        "Set a user's password, or whether they may log in.",
        route=f"{_ROUTE}/{{user}}",
        errors=(*CHANGING, TooManyLogins),
    ),
    access_form(
        Action.PAGE_USER_DELETE,
        f"{_USER}/delete",
        delete_user,
        "Delete a user.",
        route=f"{_ROUTE}/{{user}}",
    ),
)
