"""
What a page is, and what a form of it does: descriptions of endpoints like all others.

Each page is a function from a request to a `Sheet`; each form one from its fields to where the
browser goes next. What holds for all of them is here, so that none can go without it.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from node.http.endpoint import (
    READING,
    READS,
    WRITING,
    Action,
    Answer,
    Body,
    Endpoint,
    Principal,
    Request,
)
from node.http.forms import FORM, FormFields, read_form
from node.http.limits import DOCUMENT_BYTES, FORM_FIELDS
from node.http.query import Parameter
from node.http.requestlog import SUBJECT
from node.identity.actions import RULES, Reach
from node.identity.errors import ForeignForm, LoginTooOld
from node.ui.context import UiContext
from node.ui.frame import frame_of
from node.ui.negotiation import check_takes_pages
from node.ui.renderer import render
from node.ui.security import NO_STORE, PROOF, check_origin, check_proof

HTML: Final = "text/html"

_SUBJECT_MAX: Final = 256

BELOW: Final = "/ui"
"""What the path of each page begins with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A page, before it is drawn."""

    template: str
    title: str
    values: Mapping[str, Any] = field(default_factory=dict)
    """What the template names, beside `title`, `terminal` and `frame`."""

    terminal: str = ""
    """The command that tells the same; empty: there is none."""

    status: int = 200
    dress: Callable[[web.StreamResponse], None] | None = None
    """Adds cookies to the answer; None: there is none to add."""


Look = Callable[[UiContext, Request], Awaitable[Sheet | web.StreamResponse]]
Act = Callable[[UiContext, Request, FormFields], Awaitable[Sheet | web.StreamResponse]]


def page(
    action: Action,
    path: str,
    look: Look,
    doc: str,
    *,
    route: str,
    tab: str = "",
    refresh_s: int = 0,
    parameters: tuple[Parameter[Any], ...] = (),
    errors: tuple[type[Exception], ...] = READING,
) -> Endpoint[UiContext]:
    """
    A page.

    Args:
        route: where programs find the same: told to who asks for JSON.
        tab: the address of the tab that it belongs to.
        refresh_s: every how many seconds its parts marked `data-live` are fetched again; 0: never.
    """

    async def handler(context: UiContext, request: Request) -> web.StreamResponse:
        asker = _asker(context, action, request.principal)
        frame = frame_of(context, request.http, asker, tab=tab, refresh_s=refresh_s)
        check_takes_pages(request.http, route)
        found = await look(context, request)
        if isinstance(found, web.StreamResponse):
            return found
        return drawn(found, {"frame": frame})

    return Endpoint(
        action=action,
        methods=READS,
        path=path,
        handler=handler,
        doc=doc,
        parameters=parameters,
        answers=(Answer(status=200, doc="The page.", media_types=(HTML,)),),
        errors=errors,
        is_page=True,
    )


def form(
    action: Action,
    path: str,
    act: Act,
    doc: str,
    *,
    route: str,
    recent: bool = False,
    parameters: tuple[Parameter[Any], ...] = (),
    errors: tuple[type[Exception], ...] = WRITING,
) -> Endpoint[UiContext]:
    """
    What is done by a form of a page. The browser goes on to another page by 303 (`gone_to`).

    It is taken from pages of this registry alone, and from the session that it was drawn for.

    Args:
        recent: it takes a log-in of a moment ago: for what runs the cluster, or says who may do
            what.
    """

    async def handler(context: UiContext, request: Request) -> web.StreamResponse:
        asker = _asker(context, action, request.principal)
        frame = frame_of(context, request.http, asker)
        check_takes_pages(request.http, route)
        check_origin(request.http, context.public_url)
        session = request.principal.session
        if recent and session is not None:
            context.identity.sessions.check_recent(session)
        fields = await read_form(request, context.limits)
        check_proof(session, fields.one(PROOF))
        found = await act(context, request, fields)
        if isinstance(found, web.StreamResponse):
            return found
        return drawn(found, {"frame": frame})

    own = [ForeignForm] if not recent else [ForeignForm, LoginTooOld]
    return Endpoint(
        action=action,
        methods=("POST",),
        path=path,
        handler=handler,
        doc=doc,
        parameters=parameters,
        body=Body(doc="A form.", media_types=(FORM,), required=False),
        limits=(DOCUMENT_BYTES, FORM_FIELDS),
        answers=(Answer(status=303, doc="It is done; there is the page.", fields=("Location",)),),
        errors=(*errors, *own),
        is_page=True,
    )


def about(request: Request, subject: str) -> None:
    """
    Say what a form changes, for its line in the log, where its path does not: as soon as it is
    known, so that a refusal has it too. Nothing that may be a secret.
    """
    request.http[SUBJECT] = subject[:_SUBJECT_MAX]


def drawn(sheet: Sheet, values: Mapping[str, Any]) -> web.Response:
    """The answer that has the page."""
    told = {"title": sheet.title, "terminal": sheet.terminal, **sheet.values, **values}
    answer = web.Response(
        status=sheet.status,
        body=render(sheet.template, told),
        content_type=HTML,
        charset="utf-8",
        headers=NO_STORE,
    )
    if sheet.dress is not None:
        sheet.dress(answer)
    return answer


def gone_to(address: str) -> web.Response:
    """The answer by which a browser goes on to a page: an address of ours."""
    return web.Response(status=303, headers={**NO_STORE, "Location": address})


def _asker(context: UiContext, action: Action, principal: Principal) -> Principal | None:
    """Who asks; None: that was not looked at, as anybody may."""
    looked = RULES[action].reach is not Reach.ANYBODY or context.is_open
    return principal if looked else None
