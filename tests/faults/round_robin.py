"""
A load balancer without sticky sessions: each request goes to the next node that is ready.

One request per connection: the proxy adds `Connection: close` to the first request's head and
copies bytes from then on, so that a client's next request reaches another node and no body is
looked into. A node counts as ready while its `/readyz` says 200. Nothing is ever tried twice: a
node that dies under a request is the client's to see.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

_HEAD_BYTES_MAX: Final = 64 << 10
_PIECE_BYTES: Final = 64 << 10
_CONNECT_TIMEOUT_S: Final = 2.0
_HEALTH_INTERVAL_S: Final = 0.5
_HEALTH_TIMEOUT_S: Final = 1.0
_NO_NODE: Final = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class RoundRobin:
    """Chooses a node for each request and counts what each one got."""

    def __init__(
        self, backends: Sequence[str], tell: Callable[[bytes, str], None] | None = None
    ) -> None:
        """*backends* are `host:port`. *tell* gets each request's head and who is given it."""
        self._backends = list(backends)
        self._ready = set(backends)
        self._next = 0
        self._tell = tell
        self.served = dict.fromkeys(backends, 0)
        self.address = ""
        """Where the proxy listens, as `host:port`; set when it runs."""
        self._serving: set[asyncio.Task[None]] = set()
        self._closing = False

    def choose(self) -> str | None:
        """The next ready node; None when there is none."""
        for _ in self._backends:
            backend = self._backends[self._next % len(self._backends)]
            self._next += 1
            if backend in self._ready:
                return backend
        return None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one request on, and its answer back."""
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            # Whatever breaks is seen by the client as what it is: a connection that ended.
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                await self._exchange(reader, writer)
        except asyncio.CancelledError:
            # Nobody waits for this task but `close`, and Python 3.11's streams would complain.
            if not self._closing:
                raise
        finally:
            self._serving.discard(task)
            writer.close()

    async def close(self) -> None:
        """End the connections that clients keep open, or that nodes leave unanswered."""
        self._closing = True
        for task in (serving := list(self._serving)):
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        backend = self.choose()
        if backend is None:
            writer.write(_NO_NODE)
            await writer.drain()
            return
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                up_reader, up_writer = await _connect(backend)
        except (OSError, TimeoutError):
            self._ready.discard(backend)
            writer.write(_NO_NODE)
            await writer.drain()
            return
        self.served[backend] += 1
        if self._tell is not None:
            self._tell(head, backend)
        sending = asyncio.create_task(_send(last_request(head), reader, up_writer))
        try:
            await _copy(up_reader, writer)
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await sending
            up_writer.close()

    async def watch(self) -> None:
        """Ask every node for its health, for ever."""
        while True:
            answers = await asyncio.gather(*map(_is_ready, self._backends))
            self._ready = {
                backend for backend, ready in zip(self._backends, answers, strict=True) if ready
            }
            await asyncio.sleep(_HEALTH_INTERVAL_S)


def last_request(head: bytes) -> bytes:
    """*head* with `Connection: close` in place of whatever it says of the connection."""
    first, *fields = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    kept = [field for field in fields if not field.lower().startswith(b"connection:")]
    return b"\r\n".join([first, *kept, b"Connection: close", b"", b""])


@asynccontextmanager
async def round_robin(
    backends: Sequence[str],
    host: str = "127.0.0.1",
    tell: Callable[[bytes, str], None] | None = None,
) -> AsyncIterator[RoundRobin]:
    """Run a proxy over *backends* on a free port of *host*; *tell* as for `RoundRobin`."""
    proxy = RoundRobin(backends, tell)
    server = await asyncio.start_server(proxy.serve, host, 0, limit=_HEAD_BYTES_MAX)
    proxy.address = f"{host}:{server.sockets[0].getsockname()[1]}"
    watching = asyncio.create_task(proxy.watch())
    try:
        async with server:
            yield proxy
    finally:
        await proxy.close()
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


async def _connect(backend: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = backend.rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def _send(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(head)
    # An end on the client's side is not passed on as one: it may only have closed its half.
    while piece := await reader.read(_PIECE_BYTES):
        writer.write(piece)
        await writer.drain()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(_PIECE_BYTES):
        writer.write(piece)
        await writer.drain()


async def _is_ready(backend: str) -> bool:
    try:
        async with asyncio.timeout(_HEALTH_TIMEOUT_S):
            reader, writer = await _connect(backend)
            try:
                writer.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
