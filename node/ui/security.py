"""What each page says to browsers, and which requests it takes for those of its own pages."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from node.http.public_url import PublicUrl
from node.identity.errors import ForeignForm
from node.identity.sessions import Session

POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "script-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)

ALWAYS: Final[Mapping[str, str]] = {
    "Server": "atoll",
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""On everything below `/ui`."""

NO_STORE: Final[Mapping[str, str]] = {**ALWAYS, "Cache-Control": "no-store"}
"""On every page: nobody keeps it."""

PROOF: Final = "proof"
"""The field of a form that shows that it is of this session."""

_SITE: Final = "Sec-Fetch-Site"
_OURS: Final = "same-origin"


def check_origin(http: web.BaseRequest, public_url: PublicUrl) -> None:
    """
    Return if a browser says that a page of this registry sends the form.

    `Origin` is `null` beside `Referrer-Policy: no-referrer`, so that `Sec-Fetch-Site` has to say it
    then; browsers send that over TLS, and to the own machine.

    Raises:
        ForeignForm: it says another thing, or nothing.
    """
    site, origin = http.headers.get(_SITE), http.headers.get(hdrs.ORIGIN)
    if site is not None and site != _OURS:
        raise ForeignForm(f"{_SITE} is {site[:20]}")
    if origin is not None and origin != "null":
        given = urlsplit(origin)
        known = {http.headers.get(hdrs.HOST, ""), urlsplit(public_url.of(http)).netloc}
        if given.scheme not in ("http", "https") or given.netloc not in known - {""}:
            raise ForeignForm("it is from another origin")
    elif site is None:
        raise ForeignForm("the browser does not say where it is from")


def check_proof(session: Session | None, given: str) -> None:
    """
    Return if a form is of *session*. Without one there is nothing that it could show.

    Raises:
        ForeignForm: it is of another one, or of none.
    """
    if session is not None and not session.is_form_token(given):
        raise ForeignForm("it is of an earlier log-in; open the page anew")
