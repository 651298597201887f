"""Handing tokens out, and telling what one that comes back is worth now."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from node.identity.actions import Verb
from node.identity.authorizer import Authorizer
from node.identity.decisions import STRANGER, Subject
from node.identity.directory import SecurityDirectory
from node.identity.login import NOBODY, Account, Login
from node.identity.ports import Knowledge
from node.identity.scopes import REGISTRY, REPOSITORY, Scope
from node.identity.signatures import AccessEntry, Claims, KeyNotKnown, Signer, TokenInvalid
from node.registry.policy import project_of

REFRESH_S: Final = 30 * 86_400.0
"""Life of a refresh token. It is asked after each time, so that this is only how long a machine
that was away may come back without logging in."""

REMEMBERED_MAX: Final = 10_000
"""Verified tokens remembered, about a kilobyte each. A check takes 80 microseconds without."""


class Issued(NamedTuple):
    """What a client gets."""

    token: str
    refresh: str | None
    claims: Claims


class Verified(NamedTuple):
    """A token that is valid, and what it says."""

    account: Account
    access: tuple[Scope, ...]
    made_for: dict[str, str]
    """The ids of the projects of its repositories, by repository."""

    expires: float


class Tokens:
    """Issues tokens and verifies them. Belongs to one event loop."""

    def __init__(
        self,
        signer: Signer,
        login: Login,
        authorizer: Authorizer,
        directory: SecurityDirectory,
        freshness: Knowledge,
        now: Callable[[], float],
        *,
        life_s: float,
    ) -> None:
        """*life_s* is that of an access token, *now* gives seconds since the Unix epoch."""
        self._signer = signer
        self._login = login
        self._authorizer = authorizer
        self._directory = directory
        self._freshness = freshness
        self._now = now
        self._life_s = life_s
        self._remembered: OrderedDict[bytes, tuple[Verified, int]] = OrderedDict()

    @property
    def service(self) -> str:
        """The name by which clients ask for tokens, which is that of the cluster."""
        return self._signer.audience

    def issue(self, account: Account, scopes: Sequence[Scope], *, refresh: bool = False) -> Issued:
        """
        A token of *account* for as much of *scopes* as it may have. There has to be a key.
        """
        subject = STRANGER if account == NOBODY else self._login.subject(account)
        access = [] if subject is None else list(filter(None, map(self._entry(subject), scopes)))
        life_s = self._life_s
        if subject is not None and subject.until:
            life_s = max(0.0, min(life_s, subject.until - self._now()))
        made = self._signer.sign("access", account, access, life_s)
        again = self._signer.sign("refresh", account, (), REFRESH_S)[0] if refresh else None
        return Issued(made[0], again, made[1])

    async def refresh(self, token: str) -> Account | None:
        """
        Whose refresh token that is; None: nobody's any more. Asked of the documents each time, so
        that what was revoked is refused at once where that is known.

        Raises:
            AuthorityLost: it may have been revoked elsewhere.
        """
        self._login.check_authority()
        try:
            claims = await self._verify("refresh", token)
        except TokenInvalid:
            return None
        await self._freshness.ensure_current()
        account = Account(claims.sub, claims.name, claims.how)
        return account if self._login.subject(account) is not None else None

    async def verify(self, token: str) -> Verified:
        """
        What an access token says.

        Raises:
            TokenInvalid: it is none, or no more.
        """
        raw = token.encode(errors="surrogateescape")  # whatever bytes a client has sent
        mark = hashlib.blake2b(raw, digest_size=16).digest()
        known = self._remembered.get(mark)
        if known is not None:
            found, word = known
            if self._now() < found.expires and word == self._directory.word:
                return found
        word = self._directory.word  # before: a key that is taken back meanwhile has another one
        claims = await self._verify("access", token)
        found = Verified(
            Account(claims.sub, claims.name, claims.how),
            tuple(
                Scope(entry.type, entry.name, tuple(_verbs(entry.actions)))
                for entry in claims.access
            ),
            {each.name: each.project for each in claims.access if each.type == REPOSITORY},
            claims.exp,
        )
        # A key may be taken back, so it counts until the next change of any document.
        self._remembered[mark] = found, word
        self._remembered.move_to_end(mark)
        if len(self._remembered) > REMEMBERED_MAX:
            self._remembered.popitem(last=False)
        return found

    def is_of(self, verified: Verified, repository: str) -> bool:
        """Whether the project of *repository* is the one that the token was made for, not another
        that was made under its name since."""
        made_for = verified.made_for.get(repository)
        return made_for is None or made_for == self._project_id(repository)

    async def _verify(self, kind: str, token: str) -> Claims:
        try:
            return self._signer.verify(kind, token)
        except KeyNotKnown:
            await self._freshness.catch_up()  # a node that has just started has a new key
            return self._signer.verify(kind, token)

    def _entry(self, subject: Subject) -> Callable[[Scope], AccessEntry | None]:
        def entry(scope: Scope) -> AccessEntry | None:
            if scope.kind == REGISTRY:
                return AccessEntry(REGISTRY, scope.name, ("*",)) if subject.is_known else None
            verbs = self._authorizer.verbs(subject, scope.name, scope.verbs)
            if not verbs:
                return None
            return AccessEntry(REPOSITORY, scope.name, tuple(verbs), self._project_id(scope.name))

        return entry

    def _project_id(self, repository: str) -> str:
        project = self._directory.project(project_of(repository))
        return "" if project is None or project.deleted else project.id


def _verbs(actions: Sequence[str]) -> list[Verb]:
    """The verbs in a token; `*` is that of its scope of the registry."""
    if "*" in actions:
        return [Verb.CATALOG, Verb.OPERATE]
    return [Verb(action) for action in actions if action in set(Verb)]
