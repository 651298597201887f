"""
Sessions of the page: who a browser is logged in as, and until when.

A session is a token of its own kind, signed as the others are (`node.identity.signatures`), in a
cookie: every node knows it, and no node keeps it. It names how somebody logged in, so that it is
worth nothing any more once that password was changed; and it has an id, by which it is ended at
every node before its time (`EndedSessions`).
"""

import hashlib
import hmac
from collections.abc import Callable
from typing import Final, NamedTuple

from node.identity.accounts import Accounts
from node.identity.directory import SecurityDirectory
from node.identity.errors import LoginTooOld
from node.identity.login import OPERATOR, Account, Login
from node.identity.ports import Knowledge
from node.identity.signatures import KeyNotKnown, Signer, TokenInvalid

SESSION_S: Final = 12 * 3600.0
"""Life of a session: a working day. Longer leaves more open in browsers that nobody closes."""

RECENT_S: Final = 600.0
"""How old a log-in may be with which somebody runs the cluster or says who may do what."""


class Session(NamedTuple):
    """A browser that is logged in."""

    token: str
    """What its cookie has: a secret."""

    account: Account
    id: str
    began: float
    """When somebody gave their password for it, in seconds since the Unix epoch."""

    ends: float

    @property
    def form_token(self) -> str:
        """What forms of this session carry. Who has it does not have the session."""
        return hmac.new(self.token.encode(), b"form", hashlib.sha256).hexdigest()

    def is_form_token(self, given: str) -> bool:
        """Whether *given* is that, in a time that does not tell how nearly."""
        return hmac.compare_digest(self.form_token.encode(), given.encode(errors="replace"))


class Sessions:
    """Begins sessions, tells whose they are, and ends them. Belongs to one event loop."""

    def __init__(
        self,
        signer: Signer,
        login: Login,
        directory: SecurityDirectory,
        accounts: Accounts,
        freshness: Knowledge,
        now: Callable[[], float],
    ) -> None:
        """*now* gives seconds since the Unix epoch."""
        self._signer = signer
        self._login = login
        self._directory = directory
        self._accounts = accounts
        self._freshness = freshness
        self._now = now
        self._ended_here: dict[str, float] = {}
        """Ids of sessions that were ended here, and when each would have ended by itself."""

    def begin(self, account: Account) -> Session:
        """A new session of who has just logged in. There has to be a key."""
        token, claims = self._signer.sign("session", account, (), SESSION_S)
        return Session(token, account, claims.jti, claims.iat, claims.exp)

    async def find(self, token: str) -> Session | None:
        """
        The session with that *token*; None: it is nobody's, or nobody's any more.

        Asked of the documents that are here, each time. It waits for no other node, as somebody
        who looks after a node that is cut off has to see that it is: for how long it may be, says
        `login_cutoff_s`.

        Raises:
            AuthorityLost: it may have been ended elsewhere, for too long.
        """
        try:
            claims = self._signer.verify("session", token)
        except KeyNotKnown:
            await self._freshness.catch_up()  # a node that has just started has a new key
            try:
                claims = self._signer.verify("session", token)
            except TokenInvalid:
                return None
        except TokenInvalid:
            return None
        account = Account(claims.sub, claims.name, claims.how)
        session = Session(token, account, claims.jti, claims.iat, claims.exp)
        if account.id != OPERATOR:
            self._login.check_authority()
        if self._has_ended(session) or self._login.subject(account) is None:
            return None
        return session

    async def end(self, session: Session) -> None:
        """
        End *session* at every node: here at once, and elsewhere as the word of it comes.

        Raises:
            OutcomeUnknown, NotEnoughNodes, NotCaughtUp, ClockOff, StorageFailure: it has ended
                here; whether others know that is not known.
        """
        now = self._now()
        running = {each: ends for each, ends in self._ended_here.items() if ends > now}
        self._ended_here = {**running, session.id: session.ends}
        if session.account.id != OPERATOR:  # nobody else takes that one
            await self._accounts.end_session(session.account.id, session.id, session.ends)

    def check_recent(self, session: Session) -> None:
        """
        Return if somebody gave their password for *session* a moment ago.

        Raises:
            LoginTooOld: it was longer ago than `RECENT_S`.
        """
        if self._now() >= session.began + RECENT_S:
            raise LoginTooOld(RECENT_S)

    def _has_ended(self, session: Session) -> bool:
        if session.id in self._ended_here:
            return True
        document = self._directory.ended_sessions(session.account.id)
        if document is None:
            return False
        if (
            document.deleted
            or document.id != session.account.id
            or session.began <= document.before
        ):
            return True
        return any(each.id == session.id for each in document.ended)
