"""How people with a browser are told what went wrong: by a page, with the words of the API."""

from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec
from aiohttp import web

from node.errors import RouteUnknown
from node.http.answers import Errors
from node.http.endpoint import ADMITTED, ANONYMOUS, READS
from node.http.errors import error_response
from node.identity.errors import LoginTooOld, Unauthenticated
from node.ui.context import UiContext
from node.ui.frame import frame_of
from node.ui.login import LoginView
from node.ui.negotiation import takes_pages
from node.ui.page import BELOW, Sheet, drawn
from node.ui.references import led_to, page_of
from node.ui.security import ALWAYS, NO_STORE
from node.ui.tabs import HOME

_TITLES: Final[Mapping[int, str]] = {
    400: "That cannot be",
    401: "Log in",
    403: "You may not do that",
    404: "There is no such page, or you may not see it",
    405: "That cannot be done there",
    409: "That does not fit what is there now",
    412: "It has changed since the page was made",
    429: "Too often",
    500: "This node failed",
    503: "That cannot be done now",
}

_HINTS: Final[Mapping[int, str]] = {
    500: "The node's log says why, under the request's id.",
    503: "Nothing is lost. Try again in a moment, or at another node.",
}

_CHALLENGE: Final = f'Session realm="{BELOW}/login"'
"""With each 401: browsers know no such scheme, and so ask nobody for a name by themselves."""

_OF_THE_API: Final = frozenset(
    {"Content-Type", "Content-Length", "Docker-Distribution-Api-Version"}
)


class Pages:
    """What the HTTP edge asks: see `node.http.app.PageFace`."""

    def __init__(self, context: UiContext) -> None:
        self._context = context

    def covers(self, path: str) -> bool:
        return path == BELOW or path.startswith(f"{BELOW}/")

    def told(
        self, request: web.BaseRequest, error: Exception, identity: str
    ) -> web.Response | None:
        path = request.rel_url.raw_path
        if not self.covers(path):
            address = page_of(request) if isinstance(error, RouteUnknown) else ""
            return led_to(address) if address else None
        answer = error_response(error, path)
        if answer.status == 401:
            answer.headers["WWW-Authenticate"] = _CHALLENGE
        if not takes_pages(request):
            answer.headers.update(NO_STORE)
            return answer
        page = drawn(self._sheet(request, error, answer, identity), {"frame": self._frame(request)})
        page.headers.update(
            {name: text for name, text in answer.headers.items() if name not in _OF_THE_API}
        )
        page.headers.update(ALWAYS)
        if answer.keep_alive is False:
            page.force_close()
        return page

    def _frame(self, request: web.BaseRequest) -> Any:
        asker = request.get(ADMITTED, ANONYMOUS if self._context.is_open else None)
        return frame_of(self._context, request, asker)

    def _sheet(
        self, request: web.BaseRequest, error: Exception, answer: web.Response, identity: str
    ) -> Sheet:
        told = msgspec.json.decode(cast("bytes", answer.body), type=Errors)
        login = None
        if isinstance(error, Unauthenticated | LoginTooOld) and not self._context.is_open:
            onward = str(request.rel_url) if request.method in READS else HOME
            login = LoginView(request, self._context, onward, why=_why(error))
        return Sheet(
            template="error.html",
            title=_TITLES.get(answer.status, "That was refused"),
            values={
                "status": answer.status,
                "code": told.errors[0].code,
                "messages": [each.message for each in told.errors],
                "hint": _HINTS.get(answer.status, ""),
                "request_id": identity,
                "login": login,
                "problem": "",
            },
            status=answer.status,
        )


def _why(error: Exception) -> str:
    """What is said above the form by which somebody logs in."""
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."
