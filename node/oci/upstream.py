"""What all have in common who pass requests on to other nodes: a session, a body on its way."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Final

import aiohttp
from yarl import URL

from node.errors import RegistryError
from node.http.body_reader import read_body, waits_for_invitation
from node.http.endpoint import Request

FORWARDED_BY: Final = "Atoll-Forwarded-By"
"""Header of a request that a node passed on to the owner of its upload, with that node's name. Such
a request goes no further: two nodes that disagree about an owner must not play ping-pong."""

PASSED_BY: Final = "Atoll-Passed-By"
"""Header of a request that a proxy passed on to a member, with the proxy's name. No proxy passes it
on again; a member may still forward it to the owner of its upload."""

ADDED_BY_CLIENT: Final = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
"""What our HTTP client would say of itself, where nobody said anything."""


def open_session(connect_timeout_s: float) -> aiohttp.ClientSession:
    """
    A session for requests that are passed on.

    Connections are not kept: one that waits in a pool may lead to a process that is gone, and a
    body cannot be sent a second time.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, force_close=True),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(sock_connect=connect_timeout_s),
        auto_decompress=False,
    )


def ask(
    session: aiohttp.ClientSession,
    request: Request,
    address: str,
    fields: Iterable[tuple[str, str]],
    body: "PassedBody",
    *,
    not_added: Sequence[str] = (),
) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
    """
    Send *request* as it came to the node at *address* (host:port), with *fields* for its header.
    Our HTTP client would add what is *not_added*.
    """
    http = request.http
    return session.request(
        http.method,
        URL(f"http://{address}{http.rel_url.raw_path_qs}", encoded=True),
        headers=list(fields),
        skip_auto_headers=not_added,
        data=body.pieces() if http.can_read_body else None,
        expect100=waits_for_invitation(http),
        allow_redirects=False,
    )


class PassedBody:
    """A client's body on its way to another node, and the patience with that node."""

    def __init__(self, request: Request, idle_s: float, silence_s: float) -> None:
        """
        Args:
            idle_s: how long the client may pause.
            silence_s: how long the other node may take and say nothing, where it is its turn.
        """
        self._request = request
        self._idle_s = idle_s
        self._silence_s = silence_s
        self._loop = asyncio.get_running_loop()
        self.patience = asyncio.timeout(silence_s)
        """Runs while the other node has something to do, not while the client has."""
        self.failure: RegistryError | None = None
        """What was wrong with the client's side; aiohttp reports it as a lost connection."""
        self.begun = False
        """Whether somebody has begun to read it: it cannot be had a second time."""
        self.ended = False
        """Whether the exchange is over: a node may answer before it has read everything."""

    async def pieces(self) -> AsyncIterator[bytes]:
        self.begun = True
        try:
            self.wait_for_client()
            async with aclosing(read_body(self._request, self._idle_s)) as pieces:
                async for piece in pieces:
                    self.wait_for_node()
                    yield piece
                    self.wait_for_client()
            self.wait_for_node()
        except RegistryError as exc:
            self.failure = exc
            raise

    def wait_for_client(self) -> None:
        """It is the client's turn."""
        if not self.ended and not self.patience.expired():
            self.patience.reschedule(None)

    def wait_for_node(self) -> None:
        """It is the other node's turn, from now on."""
        if not self.ended and not self.patience.expired():
            self.patience.reschedule(self._loop.time() + self._silence_s)
