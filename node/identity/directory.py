"""Reading documents: each with all its heads, combined."""

from collections.abc import Iterator
from itertools import takewhile
from typing import Any, Final, TypeVar

from node.identity.documents import (
    KINDS,
    Credential,
    D,
    EndedSessions,
    Group,
    GroupMember,
    Password,
    ProjectAccess,
    Robot,
    RoleGrant,
    SigningKey,
    User,
    combine,
    decode,
    is_void,
)
from node.identity.ports import SecurityStore
from node.registry.listing import visible
from node.registry.values import Page

T = TypeVar("T")

REMEMBERED_MAX: Final = 50_000
"""Documents remembered, some kilobyte each with its names; more are read again, at microseconds."""

_PAGE: Final = 1000


class SecurityDirectory:
    """
    The documents as this node has them. What was read is remembered until any setting changes.

    Belongs to one event loop.
    """

    def __init__(self, store: SecurityStore) -> None:
        self._store = store
        self._word = store.settings_word
        self._remembered: dict[tuple[type[Any], str], Any] = {}

    @property
    def word(self) -> int:
        """Another number after each change of any document: see `SecurityStore.settings_word`."""
        return self._store.settings_word

    def get(self, of: type[D], name: str) -> D | None:
        """A document, whatever it says; None: there never was one."""
        word = self._store.settings_word  # before it is read: what changes meanwhile is read again
        if word != self._word or len(self._remembered) > REMEMBERED_MAX:
            self._remembered.clear()
            self._word = word
        try:
            found: D | None = self._remembered[of, name]
        except KeyError:
            heads = self._store.setting_heads(KINDS[of], name)
            texts = sorted(head.value for head in heads if head.value is not None)
            found = combine([decode(of, text) for text in texts])
            self._remembered[of, name] = found
        return found

    def valid(self, of: type[D], name: str) -> D | None:
        """A document from which something may follow."""
        found = self.get(of, name)
        return None if is_void(found) else found

    def page(
        self, of: type[D], last: str, limit: int, *, containing: str = "", under: str = ""
    ) -> Page:
        """
        Names of the documents of a kind that are not void, behind *last*: those that have
        *containing* in them and begin with *under*, which is as `names` has it.
        """
        assert not under or under[-1] in "/+", "a prefix ends where a part of a name does"

        def read(after: str, step: int) -> Page:
            page = self._store.settings(KINDS[of], max(after, under), step)
            mine = list(takewhile(lambda name: name.startswith(under), page.items))
            return page if len(mine) == len(page.items) else Page(mine, None)

        return visible(
            read,
            lambda name: containing in name and self.valid(of, name) is not None,
            last,
            limit,
        )

    def names(self, of: type[D], under: str = "") -> Iterator[str]:
        """
        Names of the documents of a kind that begin with *under*, which ends in a character that no
        part of a name has.
        """
        assert not under or under[-1] in "/+", "a prefix ends where a part of a name does"
        last: str | None = under
        while last is not None:
            page = self._store.settings(KINDS[of], last, _PAGE)
            for name in page.items:
                if not name.startswith(under):
                    return
                yield name
            last = page.next_after

    def user(self, name: str) -> User | None:
        return self.valid(User, name)

    def robot(self, name: str) -> Robot | None:
        return self.valid(Robot, name)

    def group(self, name: str) -> Group | None:
        return self.valid(Group, name)

    def project(self, name: str) -> ProjectAccess | None:
        """As `get`: what was denied in it counts even where the rest does not."""
        return self.get(ProjectAccess, name)

    def password(self, user: str) -> Password | None:
        """That of the user with the id *user*."""
        return self.valid(Password, user)

    def credential(self, owner: str, credential: str) -> Credential | None:
        return self.valid(Credential, f"{owner}/{credential}")

    def credentials(self, owner: str) -> list[Credential]:
        """The secrets of a robot, or the tokens of a user."""
        found = (self.valid(Credential, name) for name in self.names(Credential, f"{owner}/"))
        return [credential for credential in found if credential is not None]

    def ended_sessions(self, user: str) -> EndedSessions | None:
        """As `get`: what this version cannot read may say that all have ended."""
        return self.get(EndedSessions, user)

    def grant(self, project: str, subject: str) -> RoleGrant | None:
        return self.valid(RoleGrant, f"{project}/{subject}")

    def grants(self, project: str) -> list[RoleGrant]:
        """All in the project with the id *project*."""
        found = (self.valid(RoleGrant, name) for name in self.names(RoleGrant, f"{project}/"))
        return [grant for grant in found if grant is not None]

    def groups_of(self, user: str) -> dict[str, str]:
        """The groups that the user with the id *user* is in: names by ids."""
        found: dict[str, str] = {}
        for name in self.names(GroupMember, f"{user}/"):
            member = self.valid(GroupMember, name)
            if member is None:
                continue
            group = self.group(member.group)
            if group is not None and group.id == member.id:
                found[group.id] = member.group
        return found

    def members_of(self, group: str) -> list[str]:
        """The log-in names of who is in the group of that name: all users are looked at."""
        users = ((name, self.user(name)) for name in self.names(User))
        return [
            name
            for name, user in users
            if user is not None and group in self.groups_of(user.id).values()
        ]

    def keys(self) -> list[SigningKey]:
        """Those that tokens may be signed with, or were; not those that were taken back."""
        found = (self.valid(SigningKey, name) for name in self.names(SigningKey))
        return [key for key in found if key is not None]

    def get_key(self, name: str) -> SigningKey | None:
        """As `get`: one that was revoked is another thing than one that is not known."""
        return self.get(SigningKey, name)
