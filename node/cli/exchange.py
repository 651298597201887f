"""One request and its answer, with the standard library: a command has no use for an event loop."""

import http.client
import json
from collections.abc import Mapping
from typing import Any, BinaryIO, Final, NamedTuple
from urllib.parse import urlsplit

from node.cli.errors import CommandError

TIMEOUT_S: Final = 60.0
"""Longest wait for an answer, beyond what the request itself asks to wait."""

_ANSWER_BYTES_MAX: Final = 64 << 20


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


def exchange(
    url: str,
    method: str,
    path: str,
    payload: bytes | BinaryIO | None,
    fields: Mapping[str, str],
    *,
    timeout_s: float = TIMEOUT_S,
) -> Reply:
    """
    Send one request with any body, and read the answer, whatever its status. It goes nowhere but to
    *url*: a redirect is an answer.

    Raises:
        CommandError: there was no answer.
    """
    parts = urlsplit(url)
    connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = connect(parts.netloc, timeout=timeout_s)
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
