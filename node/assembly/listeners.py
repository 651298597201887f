"""Opening the ports of a node; one that cannot be had is a `StartupError`."""

import errno
from contextlib import AsyncExitStack

from cluster.rpc.server import PeerServer
from node.errors.startup import StartupError
from node.http.app import Api
from node.http.listener import HttpListener
from node.settings import Address


async def listen_rpc(stack: AsyncExitStack, server: PeerServer, address: Address) -> None:
    """
    Let peers in, as long as *stack* lasts.

    Raises:
        StartupError: the address cannot be had.
    """
    try:
        await server.start(str(address))
    except OSError as exc:
        raise StartupError(f"cannot listen on {address} (rpc): {_reason(exc)}") from exc
    stack.push_async_callback(server.stop)


async def listen_http(
    stack: AsyncExitStack, api: Api, address: Address, connections_max: int, setting: str = "http"
) -> HttpListener:
    """
    Let clients in at the *address* of a *setting*, as long as *stack* lasts.

    Raises:
        StartupError: the address cannot be had.
    """
    listener = HttpListener(api, connections_max)
    stack.push_async_callback(listener.cut, 0.0)
    try:
        await listener.open(address.host, address.port)
    except OSError as exc:
        raise StartupError(f"cannot listen on {address} ({setting}): {_reason(exc)}") from exc
    return listener


def _reason(exc: OSError) -> str:
    return "the address is in use" if exc.errno == errno.EADDRINUSE else str(exc.strerror or exc)
