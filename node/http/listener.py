"""A port of the node: how it opens, and how it closes without cutting off who is being served."""

import asyncio
from typing import Final

from aiohttp import web

from node.http.app import Api
from node.http.server import Server, make_server

_BACKLOG: Final = 1024
_LOOK_S: Final = 0.02
"""Time between two looks whether somebody is still being served; only while the port closes."""


class HttpListener:
    """An HTTP server of a node. To be made on the event loop that will run it."""

    def __init__(self, api: Api, connections_max: int) -> None:
        self._api = api
        self._server = make_server(api, connections_max)
        self._runner = web.ServerRunner(self._server)

    @property
    def server(self) -> Server:
        """What counts the connections."""
        return self._server

    async def open(self, host: str, port: int) -> None:
        """
        Listen.

        Raises:
            OSError: the address cannot be had.
        """
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, backlog=_BACKLOG, reuse_address=True)
        await site.start()

    @property
    def port(self) -> int:
        """That on which it listens: the one that was asked for, or that the system chose."""
        port: int = self._runner.addresses[0][1]
        return port

    def drain(self) -> None:
        """Go on serving, and have clients open new connections: those go elsewhere by now."""
        self._api.keeps_connections = False

    async def close(self) -> None:
        """Take no new connection, and no new request on those that there are."""
        for site in self._runner.sites:
            await site.stop()
        self.drain()
        # Requests that have arrived begin, before connections without one are closed.
        await asyncio.sleep(0)
        self._server.close_idle()

    async def wait_idle(self) -> None:
        """Return once no request is running, but for those that stay."""
        while self._server.leavers():
            await asyncio.sleep(_LOOK_S)
            # An answer that was on its way when the port closed may have kept its connection.
            self._server.close_idle()

    async def end(self, grace_s: float) -> None:
        """End the requests that are running, each within *grace_s*, but for those that stay."""
        await asyncio.gather(*(each.shutdown(grace_s) for each in self._server.leavers()))

    async def cut(self, grace_s: float) -> None:
        """End all requests, each within *grace_s*. The last call."""
        # aiohttp takes zero for no end at all.
        await self._server.shutdown(max(grace_s, 0.001))
        await self._runner.cleanup()
