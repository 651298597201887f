"""Asking a node over HTTP, as whoever types the command."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import BinaryIO, Final

from node.cli.credentials import authorization
from node.cli.errors import CommandError
from node.cli.exchange import TIMEOUT_S, Reply, exchange
from node.errors import RouteUnknown

_ADMIN: Final = "/atoll/"
_NO_ROUTE: Final = str(RouteUnknown())


def ask(
    url: str,
    method: str,
    path: str,
    *,
    body: object = None,
    fields: Mapping[str, str] = MappingProxyType({}),
    timeout_s: float = TIMEOUT_S,
) -> Reply:
    """
    Send one request, with *body* as JSON, and read the answer, whatever its status.

    Raises:
        CommandError: there was no answer, none of the admin API where that was asked, or nobody has
            logged in.
    """
    if body is None:
        answer = send(url, method, path, fields=fields, timeout_s=timeout_s)
    else:
        payload, sent = json.dumps(body).encode(), {"Content-Type": "application/json", **fields}
        answer = send(url, method, path, payload, sent, timeout_s=timeout_s)
    if path.startswith(_ADMIN) and answer.status == 404 and answer.error() == _NO_ROUTE:
        raise CommandError(
            f"{url} does not serve the admin API: give the --data-dir of a node on this machine, "
            "or its setting `admin` as --url"
        )
    if answer.status == HTTPStatus.UNAUTHORIZED:
        raise CommandError(
            f"{url} wants to know who asks ({answer.error()}): atoll login, or give the --data-dir "
            "of its node, as its user"
        )
    return answer


def send(
    url: str,
    method: str,
    path: str,
    payload: bytes | BinaryIO | None = None,
    fields: Mapping[str, str] = MappingProxyType({}),
    *,
    timeout_s: float = TIMEOUT_S,
) -> Reply:
    """
    Send one request with any body, and read the answer, whatever its status. A file is sent from
    where it is at, piece by piece; *fields* has its `Content-Length`.

    Raises:
        CommandError: there was no answer.
    """
    given = authorization(url, path)
    who = {} if given is None else {"Authorization": given}
    return exchange(url, method, path, payload, {**fields, **who}, timeout_s=timeout_s)


def ask_for(
    url: str,
    method: str,
    path: str,
    *,
    body: object = None,
    fields: Mapping[str, str] = MappingProxyType({}),
    timeout_s: float = TIMEOUT_S,
) -> Reply:
    """
    As `ask`, for those who need a good answer.

    Raises:
        CommandError: there was no answer, or it was no success.
    """
    answer = ask(url, method, path, body=body, fields=fields, timeout_s=timeout_s)
    if answer.status >= 400:
        raise CommandError(answer.error())
    return answer
