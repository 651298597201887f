"""
Requests for an upload session of another node, passed on to that node.

Behind a load balancer without sticky sessions, POST, PATCH and PUT of one upload reach different
nodes. The session's bytes are on one of them, its owner, which the upload id names. Everything
goes through as it comes, in both directions; nothing is stored here and nothing is sent twice.
"""

from dataclasses import dataclass
from types import TracebackType
from typing import Final, Protocol, Self

import aiohttp
from aiohttp import web

from cluster.model import NodeId
from cluster.ports import Log
from node.errors import TooManyUploads, UploadOwnerSilent, UploadUnknown
from node.http.endpoint import Request
from node.http.limits import FORWARDED, OWNER_ANSWER, OWNER_CONNECT, OWNER_SILENCE
from node.oci.upstream import FORWARDED_BY, PassedBody, ask, open_session
from node.registry.upload_ids import UploadId

_SENT: Final = frozenset(
    {"accept", "authorization", "content-length", "content-range", "content-type", "range"}
)
"""What an upload's handlers may look at. A list of what is passed on, not of what is kept back:
headers about one connection (RFC 9110 §7.6.1) and whatever a stranger makes up stay here. `Expect`
is asked of the owner anew: the client is told to go on when the owner has said so."""

_NOT_RETURNED: Final = frozenset({"connection", "content-length", "date", "transfer-encoding"})
"""Made anew for the body that was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardConfig:
    """Bounds on what is passed on: see each limit."""

    running_max: int = FORWARDED.number
    connect_timeout_s: float = OWNER_CONNECT.number
    silence_s: float = OWNER_SILENCE.number
    answer_max_bytes: int = OWNER_ANSWER.number


class Neighbours(Protocol):
    """The other nodes, as this part sees them."""

    def http_address(self, node: NodeId) -> str | None:
        """
        Where a member's registry API is, as `host:port`; None when there is no such member, or it
        is dead or has left: nobody can go on with its uploads now.
        """
        ...


class Forwarder:
    """Passes requests on to the owners of uploads. An async context manager; one per node."""

    def __init__(
        self,
        me: NodeId,
        neighbours: Neighbours,
        config: ForwardConfig,
        log: Log,
        *,
        body_idle_s: float,
    ) -> None:
        """*body_idle_s* is how long a client's body may pause, as for uploads of this node."""
        self.me = me
        self._neighbours = neighbours
        self._config = config
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

    async def forward(self, request: Request, upload: UploadId) -> web.Response:
        """
        Have the owner answer *request*.

        Raises:
            UploadUnknown: the owner is no member, is dead, has left, or cannot be reached. The
                client starts again.
            UploadOwnerSilent: it is there but does not answer. What it did is not known.
            TooManyUploads: too many requests are being passed on already.
            BodyIncomplete, BodyStalled: the client's body ended early, and so it did for the
                owner, which keeps what came of a PATCH.
        """
        address = self._neighbours.http_address(upload.owner)
        if address is None or FORWARDED_BY in request.http.headers:
            raise UploadUnknown(str(upload))
        if self._running >= self._config.running_max:
            raise TooManyUploads(self._config.running_max)
        self._running += 1
        try:
            return await self._exchange(request, upload, address)
        finally:
            self._running -= 1

    async def _exchange(self, request: Request, upload: UploadId, address: str) -> web.Response:
        assert self._session is not None, "used outside its context"
        body = PassedBody(request, self._body_idle_s, self._config.silence_s)
        try:
            asked = ask(self._session, request, address, self._headers(request), body)
            async with body.patience, asked as answer:
                return await self._returned(answer)
        except TimeoutError as exc:
            if not body.patience.expired():  # aiohttp's own: it could not connect
                raise self._gone(upload, exc) from exc
            raise UploadOwnerSilent(upload.owner) from exc
        except aiohttp.ClientError as exc:
            if body.failure is not None:
                raise body.failure from exc
            raise self._gone(upload, exc) from exc
        finally:
            body.ended = True

    def _gone(self, upload: UploadId, error: Exception) -> UploadUnknown:
        self._log.warning("the owner of an upload is gone", owner=upload.owner, reason=str(error))
        return UploadUnknown(str(upload))

    def _headers(self, request: Request) -> list[tuple[str, str]]:
        kept = [
            (name, value)
            for name, value in request.http.headers.items()
            if name.lower() in _SENT and value.isascii()
        ]
        return [*kept, (FORWARDED_BY, self.me), ("X-Request-Id", request.id)]

    async def _returned(self, answer: aiohttp.ClientResponse) -> web.Response:
        body = bytearray()
        while piece := await answer.content.readany():
            body += piece
            if len(body) > self._config.answer_max_bytes:
                raise aiohttp.ClientPayloadError("the answer is too large")
        response = web.Response(status=answer.status, body=bytes(body) or None)
        response.headers.clear()
        for name, value in answer.headers.items():
            if name.lower() not in _NOT_RETURNED:
                response.headers.add(name, value)
        return response
