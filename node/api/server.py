"""The aiohttp server under the API: its bounds, and our answer to what is not HTTP."""

import asyncio
from typing import Any, Final

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMethod
from aiohttp.web_protocol import RequestHandler

from node.api.app import Api
from node.api.errors import error_response
from node.errors import MethodNotAllowed, RegistryError, RequestMalformed

_METHODS: Final = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")

_READ_BUFFER_BYTES: Final = 512 << 10
"""Received bytes waiting per connection before the client is told to wait."""

_LINGER_S: Final = 5.0
"""How long an unread body is read away, so that the client gets to see our refusal."""

_KEEPALIVE_S: Final = 75.0


class _Connection(RequestHandler):
    """One connection. Answers what aiohttp's parser refuses with an OCI error, too."""

    __slots__ = ()

    def close_if_idle(self) -> None:
        """Close the connection if no request is running on it. One that is reads on to its end."""
        # `close` alone would be deaf to the rest of a body that is on its way.
        if self._waiter is not None and not self._messages:
            self.close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        # Only the parser's own refusals come here: `Api.handle` answers everything else.
        error: RegistryError
        if isinstance(exc, BadHttpMethod):
            error = MethodNotAllowed(_METHODS)
        else:
            error = RequestMalformed()
        response = error_response(error, "")
        response.force_close()
        return response


class _Server(web.Server):
    """Makes a `_Connection` for each client."""

    def __init__(self, api: Api, loop: asyncio.AbstractEventLoop, **options: Any) -> None:
        super().__init__(api.handle, loop=loop, **options)
        self._options = options

    def __call__(self) -> RequestHandler:
        return _Connection(self, loop=self._loop, **self._options)

    def close_idle(self) -> None:
        """Close the connections on which no request is running."""
        for connection in self.connections:
            assert isinstance(connection, _Connection)
            connection.close_if_idle()


def make_server(api: Api) -> _Server:
    """The server for *api*. To be called on the event loop that will run it."""
    return _Server(
        api,
        asyncio.get_running_loop(),
        access_log=None,
        auto_decompress=False,  # blobs are bytes: a Content-Encoding is the client's business
        read_bufsize=_READ_BUFFER_BYTES,
        lingering_time=_LINGER_S,
        keepalive_timeout=_KEEPALIVE_S,
    )
