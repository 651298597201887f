"""
Writing what is stored of users, groups, robots, projects and secrets.

Each change is made of the heads that were read, and takes the place of those alone: what comes
from elsewhere meanwhile stays beside it, and both combine by deny. Acknowledged as a push is.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeVar

from node.identity.actions import Role
from node.identity.decisions import ALL
from node.identity.directory import SecurityDirectory
from node.identity.documents import (
    KINDS,
    Credential,
    Deny,
    Document,
    EndedSession,
    EndedSessions,
    Group,
    GroupMember,
    Password,
    ProjectAccess,
    Robot,
    RoleGrant,
    SigningKey,
    User,
    Within,
    encode,
)
from node.identity.errors import AccountExists, AccountUnknown, SecurityDocumentInvalid
from node.identity.login import CREDENTIAL, NOBODYS_NAME, OPERATOR, Account
from node.identity.passwords import Passwords, check_password
from node.identity.patterns import PATTERNS_MAX, parse_pattern
from node.identity.ports import SecurityStore
from node.identity.secrets import NewSecret, new_id, new_secret, new_secret_id
from node.registry.names import REPOSITORY_MAX
from node.registry.ports import Gate, MetadataWriter, SettingReader
from node.registry.projects import parse_project
from node.registry.receipt import Receipt, acknowledge
from node.registry.usecase import WriteUseCase
from node.registry.values import PutSetting

T = TypeVar("T", bound=Document)

CREDENTIALS_MAX: Final = 64
"""Secrets of one robot, or tokens of one user, that are valid: a page of them."""

DENIES_MAX: Final = 256
"""Rules of one project, each of which is looked at in a decision that is made anew."""

ENDED_MAX: Final = 64
"""Sessions of one user that have been ended and would go on, told by name. With one more all of
theirs end that began before."""

LABEL_MAX: Final = 64
"""Characters of what somebody calls a secret."""

ROBOT_MAX: Final = REPOSITORY_MAX
"""Characters of a robot's name with its project. It is the name of a setting, which every node
refuses that is longer (`node.index.objects`)."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{0,126}[a-z0-9]|[a-z0-9]")
"""Log-in names are in lower case, so that no two of them look alike to a person but for letters."""

_RESERVED: Final = frozenset({OPERATOR, NOBODYS_NAME})

_ROBOT: Final = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")


def parse_user(name: str) -> str:
    """
    A log-in name.

    Raises:
        SecurityDocumentInvalid: it cannot be one.
    """
    if _NAME.fullmatch(name) is None or name in _RESERVED:
        raise SecurityDocumentInvalid(
            "log-in names are 1 to 128 of a-z 0-9 . _ @ -, with a letter or digit at both ends, "
            f"and neither {OPERATOR!r} nor {NOBODYS_NAME!r}"
        )
    return name


def parse_robot(name: str) -> tuple[str, str]:
    """
    The project and the own part of a robot's name, `PROJECT+NAME`.

    Raises:
        SecurityDocumentInvalid, NameInvalid: it cannot be one.
    """
    project, plus, own = name.partition("+")
    if not plus or _ROBOT.fullmatch(own) is None or len(name) > ROBOT_MAX:
        raise SecurityDocumentInvalid(
            f"a robot is PROJECT+NAME, its name 1 to 63 of a-z 0-9 . _ -, and both together "
            f"{ROBOT_MAX} characters at most"
        )
    return parse_project(project), own


def parse_role(text: str) -> Role:
    """
    A role by its name.

    Raises:
        SecurityDocumentInvalid: there is none of that name.
    """
    try:
        return Role[text.upper()]
    except KeyError:
        names = ", ".join(role.name.lower() for role in Role)
        raise SecurityDocumentInvalid(f"roles are {names}, not {text[:40]!r}") from None


def is_limited(account: Account) -> bool:
    """Whether somebody came with a secret that may be for less than all that they may do."""
    return account.how.startswith(CREDENTIAL)


class Made(NamedTuple):
    """A new secret, which nobody can show again, and the event that made it."""

    secret: NewSecret
    receipt: Receipt


