"""
Who somebody is: passwords, tokens of people and secrets of robots.

*How* somebody logged in goes into their tokens: `password/ID` or `credential/ID`. So a token is
worth nothing any more, at each node that has heard of it, once that password was changed or that
secret revoked.
"""

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

from node.identity.actions import Role
from node.identity.decisions import Subject
from node.identity.directory import SecurityDirectory
from node.identity.documents import NEVER, Credential, is_over
from node.identity.errors import AuthorityLost
from node.identity.passwords import Passwords
from node.identity.ports import Authority, Knowledge
from node.identity.secrets import id_in, is_secret
from node.registry.names import REPOSITORY_MAX

OPERATOR: Final = "operator"
"""The log-in name of who may read the data directory. No user can have it."""

REMEMBERED_MAX: Final = 10_000
"""Log-ins remembered, some 200 bytes each."""

REMEMBERED_S: Final = 60.0
"""How long: a client that only knows Basic sends its password with each request. Whether that is
still the password is looked up each time; only the slow hash is saved."""

NOBODYS_NAME: Final = "anonymous"
"""What stands in logs and histories for who has not said who they are. No user can have it."""

_PASSWORD: Final = "password/"
CREDENTIAL: Final = "credential/"
"""What *how* begins with."""


class Account(NamedTuple):
    """Somebody who has logged in, by what tokens say of it."""

    id: str
    name: str
    how: str


NOBODY: Final = Account("", "", "")
"""A stranger."""


class Login:
    """Logs in. Belongs to one event loop."""

    def __init__(
        self,
        directory: SecurityDirectory,
        passwords: Passwords,
        freshness: Knowledge,
        authority: Authority,
        now: Callable[[], float],
        *,
        cutoff_s: float,
        operator: str,
    ) -> None:
        """
        Args:
            now: seconds since the Unix epoch.
            cutoff_s: without a majority of the cluster for so long, nobody is logged in; 0: never.
            operator: the secret of who may read the data directory; empty: there is none.
        """
        self._directory = directory
        self._passwords = passwords
        self._freshness = freshness
        self._authority = authority
        self._now = now
        self._cutoff_s = cutoff_s
        self._operator = operator
        # Bound to the secret: what was got by it is good at this node, until it starts again.
        self._as_operator = f"{OPERATOR}/{hashlib.sha256(operator.encode()).hexdigest()}"
        self._key = secrets.token_bytes(32)
        self._remembered: OrderedDict[bytes, tuple[Account, float]] = OrderedDict()

    def check_authority(self) -> None:
        """
        Return if somebody may be logged in here, or have a token renewed.

        Raises:
            AuthorityLost: what was revoked may be unknown here, for too long.
        """
        apart_s = self._authority.apart_s()
        if self._cutoff_s and apart_s > self._cutoff_s:
            raise AuthorityLost(apart_s, self._cutoff_s)

    async def log_in(self, name: str, password: str) -> Account | None:
        """
        Who *name* is, if that is their password or one of their secrets; None: nobody.

        Raises:
            AuthorityLost, TooManyLogins: it is not known.
            NotCaughtUp, ClockOff: nor whether what is here is the latest.
        """
        if name == OPERATOR:
            right = bool(self._operator) and hmac.compare_digest(
                password.encode(), self._operator.encode()
            )
            return Account(OPERATOR, OPERATOR, self._as_operator) if right else None
        self.check_authority()
        await self._freshness.ensure_current()
        mark = hashlib.blake2b(f"{name}\0{password}".encode(), key=self._key).digest()
        known = self._remembered.get(mark)
        if known is not None:
            account, until = known
            if self._now() < until and self.subject(account) is not None:
                return account
            del self._remembered[mark]
        found = await self._find(name, password)
        if found is None:
            # It may have been made or changed a moment ago, elsewhere.
            compared = self._compared(name, password)
            await self._freshness.catch_up()
            if self._compared(name, password) != compared:
                found = await self._find(name, password)
        if found is not None:
            self._remembered[mark] = found, self._now() + REMEMBERED_S
            if len(self._remembered) > REMEMBERED_MAX:
                self._remembered.popitem(last=False)
        return found

    def subject(self, account: Account) -> Subject | None:
        """
        Who *account* is by the documents that are here now; None: nobody any more, or by this.

        What was deleted and made again under the same name is somebody else.
        """
        if account.id == OPERATOR:
            right = bool(self._operator) and account.how == self._as_operator
            return Subject(OPERATOR, OPERATOR, operator=True) if right else None
        owner = self._owner(account.name)
        if owner is None or owner.id != account.id:
            return None
        if account.how.startswith(_PASSWORD):
            password = self._directory.password(owner.id)
            right = password is not None and f"{_PASSWORD}{password.id}" == account.how
            return owner if right and not owner.only_project else None
        credential = self._directory.credential(owner.id, account.how.removeprefix(CREDENTIAL))
        if credential is None or is_over(credential.expires, self._now()):
            return None
        return _limited(owner, credential)

    def named(self, name: str) -> Subject | None:
        """The user or robot of that name, with all that it may do; None: there is none."""
        return self._owner(name)

    def _owner(self, name: str) -> Subject | None:
        if not name.isprintable() or not 0 < len(name) <= REPOSITORY_MAX:
            return None  # so that nothing else is ever a key
        if "+" not in name:
            user = self._directory.user(name)
            if user is None or user.disabled:
                return None
            return Subject(user.id, name, frozenset(self._directory.groups_of(user.id)))
        robot = self._directory.robot(name)
        if robot is None or robot.disabled or not robot.project:
            return None
        if is_over(robot.expires, self._now()):
            return None
        return Subject(robot.id, name, only_project=robot.project, until=robot.expires)

    async def _find(self, name: str, password: str) -> Account | None:
        return self._by_secret(name, password) or await self._by_password(name, password)

    def _compared(self, name: str, password: str) -> object:
        """All that decides whether *password* is right."""
        owner, credential = self._owner(name), id_in(password)
        if owner is None:
            return None
        if credential is not None:
            return self._directory.credential(owner.id, credential)
        return self._directory.password(owner.id)

    def _by_secret(self, name: str, password: str) -> Account | None:
        owner, credential = self._owner(name), id_in(password)
        if owner is None or credential is None:
            return None
        found = self._directory.credential(owner.id, credential)
        if found is None or not is_secret(password, found.digest):
            return None
        account = Account(owner.id, name, f"{CREDENTIAL}{credential}")
        return account if self.subject(account) is not None else None

    async def _by_password(self, name: str, password: str) -> Account | None:
        if id_in(password) is not None:
            return None
        owner = self._owner(name)
        stored = None if owner is None else self._directory.password(owner.id)
        right = await self._passwords.verify("" if stored is None else stored.hash, password)
        if not right or owner is None or stored is None:
            return None
        account = Account(owner.id, name, f"{_PASSWORD}{stored.id}")
        return account if self.subject(account) is not None else None


def _limited(owner: Subject, credential: Credential) -> Subject:
    """The owner of a secret, as far as that goes."""
    ends = [end for end in (owner.until, credential.expires) if end != NEVER]
    return owner._replace(
        role=min(Role.ADMIN, credential.role),
        within=credential.within,
        until=min(ends, default=NEVER),
    )
