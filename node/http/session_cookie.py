"""
The cookie in which a browser keeps its session.

Its name begins with `__Host-`: browsers take such a one by TLS alone, for this very host and all
its paths, so that no neighbour below the same domain can put another one in its place. By plain
HTTP there is a session on this machine alone, in a cookie of another name, which counts nowhere
else.
"""

from typing import Final

from aiohttp import hdrs, web

from node.http.client_address import is_here
from node.identity.sessions import SESSION_S

SECURE: Final = "__Host-atoll-session"
PLAIN: Final = "atoll-session"

_PASSED_ON: Final = (hdrs.X_FORWARDED_FOR, hdrs.X_FORWARDED_PROTO, hdrs.X_FORWARDED_HOST,
                     hdrs.FORWARDED, hdrs.VIA)  # fmt: skip
"""Fields of which a proxy that passes a request on adds one at least."""


def is_local(http: web.BaseRequest) -> bool:
    """Whether a browser on this machine asks for this machine, with no proxy in between."""
    if any(field in http.headers for field in _PASSED_ON) or not is_here(http.remote or ""):
        return False
    host = http.headers.get(hdrs.HOST, "").lower()
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    return name == "localhost" or is_here(name.strip("[]"))


def session_in(http: web.BaseRequest) -> str:
    """What the cookie of *http* has that counts here; empty: there is none."""
    name = PLAIN if is_local(http) else SECURE
    found = [
        value.strip()
        for field in http.headers.getall(hdrs.COOKIE, ())
        for pair in field.split(";")
        for key, equals, value in [pair.partition("=")]
        if equals and key.strip() == name
    ]
    return found[0] if len(found) == 1 else ""


def set_session(response: web.StreamResponse, token: str, *, local: bool) -> None:
    """Have the browser keep *token*; *local* as `is_local` has it of the request."""
    _set(response, token, int(SESSION_S), local=local)


def drop_session(response: web.StreamResponse, *, local: bool) -> None:
    """Have the browser forget it."""
    _set(response, "", 0, local=local)


def _set(response: web.StreamResponse, value: str, age_s: int, *, local: bool) -> None:
    response.set_cookie(
        PLAIN if local else SECURE,
        value,
        path="/",
        max_age=age_s,
        secure=not local,
        httponly=True,
        samesite="Lax",
    )
