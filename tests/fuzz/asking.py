"""Requests byte by byte on a connection that is kept, and what every answer has to be."""

import asyncio
import json
import re
from contextlib import suppress
from typing import Final

from multidict import CIMultiDict

from node.http.errors import WIRE
from tests.api.conftest import Registry
from tests.api.described import check
from tests.api.wire import Reply, Wire

_PLAIN: Final = re.compile(rb"/[A-Za-z0-9/._~:@?=&%*,+-]*")
"""Targets that are read in one way only, so that the endpoint is known."""

_TOLD: Final = set(WIRE.values())
"""Errors that are documented, as a status and a code."""


class Undocumented(AssertionError):
    """An answer that no document describes, a 5xx, or none at all."""


class Asker:
    """A client."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._wire: Wire | None = None

    async def ask(
        self,
        method: str,
        target: bytes | str,
        fields: dict[str, bytes | str] | None = None,
        body: bytes | None = None,
        described: bool = True,
    ) -> Reply:
        """
        Send a request and return its answer, which has to be a documented one: no 5xx, and, where
        *described*, as the OpenAPI document has it.
        """
        path = target.encode() if isinstance(target, str) else target
        lines = [b" ".join([method.encode(), path, b"HTTP/1.1"]), b"Host: x"]
        for name, value in (fields or {}).items():
            raw = value.encode() if isinstance(value, str) else value
            lines.append(name.encode() + b": " + raw.replace(b"\r", b" ").replace(b"\n", b" "))
        if body is not None:
            lines.append(b"Content-Length: %d" % len(body))
        request = b"\r\n".join([*lines, b"", body or b""])
        reply = await self._exchange(request, has_body=method != "HEAD")
        self._judge(method, path, reply, described)
        return reply

    async def _exchange(self, request: bytes, *, has_body: bool) -> Reply:
        kept = self._wire is not None
        wire = self._wire or await Wire.to(self._registry)
        self._wire = None
        try:
            await wire.send(request)
            reply = await wire.reply(has_body=has_body)
        except (asyncio.IncompleteReadError, ConnectionError) as exc:
            await wire.close()
            if kept:  # it was closed behind the last answer
                return await self._exchange(request, has_body=has_body)
            raise Undocumented(f"no answer, but {exc!r}") from exc
        if reply.fields.get(b"connection") == b"close":
            await wire.close()
        else:
            self._wire = wire
        return reply

    def _judge(self, method: str, path: bytes, reply: Reply, described: bool) -> None:
        said = f"{method} {path[:200]!r}: {reply.status} {reply.body[:300]!r}"
        if reply.status >= 500:
            raise Undocumented(said)
        if reply.status >= 400 and method != "HEAD":
            try:
                errors = json.loads(reply.body)["errors"]
                codes = {(reply.status, error["code"]) for error in errors}
            except (ValueError, KeyError, TypeError) as exc:
                raise Undocumented(f"{said}: no errors of ours") from exc
            if not errors or not codes <= _TOLD:
                raise Undocumented(said)
        if described and _PLAIN.fullmatch(path):
            fields = CIMultiDict({k.decode(): v.decode() for k, v in reply.fields.items()})
            try:
                check(method, path.decode(), reply.status, fields, reply.body)
            except (AssertionError, ValueError, KeyError) as exc:
                raise Undocumented(f"{said}: {str(exc)[:400]}") from exc

    async def close(self) -> None:
        if self._wire is not None:
            with suppress(ConnectionError):
                await self._wire.close()
            self._wire = None
