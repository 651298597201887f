"""
Sending files over real sockets, on the default event loop and on uvloop.

The client is a bare stream, so that a test decides when bytes are read and when the line is cut.
"""

import asyncio
import errno
import hashlib
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Future
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
import uvloop
from aiohttp import web

from node.http import sendfile, transmission
from node.http.filesource import SourceFailed
from node.http.limits import STALL
from node.http.ranges import Part
from node.http.sendfile import INLINE_MAX_BYTES, send_file
from node.http.transmission import LOOKS, SENDER_THREADS

BIG = 24 * 1024 * 1024
"""More than both socket buffers hold, so that a client which does not read blocks the sender."""


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request):
    """
    Runs one scenario on the loop under test.

    The deadline turns a hang into a failure: uvloop swallows what a signal handler raises, so
    the test runner's own timeout cannot end a scenario there.
    """

    async def bounded(scenario: Coroutine[None, None, object]) -> object:
        async with asyncio.timeout(60):
            return await scenario

    with asyncio.Runner(loop_factory=request.param) as runner:
        yield lambda scenario: runner.run(bounded(scenario))


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    """A file in which no two 64 KiB blocks are alike."""
    file = tmp_path_factory.mktemp("sendfile") / "blob"
    blocks = (hashlib.sha256(b"%d" % n).digest() * 2048 for n in range(BIG // 65536))
    file.write_bytes(b"".join(blocks))
    return file


@pytest.fixture
def fd(path):
    descriptor = os.open(path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


TAIL = b"\r\nthat was all"


def parts_of(numbers: list[int]) -> list[Part]:
    """(offset, count, offset, count, ...) as parts; several have something before each."""
    pairs = list(zip(numbers[::2], numbers[1::2], strict=True))
    if len(pairs) == 1:
        return [Part(b"", *pairs[0])]
    return [Part(b"\r\npart %d\r\n" % offset, offset, count) for offset, count in pairs]


class Server(NamedTuple):
    port: int
    outcomes: "asyncio.Queue[BaseException | None]"
    stop: Callable[[], Coroutine[None, None, None]]


@asynccontextmanager
async def serving(fd: int) -> AsyncIterator[Server]:
    """
    A server that answers `/OFFSET/COUNT` with that range of *fd*, `/OFFSET/COUNT/OFFSET/COUNT/...`
    with several in one answer, and records how it went.
    """
    outcomes: asyncio.Queue[BaseException | None] = asyncio.Queue()

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        numbers = [int(number) for number in request.path.split("/")[1:]]
        parts = parts_of(numbers)
        tail = TAIL if len(parts) > 1 else b""
        response = web.StreamResponse()
        lengths = (len(part.head) + part.length for part in parts)
        response.content_length = sum(lengths) + len(tail)
        try:
            await send_file(request, response, fd, parts, tail)
        except BaseException as exc:
            outcomes.put_nowait(exc)
            if isinstance(exc, ConnectionError):
                return response
            raise
        outcomes.put_nowait(None)
        return response

    runner = web.ServerRunner(
        web.Server(handle, access_log=None, max_line_size=64 << 10), shutdown_timeout=0.01
    )  # 0 would be "for ever"
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield Server(site.port, outcomes, runner.cleanup)
    finally:
        await runner.cleanup()


class Client:
    """One connection that reads only when told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    @asynccontextmanager
    async def connected(cls, port: int) -> AsyncIterator["Client"]:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 128 * 1024)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        # A small limit keeps the stream from reading ahead on its own.
        reader, writer = await asyncio.open_connection(sock=sock, limit=16 * 1024)
        try:
            yield cls(reader, writer)
        finally:
            writer.transport.abort()

    def ask(self, *numbers: int) -> None:
        path = "/".join(map(str, numbers))
        self._writer.write(f"GET /{path} HTTP/1.1\r\nHost: test\r\n\r\n".encode())

    async def head(self) -> tuple[int, int]:
        """Read the status and the content length of the next answer."""
        lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines[1:] if line)
        return int(lines[0].split()[1]), int(fields["content-length"])

    async def body(self, count: int) -> bytes:
        return await self._reader.readexactly(count)

    async def get(self, *numbers: int) -> bytes:
        self.ask(*numbers)
        return await self.answer()

    async def answer(self) -> bytes:
        status, length = await self.head()
        assert status == 200
        return await self.body(length)

    def cut(self) -> None:
        self._writer.transport.abort()


def descriptor_count() -> int:
    return len(os.listdir("/proc/self/fd"))


def refusing_nowait(fd: int, buffers: list[bytearray], offset: int, flags: int = 0) -> int:
    """As `os.preadv` of a file of which nothing is cached."""
    if flags & os.RWF_NOWAIT:
        raise BlockingIOError(errno.EAGAIN, "not cached")
    return PREADV(fd, buffers, offset, flags)


PREADV = os.preadv


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "through the framework"])
@pytest.mark.parametrize(
    ("offset", "count"),
    [
        (0, 0),
        (5, 1),
        (0, INLINE_MAX_BYTES),
        (3, INLINE_MAX_BYTES + 1),
        (100_001, 3_000_000),
        (BIG - 1_000_000, 1_000_000),
        (BIG - 10, 10),
        (0, BIG),
    ],
)
def test_sends_exactly_the_range(run, fd, path, monkeypatch, offset, count, encrypted):
    """Broken: pulls deliver other bytes than the blob's."""
    monkeypatch.setattr(sendfile, "_is_encrypted", lambda _: encrypted)

    async def scenario() -> None:
        async with serving(fd) as server, Client.connected(server.port) as client:
            got = await client.get(offset, count)
            assert got == path.read_bytes()[offset : offset + count]
            assert await server.outcomes.get() is None

    run(scenario())


def test_the_connection_stays_usable(run, fd, path):
    """Broken: each blob costs a client a new connection, or answers run into each other."""
    ranges = [(0, 2_000_000), (7, 100), (1, BIG - 1), (0, 0), (9, INLINE_MAX_BYTES + 9), (4, 4)]

    async def scenario() -> None:
        data = path.read_bytes()
        async with serving(fd) as server, Client.connected(server.port) as client:
            for offset, count in ranges:
                assert await client.get(offset, count) == data[offset : offset + count]
            for offset, count in ranges:
                client.ask(offset, count)
            for offset, count in ranges:
                assert await client.answer() == data[offset : offset + count]

    run(scenario())


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "through the framework"])
@pytest.mark.parametrize(
    "numbers",
    [
        [5, 1, 90, 2],
        [7, 100, 0, INLINE_MAX_BYTES + 1, 9, 9],
        [0, 2_000_000, 3_000_000, 1_000_000],
        [number * 300_000 + 1 for number in range(16) for _ in "ab"],
        [number for offset in range(0, 3_000_000, 3000) for number in (offset, 1 + offset % 7)],
        [number for offset in range(0, BIG - 200_000, 250_000) for number in (offset, 200_000)],
    ],
    ids=["small", "mixed", "large", "growing", "a thousand", "more than one write takes"],
)
def test_several_ranges_make_one_answer(run, fd, path, monkeypatch, numbers, encrypted):
    """Broken: parts of a lazy pull run into each other, or the next answer begins in them."""
    monkeypatch.setattr(sendfile, "_is_encrypted", lambda _: encrypted)

    async def scenario() -> None:
        data = path.read_bytes()
        parts = parts_of(numbers)
        wanted = b"".join(head + data[at : at + count] for head, at, count in parts) + TAIL
        async with serving(fd) as server, Client.connected(server.port) as client:
            for _ in range(2):
                assert await client.get(*numbers) == wanted
                assert await server.outcomes.get() is None

    run(scenario())


def test_slow_clients_hold_no_thread(run, fd, path):
    """Broken: a handful of clients that do not read stop all other downloads."""

    async def scenario() -> None:
        data = path.read_bytes()
        async with serving(fd) as server, AsyncExitStack() as clients:
            slow = [
                await clients.enter_async_context(Client.connected(server.port))
                for _ in range(3 * SENDER_THREADS)
            ]
            for client in slow:
                client.ask(0, BIG)
                await client.head()
            async with Client.connected(server.port) as quick:
                assert await quick.get(0, BIG) == data
            assert await server.outcomes.get() is None
            assert server.outcomes.empty(), "the slow ones are still being served"
            for client in slow:
                assert await client.body(BIG) == data

    run(scenario())


@pytest.mark.parametrize("read_first", [0, 1_000_000])
def test_a_client_that_hangs_up_leaves_nothing_behind(run, fd, read_first):
    """Broken: every aborted pull leaks descriptors until the node can open no more files."""

    async def scenario() -> None:
        async with serving(fd) as server:
            async with Client.connected(server.port) as client:
                await client.get(0, 10)
                await server.outcomes.get()
            before = None
            for _ in range(5):
                async with Client.connected(server.port) as client:
                    client.ask(0, BIG)
                    await client.head()
                    await client.body(read_first)
                    client.cut()
                    assert isinstance(await server.outcomes.get(), ConnectionResetError)
                await until_quiet()
                before = before or descriptor_count()
            assert descriptor_count() <= before

    run(scenario())


def test_a_client_that_takes_nothing_is_dropped(run, fd, monkeypatch):
    """Broken: dead peers behind a firewall keep their transfers for ever."""
    monkeypatch.setattr(transmission, "STALL", replace(STALL, number=0.05))

    async def scenario() -> None:
        async with serving(fd) as server, Client.connected(server.port) as client:
            client.ask(0, BIG)
            await client.head()
            assert isinstance(await server.outcomes.get(), ConnectionResetError)
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await client.body(BIG)

    run(scenario())


@pytest.mark.parametrize(
    ("queued", "dropped"),
    [
        ([100, 90, 80], False),
        ([100, *[90] * LOOKS, 80], False),
        ([100, *[100] * LOOKS], True),
        ([100, *[90] * (LOOKS + 1)], True),
    ],
)
def test_a_client_that_takes_a_little_is_kept(run, fd, monkeypatch, queued, dropped):
    """
    Broken: clients on thin lines lose their download after a minute; or one that takes nothing,
    once its kernel has all it can hold, is kept for two.
    """
    readings = iter(queued)
    ready = iter([*[False] * (len(queued) - 1), True])

    async def becomes_writable(*_: object) -> bool:
        return next(ready)

    monkeypatch.setattr(transmission.Transmission, "_queued_bytes", lambda _: next(readings))
    monkeypatch.setattr(transmission.Transmission, "_becomes_writable", becomes_writable)

    async def scenario() -> bool:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            sending = transmission.Transmission(ours, fd, 0, 10)
            try:
                await sending.wait_writable()
            except ConnectionResetError:
                return True
            finally:
                no_turn: Future[object] = Future()
                no_turn.cancel()
                sending.stop(no_turn)
        return False

    assert run(scenario()) is dropped


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "through the framework"])
def test_a_file_that_ends_early_breaks_the_connection(run, tmp_path, monkeypatch, encrypted):
    """Broken: a truncated blob looks like a complete answer, or the next answer fills it up."""
    monkeypatch.setattr(sendfile, "_is_encrypted", lambda _: encrypted)
    short = tmp_path / "short"
    short.write_bytes(b"x" * 2_000_000)

    async def scenario() -> None:
        with open(short, "rb") as file:
            async with serving(file.fileno()) as server, Client.connected(server.port) as client:
                client.ask(0, 2_000_001)
                assert await client.head() == (200, 2_000_001)
                with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                    await client.body(2_000_001)
                await check_io_error(server)

    run(scenario())


