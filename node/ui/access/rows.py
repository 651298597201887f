"""The rows of the tables of access: users, roles, robots, secrets, keys."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

from node.http.endpoint import Action, Rights
from node.identity.actions import role_named
from node.identity.decisions import ALL
from node.identity.directory import SecurityDirectory
from node.identity.documents import (
    Credential,
    ProjectAccess,
    Robot,
    RoleGrant,
    SigningKey,
    is_over,
    is_void,
    patterns_in,
)
from node.registry.listing import visible
from node.registry.values import Page
from node.ui.access.common import LOOKED_MAX, ROWS, project_at, robot_at, subject_at, user_at

_LOOKED_LEAST: Final = 100


class UserRow(NamedTuple):
    """A user."""

    name: str
    href: str
    is_disabled: bool
    has_password: bool
    groups: Sequence[str]
    role: str
    """In all projects; empty: none."""

    created: float


class RoleRow(NamedTuple):
    """A role that somebody has somewhere."""

    subject: str
    href: str
    """Of the subject; empty: it is not there any more, and the role is nobody's."""

    role: str
    within: str
    """The repositories that it is for; empty: all."""

    expires: float
    is_over: bool


class HeldRole(NamedTuple):
    """A role of one subject."""

    where: str
    """The project; empty: all, and the cluster."""

    href: str
    """Of the page that says who may reach it; empty: the caller may not see that."""

    role: str
    through: str
    """The group that it was given to; empty: to the subject itself."""

    within: str
    expires: float
    is_over: bool


class RobotRow(NamedTuple):
    """A robot."""

    name: str
    href: str
    project: str
    project_href: str
    is_disabled: bool
    role: str
    within: str
    expires: float
    is_over: bool
    secrets: int
    """Those that are valid and not over."""


class SecretRow(NamedTuple):
    """A secret, short of what it is."""

    id: str
    label: str
    created: float
    expires: float
    is_over: bool
    role: str
    within: str


class KeyRow(NamedTuple):
    """A key that tokens are signed with."""

    id: str
    node: str
    created: float
    expires: float


def user_row(directory: SecurityDirectory, name: str) -> Iterator[UserRow]:
    """The row of a user, if there is one."""
    user = directory.user(name)
    if user is None:
        return
    grant = directory.grant(ALL, user.id)
    yield UserRow(
        name,
        user_at(name),
        user.disabled,
        directory.password(user.id) is not None,
        sorted(directory.groups_of(user.id).values()),
        "" if grant is None else role_named(grant.role),
        user.created,
    )


def robot_row(directory: SecurityDirectory, name: str, now: float) -> Iterator[RobotRow]:
    """The row of a robot, if there is one and its project is the one of that name."""
    robot, project = directory.robot(name), name.partition("+")[0]
    if robot is None or not is_of(directory, robot, project):
        return
    grant = directory.grant(robot.project, robot.id)
    valid = [each for each in directory.credentials(robot.id) if not is_over(each.expires, now)]
    yield RobotRow(
        name,
        robot_at(name),
        project,
        project_at(project),
        robot.disabled,
        "" if grant is None else role_named(grant.role),
        "" if grant is None else within(grant),
        robot.expires,
        is_over(robot.expires, now),
        len(valid),
    )


def is_of(directory: SecurityDirectory, robot: Robot, project: str) -> bool:
    """Whether *robot* is one of the project that has that name now."""
    access = directory.project(project)
    return access is not None and not is_void(access) and robot.project == access.id


def role_rows(
    directory: SecurityDirectory, project: str, after: str, now: float
) -> tuple[list[RoleRow], str]:
    """The roles in the project with that id, or in all; and behind which the next page begins."""
    page = directory.page(RoleGrant, f"{project}/{after}", ROWS, under=f"{project}/")
    found = [_role_row(directory, grant, now) for grant in _valid(directory, page)]
    following = "" if page.next_after is None else page.next_after.partition("/")[2]
    return sorted(found), following


