"""
Who a command says that it is: the operator, who may read the data directory that they name, or
whoever has logged in to that node.

What was given for one address goes to no other. A process is one command: what is remembered here
ends with it.
"""

import base64
import time
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlencode, urlsplit

from node.cli import contexts
from node.cli.errors import CommandError
from node.cli.exchange import Reply, exchange
from node.disk.datadir import operator_secret

OPERATOR: Final = "operator"
"""As whom a node knows who may read its directory (`node.identity.login`)."""

_CLIENT: Final = "atoll"
_SPARE_S: Final = 30.0
"""A token is not used any more when it ends so soon: the request may be a while on its way."""

_ADMINISTERING: Final = "registry:atoll:*"


class _Token(NamedTuple):
    field: str
    until: float
    """On the monotonic clock, in seconds."""


_directories: Final[dict[str, Path]] = {}
"""Addresses that were read from data directories, with a scheme."""

_given: Final[dict[str, contexts.LoginContext]] = {}
"""Contexts that were named with the command, by address."""

_tokens: Final[dict[tuple[str, str], _Token | None]] = {}
"""By address and scope; None: whoever had logged in there is nobody any more."""


def found_in(data_dir: Path, url: str) -> None:
    """Note that the node at *url* is the one of a data directory."""
    _directories[url] = data_dir


def go_by(context: contexts.LoginContext) -> None:
    """Note that the command names a context."""
    _given[context.url] = context


def authorization(url: str, path: str) -> str | None:
    """
    What to say of who asks for *path* at *url*, in an `Authorization` field; None: nothing is known
    that could be said there.

    Raises:
        CommandError: the file of contexts cannot be used, or the node does not answer.
    """
    context = _given.get(url)
    if context is None and url in _directories:
        field = _operator(_directories[url])
        if field is not None:
            return field
    context = context or contexts.load().at(url)
    return None if context is None else _bearer(context, scope_of(path))


def log_in(url: str, name: str, password: str) -> contexts.LoginContext:
    """
    Ask the node at *url* for what tokens are got for.

    Raises:
        CommandError: it does not give any, or *name* is the operator.
    """
    if name == OPERATOR:
        raise CommandError("the operator does not log in: give --data-dir to each command")
    answer = _ask_token(
        url,
        {
            "grant_type": "password",
            "username": name,
            "password": password,
            "access_type": "offline",
            "scope": _ADMINISTERING,
        },
    )
    if answer.status != HTTPStatus.OK:
        raise CommandError(f"{url} does not let {name} in: {answer.error()}")
    return contexts.LoginContext(url=url, user=name, refresh=answer.document["refresh_token"])


def _bearer(context: contexts.LoginContext, scope: str) -> str | None:
    key, now = (context.url, scope), time.monotonic()
    if key in _tokens:
        known = _tokens[key]
        if known is None or now < known.until:
            return None if known is None else known.field
    _tokens[key] = token = _renewed(context, scope, now)
    return None if token is None else token.field


def _renewed(context: contexts.LoginContext, scope: str, now: float) -> _Token | None:
    fields = {"grant_type": "refresh_token", "refresh_token": context.refresh, "scope": scope}
    answer = _ask_token(context.url, fields)
    if answer.status == HTTPStatus.UNAUTHORIZED:
        return None  # the node says what it misses, or that it misses nothing
    if answer.status != HTTPStatus.OK:
        raise CommandError(answer.error())
    given = answer.document
    return _Token(f"Bearer {given['token']}", now + given["expires_in"] - _SPARE_S)


def _ask_token(url: str, fields: Mapping[str, str]) -> Reply:
    form = urlencode({**fields, "client_id": _CLIENT}).encode()
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    return exchange(url, "POST", "/token", form, kind)


def scope_of(path: str) -> str:
    """What a token has to be for, to ask for *path*."""
    parts = urlsplit(path).path.split("/")
    for word in ("manifests", "blobs"):
        if parts[1] == "v2" and word in parts[2:]:
            end = len(parts) - 1 - parts[::-1].index(word)
            return f"repository:{'/'.join(parts[2:end])}:pull,push"
    return _ADMINISTERING


def _operator(data_dir: Path) -> str | None:
    secret = operator_secret(data_dir)
    if secret is None:  # it is for others to read, or the node is open
        return None
    return f"Basic {base64.b64encode(f'{OPERATOR}:{secret}'.encode()).decode()}"
