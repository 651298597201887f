"""Who may reach a project: roles, rules, robots; and why somebody may or may not."""

from collections.abc import Sequence
from functools import partial
from typing import Final

import msgspec
from aiohttp import web

from node.admin.accounts import page_fields
from node.admin.answers import DONE, GONE, answer, carried_out, document
from node.admin.context import AdminContext
from node.errors import NameInvalid, PaginationInvalid, QueryInvalid
from node.http.body_reader import read_document
from node.http.endpoint import READING, WRITING, Action, Body, Endpoint, Request
from node.http.pages import LAST, LIMIT
from node.http.query import Single
from node.identity.accounts import parse_role
from node.identity.actions import Verb, role_named
from node.identity.decisions import ALL
from node.identity.documents import Deny, ProjectAccess, RoleGrant, is_void, patterns_in
from node.identity.errors import AccountUnknown, SecurityDocumentInvalid
from node.registry.listing import visible
from node.registry.projects import parse_project

_SUBJECT: Final = Single(
    name="subject",
    doc="A user, a robot, or `@GROUP`.",
    parse=str,
    default="",
    required=True,
)
_USER: Final = Single(
    name="user", doc="A user or a robot; empty: a stranger.", parse=str, default=""
)
_REPOSITORY: Final = Single(
    name="repository", doc="A repository, or a project.", parse=str, default=""
)


def _action(text: str) -> Action:
    try:
        return Action(text)
    except ValueError:
        raise QueryInvalid(f"there is no action {text[:40]!r}") from None


_ACTION: Final = Single(
    name="action",
    doc="What they would do.",
    parse=_action,
    default=Action.MANIFEST_READ,
    schema={"enum": list(Action)},
)


class DenyRule(msgspec.Struct, forbid_unknown_fields=True):
    """What is denied, stronger than every role."""

    subject: str
    """A user, a robot, `@GROUP`, or `*` for everybody."""

    verb: str
    """`pull`, `push` or `delete`; without `pull` nothing else is possible."""

    pattern: str
    """Repositories of the project: `lib/app`, `lib/*`, `lib/team/**`."""


class Reachable(msgspec.Struct, forbid_unknown_fields=True):
    """Who may reach a project, beside who has a role."""

    public: bool = False
    """Whether strangers may pull."""

    denies: Sequence[DenyRule] = ()
    """In any order."""


class RoleState(msgspec.Struct):
    """A role that somebody has."""

    subject: str
    """A user, a robot or `@GROUP`."""

    role: str
    """`puller`, `pusher`, `maintainer` or `admin`; in all projects also `watcher`."""

    patterns: Sequence[str]
    """The repositories that it is for; none: all."""

    expires: float
    """Seconds since 1970; 0: never."""


class AccessState(msgspec.Struct):
    """Who may reach a project."""

    name: str
    """The project."""

    public: bool
    """Whether strangers may pull."""

    denies: Sequence[DenyRule]
    """What is denied, stronger than every role."""

    roles: Sequence[RoleState]
    """Who has one."""

    conflicting: bool
    """Whether it was made twice while nodes were apart, or by a version that this node does not
    know: nobody has a role in it until it is written again, and what is denied stays denied."""


class ProjectsWithAccess(msgspec.Struct):
    """A page of the projects that somebody has made."""

    projects: Sequence[str]
    """Their names, in byte order."""


class Roles(msgspec.Struct):
    """The roles in all projects, and in the cluster."""

    roles: Sequence[RoleState]
    """Who has one."""


class NewRole(msgspec.Struct, forbid_unknown_fields=True):
    """A role that somebody gets, in the place of the one that they had there."""

    subject: str
    """A user, a robot or `@GROUP`."""

    role: str
    """`puller`, `pusher`, `maintainer` or `admin`; in all projects also `watcher`."""

    patterns: Sequence[str] = ()
    """The repositories that it is for; none: all."""

    expires: float = 0.0
    """Seconds since 1970; 0: never."""


class KeyState(msgspec.Struct):
    """The public half of a key that tokens are signed with."""

    key: str
    """Its name: `kid` in the head of a token."""

    node: str
    """Who signs with it."""

    created: float
    """Seconds since 1970."""

    expires: float
    """Seconds since 1970, from when what it signed is refused."""


class Keys(msgspec.Struct):
    """The keys of the cluster."""

    keys: Sequence[KeyState]
    """By node, the oldest first."""


