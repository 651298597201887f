"""The page of a project: what holds for it, who may do what, and its repositories."""

from typing import Any, Final, NamedTuple

from node.desk.repositories import RepositoryQuery
from node.errors import NameInvalid, NameUnknown
from node.http.endpoint import READING, Action, Request
from node.identity.actions import Role
from node.identity.documents import is_void
from node.registry.policy import ProjectPolicy
from node.registry.projects import Project, parse_project
from node.ui.context import UiContext
from node.ui.lists import ListColumn, PageLink, as_known
from node.ui.page import Sheet, page
from node.ui.repositories import AFTER, CONFLICT, PROJECTS, QUERY, SORT, listed
from node.ui.tabs import REPOSITORIES

_MEMBERS_MAX: Final = 100
"""Members that the page shows."""


class NamedValue(NamedTuple):
    """A line of what holds."""

    name: str
    value: str


class ProjectMember(NamedTuple):
    """Somebody with a role in the project."""

    name: str
    role: str
    within: str
    """The repositories that the role is for; empty: all."""


async def project(context: UiContext, request: Request) -> Sheet:
    """The page. Each part is for who may see it; with none of them there is no such project."""
    name = parse_project(request.variable)
    query, rights = request.query(), request.principal.rights
    sees_policy, sees_members = (
        rights.may(action, name) for action in (Action.PROJECT_READ, Action.ACCESS_READ)
    )
    if not sees_policy and not request.principal.access.may_list_some(name):
        raise NameUnknown(name)
    late = await as_known(context.desk.catalogue.repositories.current())
    asked = RepositoryQuery(
        query.one(QUERY) or "",
        query.one(SORT),
        query.one(CONFLICT),
        query.one(AFTER) or "",
        project=name,
    )
    members = _members(context, name) if sees_members else []
    more: dict[str, Any] = {
        "name": name,
        "crumbs": [PageLink("Repositories", REPOSITORIES)],
        "policy": _policy(context.registry.projects.here(name)) if sees_policy else (),
        "sees_members": sees_members,
        "members": members[:_MEMBERS_MAX],
        "member_columns": [ListColumn("Name"), ListColumn("Role"), ListColumn("For")],
        "more_members": len(members) > _MEMBERS_MAX,
    }
    return await listed(context, request, asked, f"{PROJECTS}{name}", "project.html", more, late)


def policy_values(policy: ProjectPolicy) -> list[NamedValue]:
    """What a project decides, in lines."""
    children = policy.children
    platforms = children if isinstance(children, str) else ", ".join(children)
    return [
        NamedValue("A push is acknowledged", f"by the {policy.consistency}"),
        NamedValue("History", f"{policy.history_max} writes, {policy.history_days} days"),
        NamedValue("Reads that cannot be confirmed", f"{policy.unconfirmed_reads}"),
        NamedValue("Images that an index has to have", platforms),
        NamedValue("Reads are logged", "yes" if policy.log_reads else "no"),
    ]


def _policy(found: Project) -> list[NamedValue]:
    set_by = NamedValue("Set by", found.who or "nobody: these are the defaults")
    return [*policy_values(found.policy), set_by]


def _members(context: UiContext, name: str) -> list[ProjectMember]:
    directory = context.identity.directory
    access = directory.project(name)
    if access is None or is_void(access):
        return []
    found = [
        ProjectMember(
            grant.subject or grant.id,
            Role(grant.role).name.lower(),
            "; ".join(", ".join(patterns) for patterns in grant.within),
        )
        for grant in directory.grants(access.id)
    ]
    return sorted(found)


ENDPOINTS: Final = (
    page(
        Action.PAGE_PROJECT,
        f"{PROJECTS}{{project}}",
        project,
        "Show a project: what holds for it, who may do what, and its repositories.",
        route="/atoll/v1/projects/{project}",
        tab=REPOSITORIES,
        parameters=(QUERY, CONFLICT, SORT, AFTER),
        errors=(*READING, NameInvalid, NameUnknown),
    ),
)