async def check_io_error(server: Server) -> None:
    outcome = await server.outcomes.get()
    assert isinstance(outcome, SourceFailed)


@pytest.mark.parametrize("count", [1001, 1000])
def test_a_small_range_that_cannot_be_read_is_an_error_response(run, tmp_path, monkeypatch, count):
    """Broken: P9, an IO error of a small blob is a broken or empty 200."""
    short = tmp_path / "short"
    short.write_bytes(b"x" * 1000)

    def broken(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    if count == 1000:
        monkeypatch.setattr(os, "preadv", broken)

    async def scenario() -> None:
        with open(short, "rb") as file:
            async with serving(file.fileno()) as server, Client.connected(server.port) as client:
                client.ask(0, count)
                status, _ = await client.head()
                assert status == 500
                await check_io_error(server)

    run(scenario())


def test_uncached_ranges_are_read_in_a_thread(run, fd, path, monkeypatch):
    """Broken: a blob that is not in the page cache fails, or blocks the event loop."""
    monkeypatch.setattr(os, "preadv", refusing_nowait)

    async def scenario() -> None:
        async with serving(fd) as server, Client.connected(server.port) as client:
            assert await client.get(11, 5000) == path.read_bytes()[11:5011]

    run(scenario())


def test_a_cancelled_request_closes_its_descriptors(run, fd):
    """Broken: a shutdown in the middle of a download hangs or leaks."""

    async def scenario() -> None:
        async with serving(fd) as server, Client.connected(server.port) as client:
            client.ask(0, BIG)
            await client.head()
            copies = file_copies(fd)
            assert copies == 2
            await server.stop()
            assert isinstance(await server.outcomes.get(), asyncio.CancelledError)
            await until_quiet()
            assert file_copies(fd) == 1
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await client.body(BIG)

    run(scenario())


def file_copies(fd: int) -> int:
    """How many descriptors of this process refer to the same file as *fd*."""
    wanted = os.fstat(fd)
    found = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            found += os.path.samestat(os.fstat(int(name)), wanted)
        except OSError:
            continue
    return found


async def until_quiet() -> None:
    """Let the sender threads end their turns and the loop close what it has to."""
    # Each thread has to come here, also the one that is still in its turn.
    together = threading.Barrier(SENDER_THREADS)
    arriving = [transmission._THREADS.submit(together.wait, 30) for _ in range(SENDER_THREADS)]
    await asyncio.gather(*(asyncio.wrap_future(arrival) for arrival in arriving))
    for _ in range(5):
        await asyncio.sleep(0)
