"""
Who sends a request, and whether they may: asked once, before its handler sees it.

What the caller may not see is as if it were not there; the answer is the same whether it is or not,
as it is given before anybody looks.
"""

import base64
from collections.abc import Callable
from typing import Final, Protocol

from aiohttp import hdrs, web

from node.errors import NameInvalid, NameUnknown
from node.http.client_address import network_behind
from node.http.endpoint import ADMITTED, ANONYMOUS, Principal
from node.http.limits import CREDENTIALS
from node.http.public_url import PublicUrl
from node.http.routing import Target
from node.http.session_cookie import session_in
from node.identity.actions import RULES, Action, Reach, Rule, Verb
from node.identity.authorizer import MAY_PULL
from node.identity.decisions import STRANGER, Decision, Subject
from node.identity.documents import NEVER, is_over
from node.identity.errors import AccessDenied, Unauthenticated
from node.identity.login import NOBODY, Account
from node.identity.scopes import covers, scope_for
from node.identity.service import Identity
from node.identity.sessions import Session
from node.identity.signatures import TokenInvalid
from node.identity.tokens import Verified
from node.registry.names import RepositoryName
from node.registry.projects import parse_project

TOKEN_PATH: Final = "/token"

DECISIONS_MAX: Final = 50_000
"""Decisions remembered until a document changes; more are made again, at some ten microseconds."""

_HIDES: Final = frozenset({Action.TAG_READ})
"""What reads, besides what takes `pull`."""


class Guard(Protocol):
    """Whoever lets requests in."""

    async def admit(self, http: web.BaseRequest, target: Target) -> Principal:
        """
        Who sends the request, if they may do what it is aimed at.

        Raises:
            Unauthenticated, AccessDenied, NameUnknown: they may not.
            TooManyLogins, LoginDelayed, AuthorityLost, NotCaughtUp, ClockOff: it is not known.
        """
        ...


class OpenDoor:
    """Everybody may do everything, and nobody says who they are."""

    async def admit(self, http: web.BaseRequest, target: Target) -> Principal:
        return ANONYMOUS


class Doorkeeper:
    """Goes by the documents of users, roles and projects. Belongs to one event loop."""

    def __init__(self, identity: Identity, public_url: PublicUrl, now: Callable[[], float]) -> None:
        """*now* gives seconds since the Unix epoch."""
        self._identity = identity
        self._public_url = public_url
        self._now = now
        self._word = identity.directory.word
        self._subjects: dict[Account, Subject | None] = {}
        self._decisions: dict[tuple[Account, Rule, str], Decision] = {}
        self._projects: dict[tuple[Account, str], bool] = {}

    async def admit(self, http: web.BaseRequest, target: Target) -> Principal:
        """See `Guard.admit`."""
        endpoint = target.endpoint
        rule = RULES[endpoint.action]
        if rule.reach is Reach.ANYBODY:
            return ANONYMOUS
        session = None
        if endpoint.is_page:
            token, session = None, await self._session(http)
            account = NOBODY if session is None else session.account
        else:
            account, token = await self._who(http, rule, target)
        subject = self.subject(account)
        if subject is None:
            raise self._refused(http, rule, target, "what you logged in with is not valid any more")
        if endpoint.is_page:
            http[ADMITTED] = self._principal(account, subject, None, None, session)
        where = _where(rule, target)
        if token is not None and endpoint.action is Action.PING:
            # A stranger with a token is told, as docker asks, that it is right.
            return self._principal(account, subject, token, None)
        decision = self.decision(account, rule, where)
        refusal: Exception | None = None
        if not decision.allowed:
            refusal = self._no(http, rule, target, account, subject, where)
        elif token is not None and not covers(token.access, rule, where):
            problem = "the token is for other things"
            refusal = self._refused(http, rule, target, problem, lacks_scope=True)
        elif token is not None and not self._identity.tokens.is_of(token, where):
            problem = "the project was made anew since the token was given out"
            refusal = self._refused(http, rule, target, problem)
        if refusal is not None:
            # The line of the request says who it is that is refused.
            http[ADMITTED] = self._principal(account, subject, token, None, session)
            raise refusal
        return self._principal(account, subject, token, decision, session)

    def subject(self, account: Account) -> Subject | None:
        """Who an account is by the documents; None: nobody any more."""
        self._forget_old()
        try:
            found = self._subjects[account]
        except KeyError:
            known = STRANGER if account == NOBODY else self._identity.login.subject(account)
            found = self._subjects[account] = known
        if found is not None and is_over(found.until, self._now()):
            return None
        return found

    def decision(self, account: Account, rule: Rule, where: str) -> Decision:
        """
        Whether *account* may do *where* what takes *rule*, by the documents that are here now: a
        request may have begun before the last of them came.
        """
        self._forget_old()
        key = (account, rule, where)
        found = self._decisions.get(key)
        if found is None or is_over(found.until, self._now()):
            subject = self.subject(account)
            if subject is None:
                return Decision(False, "nobody is that any more")
            found = self._identity.authorizer.decide_by(rule, subject, where)
            self._decisions[key] = found
        return found

    def sees_some(self, account: Account, project: str) -> bool:
        """Whether *account* may be told of some repository of *project*, as far as that follows
        from more than its repositories' names. A list asks it of every project there is."""
        subject = self.subject(account)
        if subject is None:
            return False
        key = (account, project)
        found = self._projects.get(key)
        if found is None:
            found = self._identity.authorizer.sees_some(subject, project)
            self._projects[key] = found
        return found

    def _forget_old(self) -> None:
        # What was read before the word was is as new as the word says, or newer.
        word = self._identity.directory.word
        kept = (self._decisions, self._subjects, self._projects)
        full = any(len(each) > DECISIONS_MAX for each in kept)
        if word != self._word or full:
            self._subjects.clear()
            self._decisions.clear()
            self._projects.clear()
            self._word = word

    async def _session(self, http: web.BaseRequest) -> Session | None:
        """The session of the browser that asks for a page; None: nobody's is."""
        token = session_in(http)
        return await self._identity.sessions.find(token) if token else None

    async def _who(
        self, http: web.BaseRequest, rule: Rule, target: Target
    ) -> tuple[Account, Verified | None]:
        """Who sends a request; and the token that they send, if it is one."""
        field = http.headers.get(hdrs.AUTHORIZATION)
        if field is None:
            return NOBODY, None
        scheme, _, given = field.partition(" ")
        if scheme.lower() == "bearer":
            try:
                token = await self._identity.tokens.verify(given.strip(" "))
            except TokenInvalid as exc:
                raise self._refused(http, rule, target, str(exc)) from exc
            return token.account, token
        credentials = basic_of(field)
        if credentials is not None:
            network = network_behind(http)
            account = await self._identity.attempts.log_in(*credentials, network)
            if account is not None:
                return account, None
        raise self._refused(http, rule, target, "wrong name or password")

    def _no(
        self,
        http: web.BaseRequest,
        rule: Rule,
        target: Target,
        account: Account,
        subject: Subject,
        where: str,
    ) -> Exception:
        """How a refusal is told."""
        if not subject.is_known:
            return self._refused(http, rule, target, "")
        reads = rule.verb is Verb.PULL or target.endpoint.action in _HIDES
        if target.repository and reads:
            sees = self.decision(account, MAY_PULL, where).allowed
            if not sees:
                return NameUnknown(target.repository)
        return AccessDenied(target.endpoint.action, target.repository)

    def _refused(
        self,
        http: web.BaseRequest,
        rule: Rule,
        target: Target,
        problem: str,
        *,
        lacks_scope: bool = False,
    ) -> Unauthenticated:
        if target.endpoint.is_page:  # no browser is to ask for a name by itself
            return Unauthenticated(problem)
        origin = self._public_url.of(http)
        scopes = [scope_for(rule, target.repository)]
        if source := _mounted_from(http, target):
            # Who has a token for the target alone is not refused: it uploads what it would mount,
            # as clients that know one scope for each repository could do nothing else.
            scopes.append(scope_for(MAY_PULL, source))
        return Unauthenticated(
            problem,
            realm=f"{origin}{TOKEN_PATH}" if origin else "",
            service=self._identity.tokens.service,
            scope=" ".join(filter(None, scopes)),
            lacks_scope=lacks_scope,
        )

    def _principal(
        self,
        account: Account,
        subject: Subject,
        token: Verified | None,
        decision: Decision | None,
        session: Session | None = None,
    ) -> Principal:
        sight = _Sight(self, account, token)
        until: float | None = None
        # Who logs in with each request may have to wait for it, or be refused for other reasons.
        if decision is not None and (token is not None or account == NOBODY):
            ends = (decision.until, subject.until, NEVER if token is None else token.expires)
            until = min((end for end in ends if end != NEVER), default=NEVER)
        return Principal(account.name, sight, account, until, sight, session)