def _valid(directory: SecurityDirectory, page: Page) -> Iterator[RoleGrant]:
    for name in page.items:
        grant = directory.valid(RoleGrant, name)
        if grant is not None:
            yield grant


def _role_row(directory: SecurityDirectory, grant: RoleGrant, now: float) -> RoleRow:
    there = _id_of(directory, grant.subject) == grant.id
    return RoleRow(
        grant.subject or grant.id,
        subject_at(grant.subject) if there else "",
        role_named(grant.role),
        within(grant),
        grant.expires,
        is_over(grant.expires, now),
    )


def _id_of(directory: SecurityDirectory, subject: str) -> str:
    """The id of a user, a robot or `@GROUP` that is there."""
    if subject.startswith("@"):
        group = directory.group(subject[1:])
        return "" if group is None else group.id
    if "+" in subject:
        robot = directory.robot(subject)
        return "" if robot is None else robot.id
    user = directory.user(subject)
    return "" if user is None else user.id


def held_roles(
    directory: SecurityDirectory, user: str, after: str, rights: Rights, now: float
) -> tuple[list[HeldRole], str]:
    """
    The roles of the user with that id, those of their groups among them, by project; and behind
    which the next page begins. The first one begins with those in all projects.
    """
    through = {user: "", **directory.groups_of(user)}
    read = partial(directory.page, ProjectAccess)
    looked = max(_LOOKED_LEAST, LOOKED_MAX // len(through))

    def holds_some(name: str) -> bool:
        return any(_held(directory, name, through))

    page = visible(read, holds_some, after, ROWS, hidden_max=looked)
    everywhere = [] if after else _grants(directory, ALL, through)
    found = [_held_row(grant, named, "", "", now) for grant, named in everywhere]
    for name in page.items:
        href = project_at(name) if rights.may(Action.ACCESS_READ, name) else ""
        found += [
            _held_row(grant, named, name, href, now)
            for grant, named in _held(directory, name, through)
        ]
    return found, page.next_after or ""


def _held(
    directory: SecurityDirectory, project: str, through: Mapping[str, str]
) -> list[tuple[RoleGrant, str]]:
    access = directory.project(project)
    if access is None or is_void(access):
        return []
    return _grants(directory, access.id, through)


def _grants(
    directory: SecurityDirectory, project: str, through: Mapping[str, str]
) -> list[tuple[RoleGrant, str]]:
    found = ((directory.grant(project, who), named) for who, named in through.items())
    return [(grant, named) for grant, named in found if grant is not None]


def _held_row(grant: RoleGrant, through: str, where: str, href: str, now: float) -> HeldRole:
    over = is_over(grant.expires, now)
    role = role_named(grant.role)
    return HeldRole(where, href, role, through, within(grant), grant.expires, over)


def secret_rows(directory: SecurityDirectory, owner: str, now: float) -> list[SecretRow]:
    """The secrets of a robot, or the tokens of a user, by id; the newest first."""
    found = sorted(directory.credentials(owner), key=lambda each: (-each.created, each.id))
    return [
        SecretRow(
            each.id,
            each.label,
            each.created,
            each.expires,
            is_over(each.expires, now),
            role_named(each.role),
            within(each),
        )
        for each in found
    ]


def key_rows(directory: SecurityDirectory, after: str) -> tuple[list[KeyRow], str]:
    """The keys, by node; and behind which the next page begins."""
    page = directory.page(SigningKey, after, ROWS)
    found = [directory.valid(SigningKey, name) for name in page.items]
    rows = [KeyRow(each.id, each.node, each.created, each.expires) for each in found if each]
    return sorted(rows, key=lambda row: (row.node, row.created)), page.next_after or ""


def within(of: RoleGrant | Credential) -> str:
    """The repositories that it is for; empty: all."""
    return ", ".join(patterns_in(of.within))
