"""The page that says who may reach a project; and roles, given and taken away by forms."""

from typing import Any, Final

from aiohttp import web

from node.errors import NameInvalid
from node.http.endpoint import READING, Action, Request
from node.http.forms import FormFields
from node.http.query import text
from node.identity.accounts import parse_role
from node.identity.decisions import ALL
from node.identity.documents import Deny, ProjectAccess, Robot, is_void
from node.identity.errors import AccountExists, AccountUnknown
from node.identity.secrets import new_secret_id
from node.registry.projects import parse_project
from node.ui.access.common import (
    AFTER,
    CHANGING,
    CONFIRM,
    ROWS,
    AccessList,
    access_form,
    access_page,
    columns,
    end_in,
    list_at,
    patterns_given,
    project_at,
    sheet,
)
from node.ui.access.rows import robot_row, role_rows
from node.ui.context import UiContext
from node.ui.lists import PageLink, address
from node.ui.page import Sheet, gone_to
from node.ui.tabs import ACCESS

_AFTER_ROBOT: Final = text("robot", "Where the page of robots before ended.")


async def project_access(context: UiContext, request: Request) -> Sheet:
    """The page: whether all may pull, what is denied, who has a role, which robots there are."""
    name, query, now = parse_project(request.variable), request.query(), context.now()
    directory, found = context.identity.directory, _there(context, name)
    here, after, after_robot = (
        project_at(name),
        query.one(AFTER) or "",
        query.one(_AFTER_ROBOT) or "",
    )
    roles, following = role_rows(directory, found.id, after, now)
    robots = directory.page(Robot, after_robot, ROWS, under=f"{name}+")
    # Who writes such a project again has to know what is denied in it; nobody has a role there.
    conflicting = is_void(found)
    values: dict[str, Any] = {
        "name": name,
        "crumbs": [PageLink("Projects", list_at(AccessList.PROJECTS))],
        "address": here,
        "public": found.public and not conflicting,
        "conflicting": conflicting,
        "denies": found.denies[:ROWS],
        "more_denies": len(found.denies) > ROWS,
        "deny_columns": columns("Who", "What", "Where"),
        "roles": [] if conflicting else roles,
        "role_columns": columns("Who", "Role", "For", "Ends", last="Take away"),
        "following": address(here, {"after": following}) if following else "",
        "robots": [row for each in robots.items for row in robot_row(directory, each, now)],
        "robot_columns": columns("Name", "Log-in", "Role", "For", "Ends", "Secrets"),
        "following_robots": address(here, {"robot": robots.next_after})
        if robots.next_after
        else "",
        "once": new_secret_id(),
    }
    terminal = f"atoll access show {name}"
    return sheet(request, "project", name, AccessList.PROJECTS, values, terminal)


def _there(context: UiContext, name: str) -> ProjectAccess:
    found = context.identity.directory.project(name)
    if found is None or found.deleted:
        raise AccountUnknown("project", name)
    return found


async def create_project(
    context: UiContext, request: Request, fields: FormFields
) -> Sheet | web.StreamResponse:
    """POST: make a project. One that is there stays as it is."""
    name = parse_project(fields.one("name").strip())
    if context.identity.directory.valid(ProjectAccess, name) is not None:
        raise AccountExists("project", name)
    public = fields.one("public") == "true"
    await context.identity.accounts.put_project(name, public=public, denies=())
    return gone_to(project_at(name))


async def write_project(
    context: UiContext, request: Request, fields: FormFields
) -> Sheet | web.StreamResponse:
    """POST: whether strangers may pull. What is denied stays denied."""
    name = parse_project(request.variable)
    found = _there(context, name)
    denies = [Deny(each.name or each.subject, each.verb, each.pattern) for each in found.denies]
    public = fields.one("public") == "true"
    await context.identity.accounts.put_project(name, public=public, denies=denies)
    return gone_to(f"{project_at(name)}#reach")


async def grant(
    context: UiContext, request: Request, fields: FormFields
) -> Sheet | web.StreamResponse:
    """POST of a role in a project."""
    name = parse_project(request.variable)
    await _grant(context, name, fields)
    return gone_to(f"{project_at(name)}#roles")


async def revoke(
    context: UiContext, request: Request, fields: FormFields
) -> Sheet | web.StreamResponse:
    """POST: a role in a project is taken away."""
    name = parse_project(request.variable)
    await context.identity.accounts.revoke(name, fields.one("subject"))
    return gone_to(f"{project_at(name)}#roles")


async def grant_everywhere(
    context: UiContext, request: Request, fields: FormFields
) -> Sheet | web.StreamResponse:
    """POST of a role in all projects, and in the cluster."""
    await _grant(context, ALL, fields)
    return gone_to(f"{list_at(AccessList.ROLES)}#roles")


async def revoke_everywhere(
    context: UiContext, request: Request, fields: FormFields
) -> Sheet | web.StreamResponse:
    """POST: a role in all projects is taken away."""
    await context.identity.accounts.revoke(ALL, fields.one("subject"))
    return gone_to(f"{list_at(AccessList.ROLES)}#roles")


async def _grant(context: UiContext, where: str, fields: FormFields) -> None:
    await context.identity.accounts.grant(
        where,
        fields.one("subject").strip(),
        parse_role(fields.one("role")),
        patterns_given(fields),
        end_in(fields, context.now()),
    )


_CHANGING: Final = (*CHANGING, NameInvalid)
_ROUTE: Final = "/atoll/v1/access"
_PROJECT: Final = f"{ACCESS}/projects/{{project}}"

ENDPOINTS: Final = (
    access_page(
        Action.PAGE_PROJECT_ACCESS,
        _PROJECT,
        project_access,
        "Show who may reach a project: roles, robots, and what is denied.",
        route=f"{_ROUTE}/{{project}}",
        parameters=(AFTER, _AFTER_ROBOT, CONFIRM),
        errors=(*READING, NameInvalid, AccountUnknown),
    ),
    access_form(
        Action.PAGE_PROJECT_CREATE,
        f"{ACCESS}/projects",
        create_project,
        "Make a project.",
        route=f"{_ROUTE}/{{project}}",
        errors=_CHANGING,
    ),
    access_form(
        Action.PAGE_PROJECT_WRITE,
        _PROJECT,
        write_project,
        "Say whether strangers may pull.",
        route=f"{_ROUTE}/{{project}}",
        errors=_CHANGING,
    ),
    access_form(
        Action.PAGE_GRANT_WRITE,
        f"{_PROJECT}/roles",
        grant,
        "Give somebody a role in a project.",
        route=f"{_ROUTE}/{{project}}/roles",
        errors=_CHANGING,
    ),
    access_form(
        Action.PAGE_GRANT_REVOKE,
        f"{_PROJECT}/roles/revoke",
        revoke,
        "Take a role in a project away.",
        route=f"{_ROUTE}/{{project}}/roles",
        errors=_CHANGING,
    ),
    access_form(
        Action.PAGE_CLUSTER_GRANT_WRITE,
        f"{ACCESS}/roles",
        grant_everywhere,
        "Give somebody a role in all projects, and in the cluster.",
        route="/atoll/v1/roles",
    ),
    access_form(
        Action.PAGE_CLUSTER_GRANT_REVOKE,
        f"{ACCESS}/roles/revoke",
        revoke_everywhere,
        "Take a role in all projects away.",
        route="/atoll/v1/roles",
    ),
)
