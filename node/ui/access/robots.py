"""The page of a robot, and what is done to robots and their secrets by forms."""

from typing import Final

from aiohttp import web

from node.errors import DocumentInvalid, NameInvalid
from node.http.endpoint import READING, Action, Request
from node.http.forms import FormFields
from node.identity.accounts import parse_robot, parse_role
from node.identity.actions import Role
from node.identity.documents import NEVER, Robot
from node.identity.errors import AccountUnknown
from node.identity.secrets import new_secret_id
from node.registry.projects import parse_project
from node.ui.access.common import (
    CHANGING,
    CONFIRM,
    AccessList,
    access_form,
    access_page,
    check_typed,
    columns,
    end_in,
    list_at,
    patterns_given,
    project_at,
    robot_at,
    sheet,
)
from node.ui.access.rows import is_of, robot_row, secret_rows
from node.ui.access.secret import made_secret, secret_sheet
from node.ui.context import UiContext
from node.ui.lists import PageLink, address
from node.ui.page import Sheet, gone_to
from node.ui.tabs import ACCESS

_NO_ROLE: Final = "none"


async def robot(context: UiContext, request: Request) -> Sheet:
    """The page: what it may do, until when, and the secrets that it has."""
    name, directory, query = request.variable, context.identity.directory, request.query()
    found = _there(context, name)
    [row] = robot_row(directory, name, context.now())
    values = {
        "robot": row,
        "crumbs": [
            PageLink("Robots", list_at(AccessList.ROBOTS)),
            PageLink(row.project, row.project_href),
        ],
        "address": robot_at(name),
        "secrets": secret_rows(directory, found.id, context.now()),
        "secret_columns": columns(
            "Secret", "Role at most", "For", "Made", "Ends", last="Take back"
        ),
        "why": address(f"{ACCESS}/why", {"user": name}),
        "once": new_secret_id(),
        "opened": query.one(CONFIRM) or "",
    }
    return sheet(request, "robot", name, AccessList.ROBOTS, values, f"atoll robot secrets {name}")


def _there(context: UiContext, name: str) -> Robot:
    """The robot, if it is one of the project that has that name now: rights are asked for that."""
    directory = context.identity.directory
    found = directory.robot(name) if "+" in name else None
    if found is None or not is_of(directory, found, name.partition("+")[0]):
        raise AccountUnknown("robot", name)
    return found


async def create_robot(
    context: UiContext, request: Request, fields: FormFields
) -> Sheet | web.StreamResponse:
    """
    POST of a robot with a role and its first secret, which is shown in the answer.

    These are three writes. Where one of them fails the robot has what it has got so far: its page
    shows that, and has forms for the rest.
    """
    project, accounts = parse_project(request.variable), context.identity.accounts
    name = f"{project}+{fields.one('name').strip()}"
    parse_robot(name)
    given, patterns = fields.one("role"), patterns_given(fields)
    role = None if given == _NO_ROLE else parse_role(given)
    if role is not None and not Role.PULLER <= role <= Role.MAINTAINER:
        raise DocumentInvalid("a robot is puller, pusher or maintainer; nothing was done")
    ends, once = end_in(fields, context.now()), fields.one("once")
    await accounts.put_robot(name, expires=NEVER, disabled=False, create=True)
    if role is not None:
        await accounts.grant(project, name, role, patterns, NEVER)
    label = fields.one("label").strip() or "first"
    made = await accounts.add_credential(
        name, label, expires=ends, role=Role.ADMIN, patterns=(), under=once
    )
    return secret_sheet(context, request, AccessList.ROBOTS, name, made.secret.text, robot_at(name))


async def write_robot(
    context: UiContext, request: Request, fields: FormFields
) -> Sheet | web.StreamResponse:
    """POST: whether it may log in, or until when."""
    name = request.variable
    found = _there(context, name)
    ends, disabled = found.expires, found.disabled
    match fields.one("set"):
        case "disabled" | "enabled" as wanted:
            disabled = wanted == "disabled"
        case "end":
            ends = end_in(fields, context.now())
        case _:
            raise DocumentInvalid("what is set is disabled, enabled or the end")
    await context.identity.accounts.put_robot(name, expires=ends, disabled=disabled, create=False)
    return gone_to(f"{robot_at(name)}#log-in")


async def delete_robot(
    context: UiContext, request: Request, fields: FormFields
) -> Sheet | web.StreamResponse:
    """POST: the robot whose name was typed is gone."""
    name = request.variable
    check_typed(fields, name)
    _there(context, name)
    await context.identity.accounts.delete_robot(name)
    return gone_to(f"{project_at(name.partition('+')[0])}#robots")


async def add_secret(
    context: UiContext, request: Request, fields: FormFields
) -> Sheet | web.StreamResponse:
    """POST: a secret beside those that it has, shown in the answer and never again."""
    name = request.variable
    _there(context, name)
    made = await made_secret(context, name, fields)
    return secret_sheet(context, request, AccessList.ROBOTS, name, made, robot_at(name))


async def revoke_secret(
    context: UiContext, request: Request, fields: FormFields
) -> Sheet | web.StreamResponse:
    """POST: a secret is worth nothing any more."""
    name = request.variable
    _there(context, name)
    await context.identity.accounts.revoke_credential(name, fields.one("id"))
    return gone_to(f"{robot_at(name)}#secrets")


_CHANGING: Final = (*CHANGING, NameInvalid)
_ROUTE: Final = "/atoll/v1/robots/{robot}"
_ROBOT: Final = f"{ACCESS}/robots/{{robot}}"

ENDPOINTS: Final = (
    access_page(
        Action.PAGE_ROBOT,
        _ROBOT,
        robot,
        "Show a robot: what it may do, and its secrets.",
        route=f"{_ROUTE}/secrets",
        parameters=(CONFIRM,),
        errors=(*READING, NameInvalid, AccountUnknown),
    ),
    access_form(
        Action.PAGE_ROBOT_CREATE,
        f"{ACCESS}/projects/{{project}}/robots",
        create_robot,
        "Make a robot with a role and a secret, and show that.",
        route="/atoll/v1/access/{project}/robots",
        errors=_CHANGING,
    ),
    access_form(
        Action.PAGE_ROBOT_WRITE,
        _ROBOT,
        write_robot,
        "Set whether a robot may log in, and until when.",
        route=_ROUTE,
        errors=_CHANGING,
    ),
    access_form(
        Action.PAGE_ROBOT_DELETE,
        f"{_ROBOT}/delete",
        delete_robot,
        "Delete a robot.",
        route=_ROUTE,
        errors=_CHANGING,
    ),
    access_form(
        Action.PAGE_ROBOT_SECRET_ADD,
        f"{_ROBOT}/secrets",
        add_secret,
        "Make a secret for a robot, and show it.",
        route=f"{_ROUTE}/secrets",
        errors=_CHANGING,
    ),
    access_form(
        Action.PAGE_ROBOT_SECRET_REVOKE,
        f"{_ROBOT}/secrets/revoke",
        revoke_secret,
        "Take a secret of a robot back.",
        route=f"{_ROUTE}/secrets",
        errors=_CHANGING,
    ),
)
