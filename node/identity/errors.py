"""
What may go wrong between a request and the account that it comes from.

    RegistryError
    ├── Unauthenticated          who asks has to log in, or to log in again
    ├── AccessDenied             who asks may not do this
    ├── TooManyLogins            the cap on passwords that are checked at once
    ├── LoginDelayed             too many log-ins have failed: the next one has to wait
    ├── LoginTooOld              what is asked for takes a log-in of a moment ago
    ├── ForeignForm              a form that was not sent from a page of this registry
    ├── AuthorityLost            too long without a majority of the cluster to log anybody in
    ├── ScopeInvalid             a token was asked for that cannot be
    ├── SecurityDocumentInvalid  an account, a grant or a rule that makes no sense
    ├── AccountUnknown           no such user, robot, group, project or secret
    └── AccountExists            there is one of that name
"""

import math

from node.errors import RegistryError


class Unauthenticated(RegistryError):
    """Carries what a client needs to get a token, where it may try."""

    def __init__(
        self,
        problem: str,
        *,
        realm: str = "",
        service: str = "",
        scope: str = "",
        lacks_scope: bool = False,
    ) -> None:
        super().__init__(problem or "log in first")
        self.problem = problem
        """What was wrong with what the client sent; empty: it has sent nothing."""
        self.lacks_scope = lacks_scope
        """Whether the token is right, and for less."""
        self.realm = realm
        """Where tokens are had; empty: by the same request, with other credentials."""
        self.service = service
        self.scope = scope

    @property
    def challenge(self) -> str:
        """The field `WWW-Authenticate` (RFC 6750); empty where there is none to give."""
        if not self.realm:
            return ""
        wrong = ""
        if self.problem:
            wrong = "insufficient_scope" if self.lacks_scope else "invalid_token"
        given = {
            "realm": self.realm,
            "service": self.service,
            "scope": self.scope,
            "error": wrong,
        }
        return "Bearer " + ",".join(f'{name}="{text}"' for name, text in given.items() if text)


class AccessDenied(RegistryError):
    """Says nothing of what is there: it is decided before anybody looks."""

    def __init__(self, action: str, repository: str = "") -> None:
        where = f" in {repository!r}" if repository else ""
        super().__init__(f"you may not do that{where} ({action})")
        self.action = action

    @property
    def detail(self) -> object:
        return {"action": self.action}


class TooManyLogins(RegistryError):
    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} log-ins are waiting already; try again")


class LoginDelayed(RegistryError):
    """Nobody has looked whether the password is right."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"too many log-ins have failed; try again in {math.ceil(wait_s)} s")
        self.wait_s = wait_s


class LoginTooOld(RegistryError):
    """Whoever finds a browser open does not run the cluster with it."""

    def __init__(self, recent_s: float) -> None:
        super().__init__(
            f"for this you have to have logged in within {recent_s / 60:.0f} minutes: log in again"
        )


class ForeignForm(RegistryError):
    """A page of another site may have sent it, without the knowledge of who is logged in."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"this was not sent from a page of this registry: {problem}")


class AuthorityLost(RegistryError):
    """What was revoked elsewhere may not have come here."""

    def __init__(self, apart_s: float, limit_s: float) -> None:
        since = "since it started" if math.isinf(apart_s) else f"for {apart_s:.0f} s"
        super().__init__(
            f"this node has not been connected with most of its cluster {since}, and logs nobody "
            f"in after {limit_s:.0f} s (login_cutoff_s); tokens that were given out go on"
        )


class ScopeInvalid(RegistryError):
    pass


class SecurityDocumentInvalid(RegistryError):
    pass


class AccountUnknown(RegistryError):
    def __init__(self, what: str, name: str) -> None:
        super().__init__(f"there is no {what} {name!r}")


class AccountExists(RegistryError):
    def __init__(self, what: str, name: str) -> None:
        super().__init__(f"there is a {what} {name!r} already")
