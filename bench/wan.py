"""
`atoll serve` with long links: calls to other regions take as long as over a wide area network.

    python -m bench.wan NEAR serve ...

NEAR: the peers of the own region, HOST:PORT with commas between; every other one is far away.

The delay is added in front of the transport, in the calling process, half of it on the way there
and half on the way back; bandwidth is not limited. Not for more than latency.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Final

from cluster.model import Digest, Event, Greeting, NodeId, ProbeReply, ProbeRequest, Vector
from cluster.ports import Peer
from cluster.rpc.client import GrpcPeer, GrpcTransport
from node import main
from node.cli import main as command

ROUND_TRIP_S: Final = 0.080


class _FarPeer:
    """A peer at the other end of a long link."""

    def __init__(self, peer: GrpcPeer) -> None:
        self._peer = peer

    async def hello(self, greeting: Greeting) -> Greeting:
        return await _there_and_back(self._peer.hello, greeting)

    async def push(self, events: Sequence[Event]) -> Vector:
        return await _there_and_back(self._peer.push, events)

    async def probe(self, request: ProbeRequest) -> ProbeReply:
        return await _there_and_back(self._peer.probe, request)

    async def hold(
        self, digest: Digest, size: int, sources: Sequence[NodeId], data: bytes | None
    ) -> None:
        await _there_and_back(self._peer.hold, digest, size, sources, data)

    def pull(self, have: Vector) -> AsyncGenerator[Sequence[Event], None]:
        return _late(self._peer.pull(have))

    def fetch(self, digest: Digest, offset: int) -> AsyncGenerator[bytes, None]:
        return _late(self._peer.fetch(digest, offset))

    def checkpoint(self, number: int, after: bytes) -> AsyncGenerator[Any, None]:
        return _late(self._peer.checkpoint(number, after))

    async def close(self) -> None:
        await self._peer.close()


async def _there_and_back(call: Any, *args: Any) -> Any:
    await asyncio.sleep(ROUND_TRIP_S / 2)
    answer = await call(*args)
    await asyncio.sleep(ROUND_TRIP_S / 2)
    return answer


async def _late(stream: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
    # The first item pays for the way there and back; those behind it are on their way already.
    await asyncio.sleep(ROUND_TRIP_S)
    async for item in stream:
        yield item


class _WanTransport(GrpcTransport):
    """Long links to every address that is not one of *near*."""

    near: frozenset[str] = frozenset()

    def connect(self, address: str) -> Peer:  # type: ignore[override]  # the port's own type
        peer = super().connect(address)
        return peer if address in self.near else _FarPeer(peer)


if __name__ == "__main__":
    _WanTransport.near = frozenset(sys.argv.pop(1).split(","))
    main.GrpcTransport = _WanTransport  # type: ignore[misc]
    command()
