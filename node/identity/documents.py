"""
What is stored of users, robots, groups, projects, grants and secrets, and how versions combine.

Each document is a setting: a register that every node has and that may be written on both sides of
a partition. Where that leaves several heads they combine **by deny**: what one of them refuses is
refused, whichever was written last. `combine` is commutative, associative and idempotent, and what
comes of it grants no more than each of the heads does.

Nothing is ever deleted: a deleted setting competes by its stamp, and a grant that surfaces late
could outlive it. A *deleted* document takes its place; who makes the object anew writes over that
one, with another id. What names the old id, such as a grant or a token, is void from then on.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from typing import Any, Final, TypeVar

import msgspec

from node.identity.actions import Role, Verb

Within = tuple[tuple[str, ...], ...]
"""What repositories something is about: those that fit one pattern at least of *each* of these;
all, where there are none. One list of patterns as somebody wrote it, more as versions combined."""

NEVER: Final = 0.0
"""The time at which something expires that does not."""


class User(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person. `user`, by log-in name."""

    id: str
    created: float = 0.0
    disabled: bool = False
    deleted: bool = False


class Robot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A machine of one project. `robot`, by `PROJECT+NAME`, which is its log-in name."""

    id: str
    project: str = ""
    """The id of its project: it may do nothing in others."""

    created: float = 0.0
    expires: float = NEVER
    disabled: bool = False
    deleted: bool = False


class Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Some users, to be granted something together. `group`, by name."""

    id: str
    created: float = 0.0
    deleted: bool = False


class GroupMember(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A user is in a group. `membership`, by `USER-ID/GROUP-ID`."""

    id: str
    """The group's."""

    group: str = ""
    """Its name, by which its document is found."""

    deleted: bool = False


class Password(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a user logs in with. `password`, by the user's id."""

    id: str
    """Another one with each change: who logged in with the one before has to log in again."""

    hash: str = ""
    """By argon2id, in its own notation."""

    deleted: bool = False


class Credential(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    A secret of a robot, or a personal token of a user. `credential`, by `OWNER-ID/ID`.

    It is random, of 256 bits, so that a plain hash of it cannot be guessed from.
    """

    id: str
    label: str = ""
    digest: str = ""
    """SHA-256 of the secret, hexadecimal."""

    created: float = 0.0
    expires: float = NEVER
    role: int = Role.ADMIN
    """The most that can be done with it."""

    within: Within = ()
    deleted: bool = False


class Deny(msgspec.Struct, frozen=True, order=True, forbid_unknown_fields=True):
    """What nobody may do by a grant, or one subject may not. Stronger than every grant."""

    subject: str
    """The id of a user, robot or group; `*` for everybody."""

    verb: Verb
    """`pull`, `push` or `delete`."""

    pattern: str
    name: str = ""
    """What the subject was called, for who reads it. Nothing is decided by it."""


class ProjectAccess(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A project as far as access goes. `access`, by name."""

    id: str
    created: float = 0.0
    public: bool = False
    """Whether strangers may pull."""

    denies: tuple[Deny, ...] = ()
    deleted: bool = False


class RoleGrant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A role of a subject in a project. `grant`, by `PROJECT-ID/SUBJECT-ID`; `*` is all
    projects."""

    id: str
    """The subject's."""

    subject: str = ""
    """Its log-in name, or the group's, for who reads it. Nothing is decided by it."""

    role: int = 0
    within: Within = ()
    expires: float = NEVER
    deleted: bool = False


class SigningKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The public half of a key that a node signs tokens with. `key`, by its own name."""

    id: str
    node: str = ""
    x: str = ""
    """The public key, as JWK has it for Ed25519."""

    created: float = 0.0
    expires: float = NEVER
    """When tokens that it signed are refused at the latest."""

    deleted: bool = False


class EndedSession(msgspec.Struct, frozen=True, order=True, forbid_unknown_fields=True):
    """A session of the page from which somebody has logged out."""

    id: str
    expires: float
    """When it would have ended by itself: from then on nobody has to know of it."""


class EndedSessions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The sessions that somebody has ended. `session`, by the user's id."""

    id: str
    """The user's."""

    ended: tuple[EndedSession, ...] = ()
    before: float = 0.0
    """Sessions that began then or earlier have ended, too."""

    deleted: bool = False


Document = (
    User
    | Robot
    | Group
    | GroupMember
    | Password
    | Credential
    | ProjectAccess
    | RoleGrant
    | SigningKey
    | EndedSessions
)

D = TypeVar("D", bound=Document)

KINDS: Final[Mapping[type[Any], str]] = {
    User: "user",
    Robot: "robot",
    Group: "group",
    GroupMember: "membership",
    Password: "password",
    Credential: "credential",
    ProjectAccess: "access",
    RoleGrant: "grant",
    SigningKey: "key",
    EndedSessions: "session",
}
"""The kind of setting that each document is."""

CONFLICTED: Final = ""
"""The id of an object that was made twice: on both sides of a partition, say. It is neither."""

UNREADABLE: Final = "?"
"""The id of a document that this version cannot read. What it may say is not known: it grants
nothing."""


def encode(document: Document) -> str:
    """The text of the setting."""
    return msgspec.json.encode(document).decode()


def decode(of: type[D], text: str) -> D:
    """The document in a setting's text; one that is deleted where it cannot be read."""
    try:
        return msgspec.json.decode(text, type=of)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return of(id=UNREADABLE, deleted=True)


def combine(documents: Sequence[D]) -> D | None:
    """What concurrent versions come to; None without any."""
    return reduce(_combine_two, documents) if documents else None


def patterns_in(within: Within) -> list[str]:
    """All patterns of it, for who reads them; none: it is about all repositories."""
    return sorted({pattern for either in within for pattern in either})


def is_void(document: Document | None) -> bool:
    """Whether nothing may follow from it: it is not there, deleted, or made twice."""
    return document is None or document.deleted or document.id in (CONFLICTED, UNREADABLE)


def is_over(expires: float, now: float) -> bool:
    """Whether something that *expires* then has done so."""
    return expires != NEVER and now >= expires


def _same(one: str, other: str) -> str:
    return one if one == other else CONFLICTED


def _least(one: float, other: float) -> float:
    """The earlier end."""
    return max(one, other) if NEVER in (one, other) else min(one, other)


def _union(one: Iterable[Any], other: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(sorted({*one, *other}))


_RULES: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "id": _same,
    "project": _same,
    "group": _same,
    "subject": _same,
    "hash": _same,
    "digest": _same,
    "x": _same,
    "node": _same,
    "label": _same,
    "created": max,
    "expires": _least,
    "disabled": lambda one, other: one or other,
    "deleted": lambda one, other: one or other,
    "public": lambda one, other: one and other,
    "role": min,
    "within": _union,
    "denies": _union,
    "ended": _union,
    "before": max,
}
"""How two values of a field become one. Each is commutative, associative and idempotent."""


def _combine_two(one: D, other: D) -> D:
    if one == other:
        return one
    fields = type(one).__struct_fields__
    return type(one)(**{f: _RULES[f](getattr(one, f), getattr(other, f)) for f in fields})
