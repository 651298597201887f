"""Logging in and out."""

from functools import partial
from typing import Final

from aiohttp import web

from cluster.errors import ClusterError, StorageFailure
from node.errors import RegistryError
from node.http.client_address import network_behind
from node.http.endpoint import ADMITTING, WRITING, Action, Request
from node.http.forms import FormFields
from node.http.query import text
from node.http.session_cookie import drop_session, is_local, session_in, set_session
from node.identity.accounts import is_limited
from node.identity.login import NOBODYS_NAME
from node.identity.sessions import Session
from node.logs import get_logger, who
from node.ui.context import UiContext
from node.ui.page import Sheet, form, gone_to, page
from node.ui.tabs import HOME
from node.ui.text import own

_NEXT: Final = text("next", "The page to go on to: one of ours.")

_WRONG: Final = "Wrong name or password."
_FOR_PROGRAMS: Final = "That is a token. It is for programs: here, log in with your password."


class LoginView:
    """What the form shows beside its fields."""

    def __init__(
        self, http: web.BaseRequest, context: UiContext, onward: str, name: str = "", why: str = ""
    ) -> None:
        self.possible = is_local(http) or context.public_url.of(http).startswith("https://")
        """Whether a password is safe on its way here."""
        self.next = own(onward)
        self.name = name[:256]
        self.why = why


async def login(context: UiContext, request: Request) -> Sheet | web.StreamResponse:
    """The log-in page."""
    onward = request.query().one(_NEXT) or HOME
    return gone_to(own(onward)) if context.is_open else _sheet(context, request, onward)


async def log_in(
    context: UiContext, request: Request, given: FormFields
) -> Sheet | web.StreamResponse:
    """Begin a session with a name and a password."""
    http, identity = request.http, context.identity
    onward, name = own(given.one("next")), given.one("name")
    if context.is_open:
        return gone_to(onward)
    shown = _sheet(context, request, onward, name)
    if not shown.values["login"].possible:
        return _refused(shown, 403, "")
    account = await identity.attempts.log_in(name, given.one("password"), network_behind(http))
    if account is None:
        return _refused(shown, 401, _WRONG)
    if is_limited(account):
        return _refused(shown, 403, _FOR_PROGRAMS)
    who.set(account.name or NOBODYS_NAME)
    await identity.ensure_key()
    before = await _running(context, http)
    session = identity.sessions.begin(account)
    if before is not None:
        await _end(context, before)
    _log.info("session begun", session=session.id, client=network_behind(http))
    answer = gone_to(onward)
    set_session(answer, session.token, local=is_local(http))
    return answer


async def left(context: UiContext, request: Request) -> Sheet:
    """What is seen after having logged out."""
    return Sheet(template="left.html", title="Logged out", values={"problem": ""})


async def log_out(
    context: UiContext, request: Request, given: FormFields
) -> Sheet | web.StreamResponse:
    """End the session, at every node."""
    session, local = request.principal.session, is_local(request.http)
    problem = "" if session is None else await _end(context, session)
    if session is not None and problem:
        return Sheet(
            template="left.html",
            title="Logged out here",
            values={"problem": f"It could not be told: {problem}.", "ends": session.ends},
            status=503,
            dress=partial(drop_session, local=local),
        )
    answer = gone_to("/ui/logout")
    drop_session(answer, local=local)
    return answer


async def _running(context: UiContext, http: web.BaseRequest) -> Session | None:
    """The session that the browser had so far."""
    token = session_in(http)
    return await context.identity.sessions.find(token) if token else None


async def _end(context: UiContext, session: Session) -> str:
    """End a session; why others may not know of it, or nothing."""
    try:
        await context.identity.sessions.end(session)
    except (RegistryError, ClusterError, StorageFailure) as exc:
        _log.warning("session not ended everywhere", session=session.id, reason=str(exc))
        return str(exc)
    _log.info("session ended", session=session.id)
    return ""


def _sheet(context: UiContext, request: Request, onward: str, name: str = "") -> Sheet:
    shown = LoginView(request.http, context, onward, name)
    return Sheet(template="login.html", title="Log in", values={"login": shown, "problem": ""})


def _refused(sheet: Sheet, status: int, problem: str) -> Sheet:
    return Sheet(
        template=sheet.template,
        title=sheet.title,
        values={**sheet.values, "problem": problem},
        status=status,
    )


_log = get_logger("ui")

_ACCOUNT_ROUTE: Final = "/token"

ENDPOINTS: Final = (
    page(
        Action.PAGE_LOGIN,
        "/ui/login",
        login,
        "Show the form by which somebody logs in.",
        route=_ACCOUNT_ROUTE,
        parameters=(_NEXT,),
        errors=(),
    ),
    form(
        Action.LOG_IN,
        "/ui/login",
        log_in,
        "Log in with a name and a password.",
        route=_ACCOUNT_ROUTE,
        errors=(*ADMITTING, *WRITING),
    ),
    page(
        Action.PAGE_LEFT,
        "/ui/logout",
        left,
        "Show that somebody has logged out.",
        route=_ACCOUNT_ROUTE,
        errors=(),
    ),
    form(
        Action.LOG_OUT,
        "/ui/logout",
        log_out,
        "Log out: the session ends at every node.",
        route=_ACCOUNT_ROUTE,
    ),
)
