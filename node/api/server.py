"""The aiohttp server under the API."""

import asyncio

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from node.api.app import Api
from node.api.connection import Connection


class _Server(web.Server):
    """Makes a `Connection` for each client."""

    def __init__(self, api: Api, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(api.handle, loop=loop)
        self._api = api

    def __call__(self) -> RequestHandler:
        return Connection(self, self._api, self._loop)

    def close_idle(self) -> None:
        """Close the connections on which no request is running."""
        for connection in self.connections:
            assert isinstance(connection, Connection)
            connection.close_if_idle()


def make_server(api: Api) -> _Server:
    """The server for *api*. To be called on the event loop that will run it."""
    return _Server(api, asyncio.get_running_loop())
