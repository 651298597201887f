"""Somebody's own account: what they may do, their tokens, their password."""

from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from node.http.endpoint import Action, Request
from node.http.forms import FormFields
from node.http.session_cookie import is_local, set_session
from node.identity.errors import LoginDelayed, TooManyLogins
from node.identity.login import OPERATOR
from node.identity.secrets import new_secret_id
from node.ui.access.common import (
    CHANGING,
    CONFIRM,
    DONE,
    AccessList,
    access_form,
    columns,
    list_at,
    new_password,
    sheet,
)
from node.ui.access.rows import HeldRole, held_roles, secret_rows
from node.ui.access.secret import made_secret, secret_sheet
from node.ui.context import UiContext
from node.ui.page import Sheet, gone_to
from node.ui.tabs import ACCESS

OWN: Final = list_at(AccessList.ACCOUNT)


def own_account(context: UiContext, request: Request, after: str) -> Sheet:
    """The part of the page that everybody has."""
    directory, account = context.identity.directory, request.principal.account
    now, query = context.now(), request.query()
    is_operator = account.id == OPERATOR
    roles: list[HeldRole] = []
    following = ""
    if not is_operator:
        rights = request.principal.rights
        roles, following = held_roles(directory, account.id, after, rights, now)
    password = directory.password(account.id)
    values = {
        "name": account.name,
        "is_operator": is_operator,
        "groups": sorted(directory.groups_of(account.id).values()),
        "roles": roles,
        "role_columns": columns("Where", "Role", "For", "Ends"),
        "following": f"{OWN}&{urlencode({'after': following})}" if following else "",
        "secrets": secret_rows(directory, account.id, now),
        "secret_columns": columns("Token", "Role at most", "For", "Made", "Ends", last="Take back"),
        "opened": query.one(CONFIRM) or "",
        "once": new_secret_id(),
        "is_done": password is not None and query.one(DONE) == password.id,
    }
    return sheet(
        request, "account", "Your account", AccessList.ACCOUNT, values, "atoll user whoami"
    )


async def set_own_password(
    context: UiContext, request: Request, fields: FormFields
) -> Sheet | web.StreamResponse:
    """
    POST of one's own password. Sessions and tokens that were got with the one before end; the
    browser that sends the form goes on with a new session.
    """
    identity, name, password = context.identity, request.principal.name, new_password(fields)
    await identity.accounts.set_password(name, password)
    account = await identity.login.log_in(name, password)
    if account is None:  # set once more, by somebody else, meanwhile
        return gone_to(ACCESS)
    await identity.ensure_key()
    made = identity.directory.password(account.id)
    answer = gone_to(f"{OWN}&done={'' if made is None else made.id}#done")
    set_session(answer, identity.sessions.begin(account).token, local=is_local(request.http))
    return answer


async def add_token(
    context: UiContext, request: Request, fields: FormFields
) -> Sheet | web.StreamResponse:
    """POST: a token of one's own. It is shown in the answer, and never again."""
    name = request.principal.name
    made = await made_secret(context, name, fields)
    return secret_sheet(context, request, AccessList.ACCOUNT, name, made, OWN)


async def revoke_token(
    context: UiContext, request: Request, fields: FormFields
) -> Sheet | web.StreamResponse:
    """POST: one of one's own tokens is worth nothing any more."""
    name = request.principal.name
    await context.identity.accounts.revoke_credential(name, fields.one("id"))
    return gone_to(f"{OWN}#secrets")


_OWN_ROUTE: Final = "/atoll/v1/account"

ENDPOINTS: Final = (
    access_form(
        Action.PAGE_PASSWORD,
        f"{ACCESS}/password",
        set_own_password,
        "Change one's own password.",
        route=f"{_OWN_ROUTE}/password",
        errors=(*CHANGING, TooManyLogins, LoginDelayed),
    ),
    access_form(
        Action.PAGE_TOKEN_ADD,
        f"{ACCESS}/tokens",
        add_token,
        "Make a token of one's own, and show it.",
        route=f"{_OWN_ROUTE}/tokens",
    ),
    access_form(
        Action.PAGE_TOKEN_REVOKE,
        f"{ACCESS}/tokens/revoke",
        revoke_token,
        "Take one of one's own tokens back.",
        route=f"{_OWN_ROUTE}/tokens",
        recent=False,
    ),
)
