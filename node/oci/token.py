"""
Tokens, as Docker's clients get them: GET with Basic, and the POST of OAuth 2 with refresh tokens.

"Docker Registry v2 authentication" of the distribution project; every node answers.
"""

from datetime import UTC, datetime
from typing import Final

import msgspec
from aiohttp import hdrs, web

from node.errors import DocumentInvalid
from node.http import headers
from node.http.answers import json_answer
from node.http.client_address import network_behind
from node.http.endpoint import (
    ADMITTING,
    PASSING_ON,
    WRITING,
    Action,
    Answer,
    Body,
    Endpoint,
    Request,
)
from node.http.forms import FORM, read_form
from node.http.guard import basic_of
from node.http.limits import DOCUMENT_BYTES, FORM_FIELDS
from node.http.query import Parameter, flag, text
from node.identity.errors import ScopeInvalid, Unauthenticated
from node.identity.login import NOBODY, NOBODYS_NAME, Account
from node.identity.scopes import parse_scopes
from node.identity.service import Identity
from node.logs import who
from node.oci.context import OciContext

_SCOPE: Final = Parameter(
    name="scope",
    doc="What the token is for: `repository:NAME:pull,push`; more than one.",
    parse=str,
)
_SERVICE: Final = text("service", "The name of the cluster, as the challenge had it.")
_CLIENT: Final = text("client_id", "What the client calls itself.")
_ACCOUNT: Final = text("account", "The log-in name, which is read from the credentials.")
_OFFLINE: Final = flag("offline_token", "Whether to give a refresh token, too.")


class TokenAnswer(msgspec.Struct, omit_defaults=True):
    """A token, under both of the names that clients look for."""

    token: str
    """What goes behind `Bearer`."""

    access_token: str
    """The same."""

    expires_in: int
    """Seconds from `issued_at`."""

    issued_at: str
    """A time, by RFC 3339."""

    refresh_token: str | None = None
    """What the next token can be had for, instead of a password."""


async def get(context: OciContext, request: Request) -> web.Response:
    """GET: a token for whoever the credentials are of; without any, for a stranger."""
    identity, query = context.identity, request.query()
    field = request.http.headers.get(hdrs.AUTHORIZATION)
    account = NOBODY
    if field is not None:
        credentials = basic_of(field)
        found = None
        if credentials is not None:
            found = await identity.attempts.log_in(*credentials, network_behind(request.http))
        if found is None:
            raise Unauthenticated("wrong name or password")
        account = found
    offline = query.one(_OFFLINE) and account != NOBODY
    return await _issued(identity, account, query.all(_SCOPE), refresh=offline)


async def post(context: OciContext, request: Request) -> web.Response:
    """POST: a token for a password, or for a refresh token."""
    identity = context.identity
    form = (await read_form(request, context.limits)).one
    match form("grant_type"):
        case "password":
            name, password = form("username"), form("password")
            account = await identity.attempts.log_in(name, password, network_behind(request.http))
        case "refresh_token":
            account = await identity.tokens.refresh(form("refresh_token"))
        case other:
            raise ScopeInvalid(f"grant_type may be password or refresh_token, not {other[:40]!r}")
    if account is None:
        raise Unauthenticated(
            "wrong name or password, or a refresh token that is not valid any more"
        )
    offline = form("access_type") == "offline"
    return await _issued(identity, account, [form("scope")], refresh=offline)


async def _issued(
    identity: Identity, account: Account, scopes: list[str], *, refresh: bool
) -> web.Response:
    who.set(account.name or NOBODYS_NAME)
    asked = parse_scopes(scopes)
    await identity.ensure_key()
    issued = identity.tokens.issue(account, asked, refresh=refresh)
    claims = issued.claims
    document = TokenAnswer(
        issued.token,
        issued.token,
        int(claims.exp - claims.iat),
        datetime.fromtimestamp(claims.iat, UTC).isoformat(timespec="seconds"),
        issued.refresh,
    )
    return json_answer(document, {**headers.API_VERSION, "Cache-Control": "no-store"})


_ANSWER: Final = Answer(status=200, doc="A token.", struct=TokenAnswer, fields=("Cache-Control",))

ENDPOINTS: Final = (
    Endpoint(
        action=Action.TOKEN_GET,
        methods=("GET",),
        path="/token",
        handler=get,
        doc="Get a token, with Basic credentials or as a stranger.",
        parameters=(_SERVICE, _SCOPE, _CLIENT, _ACCOUNT, _OFFLINE),
        answers=(_ANSWER,),
        errors=(*ADMITTING, *WRITING, *PASSING_ON, ScopeInvalid),
    ),
    Endpoint(
        action=Action.TOKEN_POST,
        methods=("POST",),
        path="/token",
        handler=post,
        doc="Get a token for a password or a refresh token, as OAuth 2 has it.",
        body=Body(doc="A form.", media_types=(FORM,)),
        limits=(DOCUMENT_BYTES, FORM_FIELDS),
        answers=(_ANSWER,),
        errors=(*ADMITTING, *WRITING, *PASSING_ON, ScopeInvalid, DocumentInvalid),
    ),
)
