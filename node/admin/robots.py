"""The robots of projects, and their secrets."""

from collections.abc import Sequence
from typing import Final

import msgspec
from aiohttp import web

from node.admin.accounts import (
    ID,
    MadeSecret,
    NewSecretDocument,
    Secrets,
    make_credential,
    state_of,
)
from node.admin.answers import DONE, GONE, answer, carried_out, document
from node.admin.context import AdminContext
from node.errors import NameInvalid
from node.http import headers
from node.http.body_reader import read_document
from node.http.endpoint import READING, WRITING, Action, Body, Endpoint, Request
from node.identity.documents import Robot
from node.identity.errors import AccountExists, AccountUnknown, SecurityDocumentInvalid
from node.registry.projects import parse_project


class RobotState(msgspec.Struct):
    """A robot."""

    name: str
    """The log-in name, `PROJECT+NAME`."""

    disabled: bool
    """Whether it may not log in."""

    expires: float
    """Seconds since 1970; 0: never."""


class Robots(msgspec.Struct):
    """The robots of a project."""

    robots: Sequence[RobotState]
    """In byte order."""


class NewRobot(msgspec.Struct, forbid_unknown_fields=True):
    """A robot that is made now."""

    name: str
    """`PROJECT+NAME`, 255 characters at most, of which the name has up to 63."""

    expires: float = 0.0
    """Seconds since 1970; 0: never."""


class RobotChange(msgspec.Struct, forbid_unknown_fields=True):
    """What holds for a robot from now on."""

    disabled: bool = False
    """Whether it may not log in."""

    expires: float = 0.0
    """Seconds since 1970; 0: never."""


async def robots(context: AdminContext, request: Request) -> web.Response:
    """GET of the robots of a project."""
    name, directory = parse_project(request.variable), context.identity.directory
    found = []
    for each in directory.names(Robot, f"{name}+"):
        robot, access = directory.robot(each), directory.project(name)
        if robot is not None and access is not None and robot.project == access.id:
            found.append(RobotState(each, robot.disabled, robot.expires))
    return answer(Robots(found))


async def create_robot(context: AdminContext, request: Request) -> web.Response:
    """POST of a robot."""
    body = await read_document(request, NewRobot, context.limits)
    if body.name.partition("+")[0] != parse_project(request.variable):
        raise SecurityDocumentInvalid("its name begins with that of its project")
    receipt = await context.identity.accounts.put_robot(
        body.name, expires=body.expires, disabled=False, create=True
    )
    return answer(RobotState(body.name, False, body.expires), headers.receipt(receipt), 201)


async def write_robot(context: AdminContext, request: Request) -> web.Response:
    """PUT of a robot."""
    body = await read_document(request, RobotChange, context.limits)
    receipt = await context.identity.accounts.put_robot(
        request.variable, expires=body.expires, disabled=body.disabled, create=False
    )
    return carried_out(receipt)


async def delete_robot(context: AdminContext, request: Request) -> web.Response:
    """DELETE of a robot."""
    receipt = await context.identity.accounts.delete_robot(request.variable)
    return carried_out(receipt)


async def secrets(context: AdminContext, request: Request) -> web.Response:
    """GET of the secrets of a robot."""
    directory = context.identity.directory
    robot = directory.robot(request.variable)
    if robot is None:
        raise AccountUnknown("robot", request.variable)
    return answer(Secrets([state_of(each) for each in directory.credentials(robot.id)]))


async def add_secret(context: AdminContext, request: Request) -> web.Response:
    """POST of a secret for a robot."""
    body = await read_document(request, NewSecretDocument, context.limits)
    return await make_credential(context, _robot(request.variable), body)


async def revoke_secret(context: AdminContext, request: Request) -> web.Response:
    """DELETE of a secret of a robot."""
    name = _robot(request.variable)
    receipt = await context.identity.accounts.revoke_credential(name, request.query().one(ID))
    return carried_out(receipt)


def _robot(name: str) -> str:
    if "+" not in name:
        raise AccountUnknown("robot", name)
    return name


_CHANGING: Final = (*WRITING, NameInvalid, SecurityDocumentInvalid, AccountUnknown)
_OF_PROJECT: Final = "/atoll/v1/access/{project}/robots"
_ROBOT: Final = "/atoll/v1/robots/{robot}"

ENDPOINTS: Final = (
    Endpoint(
        action=Action.ROBOTS,
        methods=("GET",),
        path=_OF_PROJECT,
        handler=robots,
        doc="List the robots of a project.",
        answers=(document(200, "All of them.", Robots),),
        errors=(*READING, NameInvalid),
    ),
    Endpoint(
        action=Action.ROBOT_CREATE,
        methods=("POST",),
        path=_OF_PROJECT,
        handler=create_robot,
        doc="Make a robot, with no role and no secret.",
        body=Body(doc="The robot.", struct=NewRobot),
        answers=(document(201, "There is one.", RobotState, *headers.RECEIPT),),
        errors=(*_CHANGING, AccountExists),
        takes_content=True,
    ),
    Endpoint(
        action=Action.ROBOT_WRITE,
        methods=("PUT",),
        path=_ROBOT,
        handler=write_robot,
        doc="Set whether a robot may log in, and until when.",
        body=Body(doc="What holds from now on.", struct=RobotChange),
        answers=DONE,
        errors=_CHANGING,
    ),
    Endpoint(
        action=Action.ROBOT_DELETE,
        methods=("DELETE",),
        path=_ROBOT,
        handler=delete_robot,
        doc="Delete a robot.",
        answers=GONE,
        errors=_CHANGING,
    ),
    Endpoint(
        action=Action.ROBOT_SECRETS,
        methods=("GET",),
        path=f"{_ROBOT}/secrets",
        handler=secrets,
        doc="List the secrets of a robot.",
        answers=(document(200, "Those that are valid.", Secrets),),
        errors=(*READING, AccountUnknown),
    ),
    Endpoint(
        action=Action.ROBOT_SECRET_ADD,
        methods=("POST",),
        path=f"{_ROBOT}/secrets",
        handler=add_secret,
        doc="Make a secret for a robot, beside those that it has.",
        body=Body(doc="What it is for.", struct=NewSecretDocument),
        answers=(document(201, "The secret, this once.", MadeSecret, *headers.RECEIPT),),
        errors=_CHANGING,
        takes_content=True,
    ),
    Endpoint(
        action=Action.ROBOT_SECRET_REVOKE,
        methods=("DELETE",),
        path=f"{_ROBOT}/secrets",
        handler=revoke_secret,
        doc="Take a secret of a robot back.",
        parameters=(ID,),
        answers=GONE,
        errors=(*WRITING, NameInvalid, AccountUnknown),
    ),
)
