"""The policies of projects."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from aiohttp import web

from node.admin.answers import answer, document
from node.admin.context import AdminContext
from node.errors import NameInvalid, PaginationInvalid, ProjectUnknown
from node.http import headers
from node.http.answers import empty_answer
from node.http.body_reader import read_document
from node.http.endpoint import READING, WRITING, Action, Answer, Body, Endpoint, Request
from node.http.pages import LAST, LIMIT, link_to
from node.registry.policy import ProjectPolicy
from node.registry.projects import Project, parse_project


class ProjectNames(msgspec.Struct):
    """A page of the projects that have a policy of their own."""

    projects: Sequence[str]
    """Their names, in byte order."""


class ProjectDocument(msgspec.Struct):
    """The policy that holds for a project."""

    name: str
    """The first component of names of repositories."""

    policy: ProjectPolicy
    """Its own, or the defaults."""

    event: str | None
    """The event that set it; null while the project has the defaults."""

    who: str | None
    """Who set it; null while the project has the defaults, and where that was not noted."""


async def projects(context: AdminContext, request: Request) -> web.Response:
    """GET of the projects that have a policy of their own."""
    query = request.query()
    limit, last = query.one(LIMIT), query.one(LAST)
    page = await context.registry.projects.list(last, limit, request.principal.access)
    fields: dict[str, str] = {}
    if page.next_after is not None:
        fields = link_to("/atoll/v1/projects", [("last", page.next_after), ("n", str(limit))])
    return answer(ProjectNames(page.items), fields)


async def project(context: AdminContext, request: Request) -> web.Response:
    """GET of a project's policy: its own, or the defaults."""
    found = await context.registry.projects.get(parse_project(request.variable))
    return _shown(found, headers.event_of(found.event))


async def set_project(context: AdminContext, request: Request) -> web.Response:
    """PUT of a project's whole policy."""
    name = parse_project(request.variable)
    policy = await read_document(request, ProjectPolicy, context.limits)
    receipt = await context.registry.projects.put(name, policy)
    written = Project(name, policy, receipt.event)
    here = context.registry.projects.here(name)
    if here.event == written.event:  # else somebody has set it again
        written = here
    return _shown(written, headers.receipt(receipt))


async def delete_project(context: AdminContext, request: Request) -> web.Response:
    """DELETE of a project's policy; the defaults hold from then on."""
    receipt = await context.registry.projects.delete(parse_project(request.variable))
    return empty_answer(202, headers.receipt(receipt))


def _shown(project: Project, fields: Mapping[str, str]) -> web.Response:
    event = None if project.event is None else str(project.event)
    return answer(ProjectDocument(project.name, project.policy, event, project.who or None), fields)


_PATH: Final = "/atoll/v1/projects/{project}"

ENDPOINTS: Final = (
    Endpoint(
        action=Action.PROJECTS,
        methods=("GET",),
        path="/atoll/v1/projects",
        handler=projects,
        doc="List the projects that have a policy of their own.",
        parameters=(LIMIT, LAST),
        answers=(document(200, "A page of them.", ProjectNames, "Link"),),
        errors=(*READING, PaginationInvalid),
    ),
    Endpoint(
        action=Action.PROJECT_READ,
        methods=("GET",),
        path=_PATH,
        handler=project,
        doc="Show the policy that holds for a project.",
        answers=(document(200, "The policy.", ProjectDocument, "Atoll-Event"),),
        errors=(*READING, NameInvalid),
    ),
    Endpoint(
        action=Action.PROJECT_WRITE,
        methods=("PUT",),
        path=_PATH,
        handler=set_project,
        doc="Set the whole policy; a field that is left out gets its default.",
        body=Body(doc="The policy.", struct=ProjectPolicy),
        answers=(document(200, "It holds.", ProjectDocument, *headers.RECEIPT),),
        errors=(*WRITING, NameInvalid),
        takes_content=True,
    ),
    Endpoint(
        action=Action.PROJECT_DELETE,
        methods=("DELETE",),
        path=_PATH,
        handler=delete_project,
        doc="Give the project the defaults again.",
        answers=(Answer(status=202, doc="The defaults hold.", fields=headers.RECEIPT),),
        errors=(*WRITING, NameInvalid, ProjectUnknown),
    ),
)
