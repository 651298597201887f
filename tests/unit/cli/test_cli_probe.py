"""What `atoll up` makes of a node's answer to `/readyz`."""

import asyncio
import contextlib

import pytest

from node.cli.cluster.probe import why_not_ready
from node.settings import Address


@contextlib.asynccontextmanager
async def node_that_answers(answer):
    """Serve *answer* to everybody who asks, on a free port."""
    requests = []

    async def on_connection(reader, writer):
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(on_connection, "127.0.0.1", 0)
    async with server:
        yield Address(*server.sockets[0].getsockname()), requests


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", None),
        (b'HTTP/1.1 503 Service Unavailable\r\n\r\n{"index":"starting"}', "starting"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "404"),
        (b"", "answered b''"),
        (b"SSH-2.0-200\r\n", "SSH"),
        (b"x" * 100_000, "answered"),
    ],
)
async def test_answers(answer, reason):
    """A node would count as ready that is not, or never as ready."""
    async with node_that_answers(answer) as (address, requests):
        told = await why_not_ready(address)
    assert requests[0].startswith(b"GET /readyz HTTP/1.1\r\n")
    if reason is None:
        assert told is None
    else:
        assert told is not None
        assert reason in told


async def test_nobody_listens():
    async with node_that_answers(b"") as (address, _):
        pass
    told = await why_not_ready(address)
    assert told is not None
    assert "cannot connect" in told
