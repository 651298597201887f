"""Asking a node over HTTP, with the standard library: a command has no use for an event loop."""

import base64
import http.client
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, BinaryIO, Final, NamedTuple
from urllib.parse import urlsplit

from node.cli.errors import CommandError
from node.errors import RouteUnknown

TIMEOUT_S: Final = 60.0
"""Longest wait for an answer, beyond what the request itself asks to wait."""

_ANSWER_BYTES_MAX: Final = 64 << 20

_ADMIN: Final = "/atoll/"
_UNAUTHORIZED: Final = 401
_NO_ROUTE: Final = str(RouteUnknown())


_LOGINS: Final[dict[str, str]] = {}
"""What is sent as `Authorization`, by HOST:PORT. Nothing else sees it: no argument, no address."""


def log_in_at(address: str, name: str, secret: str) -> None:
    """Have requests to *address*, HOST:PORT, come from *name* from now on."""
    given = base64.b64encode(f"{name}:{secret}".encode()).decode()
    _LOGINS[address] = f"Basic {given}"


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    """By lower-case name."""

    document: Any
    """The decoded JSON body; None when there was none."""

    def error(self) -> str:
        """What the node said was wrong."""
        try:
            return "; ".join(entry["message"] for entry in self.document["errors"])
        except (KeyError, TypeError):
            return f"the node answered {self.status}"


def ask(
    url: str, method: str, path: str, *, body: object = None, timeout_s: float = TIMEOUT_S
) -> Reply:
    """
    Send one request, with *body* as JSON, and read the answer, whatever its status.

    Raises:
        CommandError: there was no answer, or none of the admin API where that was asked; or the
            node wants to know who asks.
    """
    if body is None:
        answer = send(url, method, path, timeout_s=timeout_s)
    else:
        payload, fields = json.dumps(body).encode(), {"Content-Type": "application/json"}
        answer = send(url, method, path, payload, fields, timeout_s=timeout_s)
    if path.startswith(_ADMIN) and answer.status == 404 and answer.error() == _NO_ROUTE:
        raise CommandError(
            f"{url} does not serve the admin API: give the --data-dir of a node on this machine, "
            "or its setting `admin` as --url"
        )
    if answer.status == _UNAUTHORIZED:
        raise CommandError(
            f"{url} does not know who asks: give the --data-dir of its node, as its user"
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
    parts = urlsplit(url)
    connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = connect(parts.netloc, timeout=timeout_s)
    if (login := _LOGINS.get(parts.netloc)) is not None:
        fields = {"Authorization": login, **fields}
    try:
        connection.request(method, path, payload, fields)
        response = connection.getresponse()
        data = response.read(_ANSWER_BYTES_MAX)
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, headers, json.loads(data) if data else None)
    except TimeoutError as exc:
        raise CommandError(f"{url} did not answer within {timeout_s:g} s") from exc
    except OSError as exc:
        raise CommandError(f"cannot reach {url}: {exc.strerror or exc}") from exc
    except (http.client.HTTPException, ValueError) as exc:
        raise CommandError(f"{url} answered something that is not the registry API") from exc
    finally:
        connection.close()


def ask_for(
    url: str, method: str, path: str, *, body: object = None, timeout_s: float = TIMEOUT_S
) -> Reply:
    """
    As `ask`, for those who need a good answer.

    Raises:
        CommandError: there was no answer, or it was no success.
    """
    answer = ask(url, method, path, body=body, timeout_s=timeout_s)
    if answer.status >= 400:
        raise CommandError(answer.error())
    return answer