class _Sight:
    """`Access` and `Rights` of one request."""

    def __init__(self, keeper: Doorkeeper, account: Account, token: Verified | None) -> None:
        self._keeper = keeper
        self._account = account
        self._token = token

    def may_pull(self, repository: str) -> bool:
        return self._may(MAY_PULL, repository)

    def may_list(self, repository: str) -> bool:
        return self._allowed(MAY_PULL, repository)

    def may_list_some(self, project: str) -> bool:
        return self._keeper.sees_some(self._account, project)

    def may_see_project(self, project: str) -> bool:
        return self._allowed(RULES[Action.PROJECT_READ], project)

    def may_see_who(self, repository: str) -> bool:
        return self._may(RULES[Action.TAG_READ], repository)

    def may_see_layout(self) -> bool:
        return self._allowed(RULES[Action.LAYOUT_HISTORY], "")

    def may(self, action: Action, where: str = "") -> bool:
        rule = RULES[action]
        return rule.reach is Reach.ANYBODY or self._may(rule, where)

    def _may(self, rule: Rule, where: str) -> bool:
        if self._token is not None and not covers(self._token.access, rule, where):
            return False
        return self._allowed(rule, where)

    def _allowed(self, rule: Rule, where: str) -> bool:
        return self._keeper.decision(self._account, rule, where).allowed


def basic_of(field: str) -> tuple[str, str] | None:
    """The name and the password in an `Authorization` field; None: there are none."""
    scheme, _, given = field.partition(" ")
    if scheme.lower() != "basic" or len(given) > CREDENTIALS.number:
        return None
    try:
        text = base64.b64decode(given.strip(" "), validate=True).decode()
    except ValueError:  # what is neither ASCII, nor base64, nor UTF-8 inside
        return None
    name, colon, password = text.partition(":")
    return (name, password) if colon else None


def _mounted_from(http: web.BaseRequest, target: Target) -> str:
    """The other repository that a blob is to be mounted from; empty: none is named."""
    if target.endpoint.action is not Action.UPLOAD_START or "mount" not in http.query:
        return ""
    try:
        source = str(RepositoryName.parse(http.query.get("from", "")))
    except NameInvalid:
        return ""
    return "" if source == target.repository else source


def _where(rule: Rule, target: Target) -> str:
    """The repository or the project that it is about; empty: neither."""
    if rule.reach is Reach.PROJECT:
        return parse_project(target.variable.partition("+")[0])  # of a robot, too
    return target.repository