class KeyName(msgspec.Struct, forbid_unknown_fields=True):
    """A key that tokens are signed with."""

    key: str
    """Its name."""


class Explained(msgspec.Struct):
    """A decision, and why."""

    allowed: bool
    """Whether they may."""

    reason: str
    """What decides it."""


async def projects(context: AdminContext, request: Request) -> web.Response:
    """GET of the projects that somebody has made, and the caller may see."""
    limit, last = request.query().one(LIMIT), request.query().one(LAST)
    read = partial(context.identity.directory.page, ProjectAccess)
    page = visible(read, request.principal.access.may_see_project, last, limit)
    return answer(ProjectsWithAccess(page.items), page_fields("/atoll/v1/access", page, limit))


async def project(context: AdminContext, request: Request) -> web.Response:
    """GET of who may reach a project."""
    name, directory = parse_project(request.variable), context.identity.directory
    found = directory.project(name)
    if found is None or found.deleted:
        raise AccountUnknown("project", name)
    # Who writes such a project again has to know what is denied in it.
    conflicting = is_void(found)
    denies = [DenyRule(deny.name, deny.verb, deny.pattern) for deny in found.denies]
    roles = [] if conflicting else [_role(each) for each in directory.grants(found.id)]
    public = found.public and not conflicting
    return answer(AccessState(name, public, denies, roles, conflicting))


async def write_project(context: AdminContext, request: Request) -> web.Response:
    """PUT: make a project, or say who may reach it."""
    body = await read_document(request, Reachable, context.limits)
    denies = [Deny(each.subject, _verb(each.verb), each.pattern) for each in body.denies]
    receipt = await context.identity.accounts.put_project(
        request.variable, public=body.public, denies=denies
    )
    return carried_out(receipt)


async def delete_project(context: AdminContext, request: Request) -> web.Response:
    """DELETE: nobody has a role in the project any more."""
    receipt = await context.identity.accounts.delete_project(request.variable)
    return carried_out(receipt)


async def grant(context: AdminContext, request: Request) -> web.Response:
    """POST of a role in a project."""
    return await _grant(context, request, parse_project(request.variable))


async def revoke(context: AdminContext, request: Request) -> web.Response:
    """DELETE of a role in a project."""
    return await _revoke(context, request, parse_project(request.variable))


async def everywhere(context: AdminContext, request: Request) -> web.Response:
    """GET of the roles in all projects."""
    return answer(Roles([_role(each) for each in context.identity.directory.grants(ALL)]))


async def grant_everywhere(context: AdminContext, request: Request) -> web.Response:
    """POST of a role in all projects."""
    return await _grant(context, request, ALL)


async def revoke_everywhere(context: AdminContext, request: Request) -> web.Response:
    """DELETE of a role in all projects."""
    return await _revoke(context, request, ALL)


async def keys(context: AdminContext, request: Request) -> web.Response:
    """GET of the keys that tokens are signed with."""
    found = sorted(context.identity.directory.keys(), key=lambda key: (key.node, key.created))
    return answer(
        Keys([KeyState(each.id, each.node, each.created, each.expires) for each in found])
    )


async def revoke_key(context: AdminContext, request: Request) -> web.Response:
    """POST: no token that a key has signed is worth anything any more."""
    body = await read_document(request, KeyName, context.limits)
    receipt = await context.identity.accounts.revoke_key(body.key)
    return carried_out(receipt)


async def why(context: AdminContext, request: Request) -> web.Response:
    """GET: whether somebody may do something, and why."""
    query = request.query()
    decision = context.identity.explain(
        query.one(_USER), query.one(_ACTION), query.one(_REPOSITORY)
    )
    return answer(Explained(decision.allowed, decision.reason))


async def _grant(context: AdminContext, request: Request, where: str) -> web.Response:
    body = await read_document(request, NewRole, context.limits)
    receipt = await context.identity.accounts.grant(
        where, body.subject, parse_role(body.role), body.patterns, body.expires
    )
    return carried_out(receipt)


async def _revoke(context: AdminContext, request: Request, where: str) -> web.Response:
    receipt = await context.identity.accounts.revoke(where, request.query().one(_SUBJECT))
    return carried_out(receipt)


def _role(grant: RoleGrant) -> RoleState:
    role, patterns = role_named(grant.role), patterns_in(grant.within)
    return RoleState(grant.subject, role, patterns, grant.expires)


def _verb(text: str) -> Verb:
    if text not in (Verb.PULL, Verb.PUSH, Verb.DELETE):
        raise SecurityDocumentInvalid(f"denied may be pull, push or delete, not {text[:40]!r}")
    return Verb(text)


