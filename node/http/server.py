"""The aiohttp server under the API, and how many connections it has."""

import asyncio
from collections import Counter
from typing import Final

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from node.errors import TooManyConnections
from node.http.app import Api
from node.http.connection import Connection
from node.http.remembered import HOPE
from node.logs import get_logger
from node.shares.fairness import heaviest

_ROOM: Final = 16
"""One in so many connections goes when room is made: to look for them takes a while."""

_SILENCE_S: Final = 60.0
"""Time between two lines of the log that say the same."""


class Server(web.Server):
    """Makes a `Connection` for each client, and keeps them below their cap."""

    def __init__(self, api: Api, loop: asyncio.AbstractEventLoop, connections_max: int) -> None:
        super().__init__(api.handle, loop=loop)
        self._api = api
        self._connections_max = connections_max
        self._log = get_logger("http")
        self._quiet_until = 0.0
        self.closed = 0
        """Connections that made room."""
        self.refused = 0
        """Connections that were answered with 503."""

    @property
    def connections_open(self) -> int:
        return len(self._connections)

    def __call__(self) -> RequestHandler:
        return Connection(self, self._api, self._loop)

    def _make_request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: RequestHandler,
        writer: AbstractStreamWriter,
        task: "asyncio.Task[None]",
    ) -> web.BaseRequest:
        request = web.BaseRequest(message, payload, protocol, writer, task, self._loop)
        assert isinstance(protocol, Connection)
        if (hope := protocol.take_hope()) is not None:
            request[HOPE] = hope
        return request

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        if len(self._connections) > self._connections_max:
            assert isinstance(handler, Connection)
            self._make_room(handler)

    def _make_room(self, newcomer: Connection) -> None:
        """
        Close connections that wait for a request: of the addresses that have the most first; of
        theirs those that never sent one, then those that wait the longest. Where nobody waits, the
        address with the most gives up a body, if it has at least two connections more than
        *newcomer*; or that is refused.
        """
        waiting: list[tuple[bool, float, Connection]] = []
        receiving: list[Connection] = []
        counts: Counter[str] = Counter()
        for connection in self._connections:
            assert isinstance(connection, Connection)
            since = connection.waits_since
            counts[connection.address] += 1
            if connection is newcomer:
                continue
            if since is not None:
                waiting.append((connection.asked, since, connection))
            elif connection.receives:
                receiving.append(connection)
        if waiting:
            waiting.sort(key=lambda each: (-counts[each[2].address], *each[:2]))
            victims = waiting[: max(1, self._connections_max // _ROOM)]
            for *_, connection in victims:
                connection.force_close()
            self.closed += len(victims)
        elif (slow := _heaviest(receiving, counts, newcomer)) is not None:
            slow.give_up(TooManyConnections(self._connections_max))
            self.closed += 1
        else:
            newcomer.turn_away(TooManyConnections(self._connections_max))
            self.refused += 1
        now = self._loop.time()
        if now >= self._quiet_until:
            self._quiet_until = now + _SILENCE_S
            self._log.warning(
                "connections at their cap",
                cap=self._connections_max,
                closed=self.closed,
                refused=self.refused,
            )

    def leavers(self) -> list[Connection]:
        """The connections that end with their port."""
        found = []
        for connection in self.connections:
            assert isinstance(connection, Connection)
            if not connection.stays:
                found.append(connection)
        return found

    def close_idle(self) -> None:
        """Close the connections on which no request is running."""
        for connection in self.connections:
            assert isinstance(connection, Connection)
            connection.close_if_idle()


def _heaviest(
    receiving: list[Connection], counts: Counter[str], newcomer: Connection
) -> Connection | None:
    """The oldest of *receiving* whose address has the most, if that is unfair to *newcomer*."""
    theirs = {each.address: counts[each.address] for each in receiving}
    address = heaviest(theirs, counts[newcomer.address])
    return next((each for each in receiving if each.address == address), None)


def make_server(api: Api, connections_max: int) -> Server:
    """The server for *api*. To be called on the event loop that will run it."""
    return Server(api, asyncio.get_running_loop(), connections_max)