class Accounts(WriteUseCase):
    """Writes documents. One per node; belongs to its event loop."""

    def __init__(
        self,
        directory: SecurityDirectory,
        store: SecurityStore,
        settings: SettingReader,
        writer: MetadataWriter,
        gate: Gate,
        passwords: Passwords,
        now: Callable[[], float],
    ) -> None:
        """*now* gives seconds since the Unix epoch."""
        super().__init__(settings, writer, gate)
        self._directory = directory
        self._store = store
        self._passwords = passwords
        self._now = now
        self._turn = asyncio.Lock()
        """Held from reading to writing: else one name could be given twice on one node."""

    # --- users and groups ------------------------------------------------------------------------

    async def put_user(
        self, name: str, *, password: str | None, disabled: bool, create: bool
    ) -> Receipt:
        """
        Make a user, or change one; a *password* of None leaves what there is.

        Raises:
            SecurityDocumentInvalid: the name or the password cannot be.
            AccountExists: to *create* it, and it is there.
            AccountUnknown: it is not there.
            OutcomeUnknown: too few nodes confirmed it.
        """
        parse_user(name)
        hashed = None
        if password is not None:
            check_password(password)
            hashed = await self._passwords.hash(password)
        async with self._turn:
            await self._prepare_write("")
            found = self._directory.user(name)
            if create and found is not None:
                raise AccountExists("user", name)
            if not create and found is None:
                raise AccountUnknown("user", name)
            user = found or User(new_id(), self._now())
            if hashed is not None:
                await self._put(user.id, Password(new_id(), hashed))
            return await self._put(name, User(user.id, user.created, disabled=disabled))

    async def set_password(self, name: str, password: str) -> Receipt:
        """
        Change the password of a user. Who logged in with the one before has to log in again.

        Raises:
            SecurityDocumentInvalid, AccountUnknown, OutcomeUnknown: see `put_user`.
        """
        check_password(password)
        hashed = await self._passwords.hash(password)
        async with self._turn:
            await self._prepare_write("")
            user = _there(self._directory.user(name), "user", name)
            return await self._put(user.id, Password(new_id(), hashed))

    async def delete_user(self, name: str) -> Receipt:
        """
        Delete a user. Who comes to have that name has nothing of theirs.

        Raises:
            AccountUnknown, OutcomeUnknown: see `put_user`.
        """
        return await self._bury(User, "user", name)

    async def create_group(self, name: str) -> Receipt:
        """
        Make a group.

        Raises:
            SecurityDocumentInvalid, AccountExists, OutcomeUnknown: see `put_user`.
        """
        parse_user(name)
        async with self._turn:
            await self._prepare_write("")
            if self._directory.group(name) is not None:
                raise AccountExists("group", name)
            return await self._put(name, Group(new_id(), self._now()))

    async def delete_group(self, name: str) -> Receipt:
        """Delete a group, as `delete_user`."""
        return await self._bury(Group, "group", name)

    async def set_member(self, group: str, user: str, *, is_member: bool) -> Receipt:
        """
        Put a user into a group, or take one out.

        Raises:
            AccountUnknown: there is no such group or user. OutcomeUnknown: see `put_user`.
        """
        async with self._turn:
            await self._prepare_write("")
            found = _there(self._directory.group(group), "group", group)
            member = _there(self._directory.user(user), "user", user)
            name = f"{member.id}/{found.id}"
            return await self._put(name, GroupMember(found.id, group, deleted=not is_member))

    # --- projects --------------------------------------------------------------------------------

    async def put_project(self, name: str, *, public: bool, denies: Sequence[Deny]) -> Receipt:
        """
        Make a project, or say who may reach it. The subjects of *denies* are names.

        Raises:
            NameInvalid, SecurityDocumentInvalid, AccountUnknown, OutcomeUnknown: see `put_user`.
        """
        parse_project(name)
        if len(denies) > DENIES_MAX:
            raise SecurityDocumentInvalid(f"a project has at most {DENIES_MAX} rules")
        async with self._turn:
            await self._prepare_write("")
            found = self._directory.valid(ProjectAccess, name)
            access = ProjectAccess(
                new_id() if found is None else found.id,
                self._now() if found is None else found.created,
                public,
                tuple(sorted(self._deny(name, deny) for deny in denies)),
            )
            return await self._put(name, access)

    async def delete_project(self, name: str) -> Receipt:
        """
        Take away who may reach a project: it is private, and only who was granted something in all
        projects reaches it. Made again it is another one. What is stored in it stays.

        Raises:
            AccountUnknown, OutcomeUnknown: see `put_user`.
        """
        return await self._bury(ProjectAccess, "project", name)

    async def grant(
        self, project: str, subject: str, role: Role, patterns: Sequence[str], expires: float
    ) -> Receipt:
        """
        Give a subject a role in a project, or in `*`, in the place of the one that it has there.

        Args:
            subject: a user, a robot, or `@GROUP`.
            patterns: the repositories that it is about; all, without any.

        Raises:
            SecurityDocumentInvalid, AccountUnknown, OutcomeUnknown: see `put_user`.
        """
        within = _within(patterns, project)
        async with self._turn:
            await self._prepare_write("")
            who, where = self._subject_id(subject), self._project_id(project)
            if role is Role.WATCHER and (where != ALL or within):
                raise SecurityDocumentInvalid("a watcher sees the cluster, and no part of it alone")
            if "+" in subject:
                robot = self._directory.robot(subject)
                if robot is None or robot.project != where:
                    raise SecurityDocumentInvalid("a robot has roles in its own project only")
                if role > Role.MAINTAINER:
                    raise SecurityDocumentInvalid("a robot is no admin")
            return await self._put(f"{where}/{who}", RoleGrant(who, subject, role, within, expires))

    async def revoke(self, project: str, subject: str) -> Receipt:
        """
        Take the role of a subject in a project away; also one that this node does not know of.

        Raises:
            AccountUnknown, OutcomeUnknown: see `put_user`.
        """
        async with self._turn:
            await self._prepare_write("")
            who, where = self._subject_id(subject), self._project_id(project)
            return await self._put(f"{where}/{who}", RoleGrant(who, subject, deleted=True))

    # --- robots and secrets ----------------------------------------------------------------------

    async def put_robot(
        self, name: str, *, expires: float, disabled: bool, create: bool
    ) -> Receipt:
        """
        Make the robot `PROJECT+NAME`, or change it. It has no secret and no role at first.

        Raises:
            SecurityDocumentInvalid, AccountExists, AccountUnknown, OutcomeUnknown: see `put_user`.
        """
        project, _ = parse_robot(name)
        async with self._turn:
            await self._prepare_write("")
            where, found = self._project_id(project), self._directory.robot(name)
            if found is not None and found.project != where:
                found = None  # that of a project which had this name before
            if create and found is not None:
                raise AccountExists("robot", name)
            if not create and found is None:
                raise AccountUnknown("robot", name)
            made = found or Robot(new_id(), where, self._now())
            robot = Robot(made.id, where, made.created, expires, disabled)
            return await self._put(name, robot)

    async def delete_robot(self, name: str) -> Receipt:
        """Delete a robot, as `delete_user`."""
        parse_robot(name)
        return await self._bury(Robot, "robot", name)

    async def add_credential(
        self,
        owner: str,
        label: str,
        *,
        expires: float,
        role: Role,
        patterns: Sequence[str],
        under: str = "",
    ) -> Made:
        """
        Make a secret for a robot, or a token for a user: for no more than *role* and *patterns*.

        Args:
            under: the id that it gets, for who asks for it twice and wants one; empty: any.

        Raises:
            AccountExists: there is one *under* that id, or was.
            SecurityDocumentInvalid, AccountUnknown, OutcomeUnknown: see `put_user`.
        """
        if not label.isprintable() or not 0 < len(label) <= LABEL_MAX:
            raise SecurityDocumentInvalid(f"a secret is called 1 to {LABEL_MAX} characters")
        within = _within(patterns, ALL)
        async with self._turn:
            await self._prepare_write("")
            who = self._subject_id(owner)
            if len(self._directory.credentials(who)) >= CREDENTIALS_MAX:
                raise SecurityDocumentInvalid(f"{owner} has {CREDENTIALS_MAX} secrets already")
            secret = new_secret(under or new_secret_id())
            if self._directory.get(Credential, f"{who}/{secret.id}") is not None:
                raise AccountExists("secret", secret.id)
            document = Credential(
                secret.id, label, secret.digest, self._now(), expires, role, within
            )
            return Made(secret, await self._put(f"{who}/{secret.id}", document))

    async def revoke_credential(self, owner: str, credential: str) -> Receipt:
        """
        Take a secret or a token back.

        Raises:
            AccountUnknown, OutcomeUnknown: see `put_user`.
        """
        async with self._turn:
            await self._prepare_write("")
            who = self._subject_id(owner)
            if self._directory.credential(who, credential) is None:
                raise AccountUnknown("secret", credential)
            return await self._put(f"{who}/{credential}", Credential(credential, deleted=True))

    async def end_session(self, user: str, session: str, expires: float) -> Receipt:
        """
        Have a session of the user with the id *user* end, which would have ended at *expires*.

        Raises:
            OutcomeUnknown: see `put_user`.
        """
        async with self._turn:
            await self._prepare_write("")
            now = self._now()
            found = self._directory.ended_sessions(user) or EndedSessions(user)
            running = [each for each in found.ended if each.expires > now]
            ended = tuple(sorted({*running, EndedSession(session, expires)}))
            document = EndedSessions(user, ended, found.before)
            if len(ended) > ENDED_MAX:
                document = EndedSessions(user, (), now)
            return await self._put(user, document)

    async def publish(self, key: SigningKey) -> Receipt:
        """
        Tell everybody the public half of a key.

        Raises:
            OutcomeUnknown: too few nodes confirmed it.
        """
        await self._prepare_write("")
        return await self._put(key.id, key)

    async def revoke_key(self, name: str) -> Receipt:
        """
        Void all that a key has signed.

        Raises:
            AccountUnknown: there is no such key. OutcomeUnknown: see `put_user`.
        """
        return await self._bury(SigningKey, "key", name)

    # ---------------------------------------------------------------------------------------------

    async def _bury(self, of: type[T], what: str, name: str) -> Receipt:
        async with self._turn:
            await self._prepare_write("")
            found = _there(self._directory.valid(of, name), what, name)
            return await self._put(name, of(id=found.id, deleted=True))

    async def _put(self, name: str, document: Document) -> Receipt:
        kind = KINDS[type(document)]
        seen = tuple(head.dot for head in self._store.setting_heads(kind, name))
        consistency = self.check_writable("")
        event = await self._writer.put(PutSetting(kind, name, encode(document), seen))
        return await acknowledge(self._gate, event, consistency)

    def _deny(self, project: str, deny: Deny) -> Deny:
        subject = deny.subject if deny.subject == ALL else self._subject_id(deny.subject)
        return Deny(subject, deny.verb, parse_pattern(deny.pattern, project), deny.subject)

    def _subject_id(self, name: str) -> str:
        if name.startswith("@"):
            return _there(self._directory.group(name[1:]), "group", name[1:]).id
        if "+" in name:
            return _there(self._directory.robot(name), "robot", name).id
        return _there(self._directory.user(name), "user", name).id

    def _project_id(self, name: str) -> str:
        if name == ALL:
            return ALL
        return _there(self._directory.valid(ProjectAccess, name), "project", name).id


def _within(patterns: Sequence[str], project: str) -> Within:
    if len(patterns) > PATTERNS_MAX:
        raise SecurityDocumentInvalid(f"at most {PATTERNS_MAX} patterns")
    parsed = tuple(
        sorted({parse_pattern(each, None if project == ALL else project) for each in patterns})
    )
    return (parsed,) if parsed else ()


def _there(found: T | None, what: str, name: str) -> T:
    if found is None:
        raise AccountUnknown(what, name)
    return found
