"""A client of a registry that sees what it was answered by: a handler, or what is remembered."""

from typing import Any

from cluster.model import Digest
from tests.api.conftest import Registry
from tests.api.wire import Reply, Wire, head

BLOB = b"layer x"


async def pushed(registry: Registry) -> dict[str, str]:
    """Everything that may be remembered, by a word for it."""
    digest = await registry.push_image("lib/app", "v1", "v2")
    return {
        "tag": "/v2/lib/app/manifests/v1",
        "digest": f"/v2/lib/app/manifests/{digest}",
        "blob": f"/v2/lib/app/blobs/{Digest.of(BLOB)}",
        "tags": "/v2/lib/app/tags/list",
        "page": "/v2/lib/app/tags/list?n=1",
    }


async def opened(registry: Registry) -> Wire:
    """A connection that is closed in the end."""
    wire = await Wire.to(registry)
    registry.parts.push_async_callback(wire.close)
    return wire


class Client:
    """Asks on one connection, and sees by what it was answered."""

    def __init__(self, registry: Registry, wire: Wire) -> None:
        self._registry, self._wire = registry, wire

    @classmethod
    async def of(cls, registry: Registry) -> "Client":
        return cls(registry, await opened(registry))

    async def get(self, path: str, *fields: str, method: str = "GET") -> tuple[str, Reply]:
        memory = self._registry.remembered
        before = (memory.answered_at_once, memory.answered_when_parsed)
        await self._wire.send(head(method, path, *fields))
        reply = await self._wire.reply(has_body=method != "HEAD")
        after = (memory.answered_at_once, memory.answered_when_parsed)
        level = {(0, 0): "handler", (1, 0): "block", (0, 1): "fields"}
        return level[(after[0] - before[0], after[1] - before[1])], reply

    async def settled(self, path: str, *fields: str, method: str = "GET") -> Reply:
        """The answer of the handler, once it is remembered."""
        _, reply = await self.get(path, *fields, method=method)
        while (await self.get(path, *fields, method=method))[0] != "block":
            pass
        return reply


def undated(reply: Reply) -> tuple[Any, ...]:
    return (reply.line, [*reply.fields], reply.fields | {b"date": b""}, reply.body)
