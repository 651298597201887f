"""
Requests of clients that come to a node which keeps nothing, answered by a member that does.

A node outside the layout, and a member that is no store of it, has no index that speaks for the
cluster. It passes every request of the Distribution API on to a store, of its own region first, and
both bodies go through as they come: nothing is stored here, and nothing is sent twice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Final, NoReturn, Protocol, Self
from urllib.parse import urlsplit

import aiohttp
from aiohttp import hdrs, web

from cluster.model import Member, NodeId
from cluster.ports import Log
from node.errors import AnswerLost, NobodyServes, TooManyPassedOn, UploadUnknown
from node.http.cors import Cors
from node.http.endpoint import READS, SESSIONS, Request
from node.http.limits import (
    ANSWER,
    PASSED_ON,
    READ_SILENCE,
    SERVER_CONNECT,
    SERVERS_TRIED,
    WRITE_SILENCE,
)
from node.http.public_url import PublicUrl
from node.oci.upstream import (
    ADDED_BY_CLIENT,
    FORWARDED_BY,
    PASSED_BY,
    PassedBody,
    ask,
    open_session,
)
from node.registry.upload_ids import UploadId

_OF_ONE_CONNECTION: Final = frozenset(
    {
        *("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding"),
        *("upgrade", "proxy-authenticate", "proxy-authorization"),
    }
)
"""RFC 9110 §7.6.1, with what RFC 2616 counted and old clients send."""

_NOT_SENT: Final = _OF_ONE_CONNECTION | {"host", "expect", "origin"}
"""Of a request. `Expect` is asked of the member anew; what browsers may do is said by the node that
they talk to."""

_NOT_RETURNED: Final = _OF_ONE_CONNECTION | {"date"}

_OF_BROWSERS: Final = "access-control-"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyConfig:
    """Bounds on what is passed on: see each limit."""

    running_max: int = PASSED_ON.number
    tries_max: int = SERVERS_TRIED.number
    connect_timeout_s: float = SERVER_CONNECT.number
    read_silence_s: float = READ_SILENCE.number
    write_silence_s: float = ANSWER.number + WRITE_SILENCE.number


class Servers(Protocol):
    """Who answers clients, as this part sees it."""

    def is_proxy(self) -> bool:
        """Whether this node has others answer. Asked for each request."""
        ...

    def servers(self) -> Sequence[Member]:
        """The members that may, the best first."""
        ...


class _NotReached(Exception):
    """The member has done nothing, and answered nothing: another one may."""


class Proxy:
    """Passes requests on to members. An async context manager; one per node."""

    def __init__(
        self,
        me: NodeId,
        servers: Servers,
        config: ProxyConfig,
        cors: Cors,
        log: Log,
        *,
        body_idle_s: float,
        public_url: PublicUrl = PublicUrl(),  # noqa: B008 - it never changes
    ) -> None:
        """
        Args:
            body_idle_s: how long a client's body may pause, as for uploads of this node.
            public_url: under which address clients reach this node.
        """
        self._me = me
        self._public_url = public_url
        self._servers = servers
        self._config = config
        self._cors = cors
        self._log = log
        self._body_idle_s = body_idle_s
        self._session: aiohttp.ClientSession | None = None
        self._running = 0

    async def __aenter__(self) -> Self:
        self._session = open_session(self._config.connect_timeout_s)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    def is_due(self) -> bool:
        """Whether a request that comes now is to be passed on."""
        return self._servers.is_proxy()

    async def answer(self, request: Request) -> web.StreamResponse:
        """
        Have a member answer *request*.

        Raises:
            NobodyServes: none could be reached, or another proxy took this node for one. Nothing
                has changed.
            UploadUnknown: it is about an upload that this node had. The client starts again.
            AnswerLost: one was asked, and did not answer. What it did is not known.
            TooManyPassedOn: too many requests are being passed on already.
            BodyIncomplete, BodyStalled: the client's body ended early, and so it did for the
                member.
            ConnectionAbortedError: the answer broke off behind its head.
        """
        fields, owner = request.http.headers, _owner(request)
        if owner == self._me or FORWARDED_BY in fields:
            raise UploadUnknown(request.variable)
        if PASSED_BY in fields:
            raise NobodyServes
        if self._running >= self._config.running_max:
            raise TooManyPassedOn(self._config.running_max)
        self._running += 1
        try:
            servers = self._in_turn(owner)
            for server in servers:
                exchange = _Exchange(
                    request, server, self._cors, self._public_url, last=server is servers[-1]
                )
                try:
                    return await exchange.run(
                        self._opened(), self._config, self._sent(request), self._body_idle_s
                    )
                except _NotReached as exc:
                    reason = str(exc.__cause__ or exc)
                    self._log.warning("a member does not answer", peer=server.node, reason=reason)
            raise NobodyServes
        finally:
            self._running -= 1

    def _opened(self) -> aiohttp.ClientSession:
        assert self._session is not None, "used outside its context"
        return self._session

    def _in_turn(self, owner: NodeId | None) -> list[Member]:
        """Whom to offer it: the owner of an upload first, for another one would have to ask it."""
        servers = sorted(self._servers.servers(), key=lambda member: member.node != owner)
        return servers[: self._config.tries_max]

    def _sent(self, request: Request) -> list[tuple[str, str]]:
        """The fields of the request as the member gets it."""
        http = request.http
        dropped = _NOT_SENT | _named(http.headers.getall(hdrs.CONNECTION, ()))
        added = {
            "x-forwarded-for": [*http.headers.getall("X-Forwarded-For", ()), request.client],
            "x-forwarded-proto": http.headers.getall("X-Forwarded-Proto", (http.scheme,)),
            "x-forwarded-host": http.headers.getall("X-Forwarded-Host", (http.host,)),
        }
        kept = [
            (name, value)
            for name, value in http.headers.items()
            if (low := name.lower()) not in dropped
            and low not in added
            and low != "x-request-id"
            and value.isascii()
        ]
        return [
            *kept,
            *((name.title(), ", ".join(values)) for name, values in added.items()),
            (PASSED_BY, self._me),
            ("X-Request-Id", request.id),
        ]


class _Exchange:
    """One request at one member, and its answer."""

    def __init__(
        self,
        request: Request,
        server: Member,
        cors: Cors,
        public_url: PublicUrl,
        *,
        last: bool,
    ) -> None:
        """*last*: there is nobody else to ask, so whatever the member says is the answer."""
        self._public_url = public_url
        self._request = request
        self._server = server
        self._cors = cors
        self._last = last
        self._response: web.StreamResponse | None = None
        """Once its head is on its way to the client."""

    async def run(
        self,
        session: aiohttp.ClientSession,
        config: ProxyConfig,
        fields: list[tuple[str, str]],
        body_idle_s: float,
    ) -> web.StreamResponse:
        """Raises `_NotReached`, and what `Proxy.answer` does."""
        http = self._request.http
        reads = http.method in READS
        silence_s = config.read_silence_s if reads else config.write_silence_s
        body = PassedBody(self._request, body_idle_s, silence_s)
        try:
            asked = ask(
                session, self._request, self._server.http, fields, body, not_added=ADDED_BY_CLIENT
            )
            async with body.patience, asked as answer:
                if reads and answer.status == HTTPStatus.SERVICE_UNAVAILABLE and not self._last:
                    raise _NotReached("it is not ready")
                return await self._relay(answer, body)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as exc:
            raise _NotReached from exc
        except TimeoutError as exc:
            self._lost(exc)
        except aiohttp.ClientError as exc:
            if body.failure is not None:
                raise body.failure from exc
            if reads and not body.begun and self._response is None:
                raise _NotReached from exc
            self._lost(exc)
        finally:
            body.ended = True

    def _lost(self, exc: Exception) -> NoReturn:
        """The member was asked, and that was all."""
        if self._response is None:
            raise AnswerLost(self._server.node) from exc
        # The status is out already. A connection that breaks off is the only honest way left to say
        # that these are not all the bytes.
        if self._request.http.transport is not None:
            self._request.http.transport.abort()
        raise ConnectionAbortedError("the answer of a member broke off") from exc

    async def _relay(self, answer: aiohttp.ClientResponse, body: PassedBody) -> web.StreamResponse:
        http = self._request.http
        fields = list(_returned(answer, self._server.http, self._public_url.of(http)))
        if http.method == hdrs.METH_HEAD or answer.status in (204, 304):
            return _with(web.Response(status=answer.status, reason=answer.reason), fields)
        response = _with(web.StreamResponse(status=answer.status, reason=answer.reason), fields)
        response.headers.update(self._cors.fields(http))  # it is sent from here
        body.wait_for_client()
        await response.prepare(http)
        self._response = response
        body.wait_for_node()
        while piece := await answer.content.readany():
            body.wait_for_client()
            await response.write(piece)
            body.wait_for_node()
        await response.write_eof()
        return response


def _with(response: web.StreamResponse, fields: list[tuple[str, str]]) -> web.StreamResponse:
    response.headers.clear()
    for name, value in fields:
        response.headers.add(name, value)
    return response


def _owner(request: Request) -> NodeId | None:
    """The node that has the upload of the request, where it is about one."""
    if request.action not in SESSIONS:
        return None
    try:
        return UploadId.parse(request.variable).owner
    except UploadUnknown:
        return None


def _named(values: Sequence[str]) -> frozenset[str]:
    """The fields that `Connection` says are of that connection only."""
    return frozenset(name.strip().lower() for value in values for name in value.split(","))


def _returned(answer: aiohttp.ClientResponse, server: str, here: str) -> Iterator[tuple[str, str]]:
    """The fields of the answer of *server* as a client gets it that came to *here*."""
    dropped = _NOT_RETURNED | _named(answer.headers.getall(hdrs.CONNECTION, ()))
    for name, value in answer.headers.items():
        low = name.lower()
        if low in dropped or low.startswith(_OF_BROWSERS):
            continue
        if low == "location":
            value = _from_here(value, server)
        elif low == "www-authenticate" and here:
            # The member's own address may be out of the client's reach, and is another registry to
            # it: clients send no password there.
            value = value.replace(f'realm="http://{server}/', f'realm="{here}/')
        yield name, value


def _from_here(location: str, server: str) -> str:
    """
    A Location that leads the client here again: one at the *server*, which it may not reach, by its
    path alone. As most are.
    """
    parts = urlsplit(location)
    if parts.netloc != server:
        return location
    return parts._replace(scheme="", netloc="").geturl() or "/"
