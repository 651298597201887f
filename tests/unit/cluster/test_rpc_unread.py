"""A stream that nobody reads."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from contextvars import ContextVar

import pytest

from cluster.errors import BlobUnknown, PeerRefused
from cluster.model import Digest
from cluster.rpc.channel import RpcConfig
from cluster.rpc.client import GrpcPeer
from cluster.rpc.server import PeerServer
from tests.builders import roles_of
from tests.fakes.fleet import PATIENCE_S
from tests.fakes.log import MemoryLog

ENDLESS, UNKNOWN = Digest.of(b"endless"), Digest.of(b"unknown")


class Service:
    """Has one blob without an end."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()

    async def fetch(self, digest: Digest, offset: int) -> AsyncGenerator[bytes, None]:
        if digest != ENDLESS:
            raise BlobUnknown(digest)
        try:
            while True:
                yield bytes(1 << 20)
        finally:
            self.closed.set()


async def test_a_caller_that_reads_nothing_keeps_no_file_open():
    """Broken: as many stuck readers as may call keep all others out, with all they have open."""
    service, request_id = Service(), ContextVar("request_id")
    config = RpcConfig(stop_grace_s=0.01, write_timeout_s=0.05)
    server = PeerServer(roles_of(service), request_id, MemoryLog(), config)
    address = f"127.0.0.1:{await server.start('127.0.0.1:0')}"
    peer = GrpcPeer(address, request_id, RpcConfig())
    try:
        async with asyncio.timeout(PATIENCE_S), aclosing(peer.fetch(ENDLESS, 0)) as chunks:
            await anext(chunks)
            await service.closed.wait()
            with pytest.raises(BlobUnknown):
                await anext(peer.fetch(UNKNOWN, 0))
            # What was on its way is read, and then it is told.
            with pytest.raises(PeerRefused, match="nothing was read"):
                async for _ in chunks:
                    pass
    finally:
        await peer.close()
        await server.stop()