_CHANGING: Final = (*WRITING, NameInvalid, SecurityDocumentInvalid, AccountUnknown)
_PROJECT: Final = "/atoll/v1/access/{project}"

ENDPOINTS: Final = (
    Endpoint(
        action=Action.ACCESS_LIST,
        methods=("GET",),
        path="/atoll/v1/access",
        handler=projects,
        doc="List the projects that somebody has made.",
        parameters=(LIMIT, LAST),
        answers=(document(200, "A page of them.", ProjectsWithAccess, "Link"),),
        errors=(*READING, PaginationInvalid),
    ),
    Endpoint(
        action=Action.ACCESS_READ,
        methods=("GET",),
        path=_PROJECT,
        handler=project,
        doc="Show who may reach a project.",
        answers=(document(200, "Who may.", AccessState),),
        errors=(*READING, NameInvalid, AccountUnknown),
    ),
    Endpoint(
        action=Action.ACCESS_WRITE,
        methods=("PUT",),
        path=_PROJECT,
        handler=write_project,
        doc="Make a project, or say who may reach it; what is left out gets its default.",
        body=Body(doc="Who may.", struct=Reachable),
        answers=DONE,
        errors=_CHANGING,
        takes_content=True,
    ),
    Endpoint(
        action=Action.ACCESS_DELETE,
        methods=("DELETE",),
        path=_PROJECT,
        handler=delete_project,
        doc="End all roles in a project; made again it is another one. What is stored stays.",
        answers=GONE,
        errors=(*WRITING, NameInvalid, AccountUnknown),
    ),
    Endpoint(
        action=Action.GRANT_WRITE,
        methods=("POST",),
        path=f"{_PROJECT}/roles",
        handler=grant,
        doc="Give somebody a role in a project.",
        body=Body(doc="The role.", struct=NewRole),
        answers=DONE,
        errors=_CHANGING,
        takes_content=True,
    ),
    Endpoint(
        action=Action.GRANT_REVOKE,
        methods=("DELETE",),
        path=f"{_PROJECT}/roles",
        handler=revoke,
        doc="Take a role in a project away.",
        parameters=(_SUBJECT,),
        answers=GONE,
        errors=(*WRITING, NameInvalid, AccountUnknown),
    ),
    Endpoint(
        action=Action.CLUSTER_GRANTS,
        methods=("GET",),
        path="/atoll/v1/roles",
        handler=everywhere,
        doc="List the roles in all projects, and in the cluster.",
        answers=(document(200, "All of them.", Roles),),
        errors=READING,
    ),
    Endpoint(
        action=Action.CLUSTER_GRANT_WRITE,
        methods=("POST",),
        path="/atoll/v1/roles",
        handler=grant_everywhere,
        doc="Give somebody a role in all projects, and in the cluster.",
        body=Body(doc="The role.", struct=NewRole),
        answers=DONE,
        errors=_CHANGING,
        takes_content=True,
    ),
    Endpoint(
        action=Action.CLUSTER_GRANT_REVOKE,
        methods=("DELETE",),
        path="/atoll/v1/roles",
        handler=revoke_everywhere,
        doc="Take a role in all projects away.",
        parameters=(_SUBJECT,),
        answers=GONE,
        errors=(*WRITING, AccountUnknown),
    ),
    Endpoint(
        action=Action.KEYS,
        methods=("GET",),
        path="/atoll/v1/keys",
        handler=keys,
        doc="List the keys that tokens are signed with.",
        answers=(document(200, "Their public halves are known to all nodes.", Keys),),
        errors=READING,
    ),
    Endpoint(
        action=Action.KEY_REVOKE,
        methods=("POST",),
        path="/atoll/v1/keys/revoke",
        handler=revoke_key,
        doc="Void all tokens that a key has signed; its node makes another one.",
        body=Body(doc="The key: `kid` in the head of a token.", struct=KeyName),
        answers=GONE,
        errors=(*WRITING, AccountUnknown),
    ),
    Endpoint(
        action=Action.WHY,
        methods=("GET",),
        path="/atoll/v1/why",
        handler=why,
        doc="Tell whether somebody may do something, and why.",
        parameters=(_USER, _ACTION, _REPOSITORY),
        answers=(document(200, "Yes or no.", Explained),),
        errors=(*READING, NameInvalid, QueryInvalid),
    ),
)
