"""One connection of somebody who does not care for the rules, over a bare socket."""

import asyncio
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

ANSWER_S: Final = 30.0
"""Longest wait for an answer. No node may keep anybody waiting for so long without a word."""

CLOSED: Final = 0
"""In place of a status: the node closed the connection without an answer."""

SILENT: Final = -1
"""Neither an answer nor an end came."""

_HEAD_BYTES_MAX: Final = 64 << 10


@dataclass(frozen=True, kw_only=True)
class Target:
    """What the strangers find: a node, and content that anybody may pull."""

    address: str
    repository: str
    tag: str
    manifest: bytes
    media_type: str
    blob: str
    """The digest of a blob of some MiB."""


class Stranger:
    """A connection to *target*, from a loopback address of the strangers' own."""

    def __init__(
        self,
        target: Target,
        rng: random.Random,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.target = target
        self.rng = rng
        self._reader = reader
        self._writer = writer
        self._bodiless = False

    async def send(self, data: bytes) -> None:
        """Send all of *data*, or as much as the node takes before it closes."""
        with suppress(ConnectionError, TimeoutError):
            self._writer.write(data)
            async with asyncio.timeout(ANSWER_S):
                await self._writer.drain()

    async def ask(
        self, method: str, path: str, *headers: str, body: bytes = b"", length: int | None = None
    ) -> None:
        """Send a request; *length* is what it says of its body, which may be a lie."""
        self._bodiless = method == "HEAD"
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.target.address}", *headers]
        if length is not None or body:
            lines.append(f"Content-Length: {len(body) if length is None else length}")
        await self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    async def status(self) -> int:
        """The status of the next answer, whose body is read away; `CLOSED` or `SILENT`."""
        status, _ = await self.answer()
        return status

    async def answer(self) -> tuple[int, dict[str, str]]:
        """The next answer: its status and its headers, by lower-case name."""
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._answer()
        except TimeoutError:
            return SILENT, {}
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return CLOSED, {}

    async def _answer(self) -> tuple[int, dict[str, str]]:
        while True:
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            pairs = (line.partition(":") for line in head[1:])
            headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
            status = int(head[0].split(" ")[1])
            if status != 100:
                break
        left = 0 if self._bodiless else int(headers.get("content-length", "0"))
        while left > 0 and (data := await self._reader.read(min(left, 1 << 20))):
            left -= len(data)
        return status, headers

    async def drip(self, data: bytes, pause_s: float, times: int) -> None:
        """Send *data* again and again, with a pause behind each."""
        for _ in range(times):
            if self._writer.is_closing() or self._reader.at_eof():
                return
            await self.send(data)
            await asyncio.sleep(pause_s)

    async def hold(self, seconds: float) -> None:
        """Keep the connection without a word, at the most until the node closes it."""
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(seconds):
                while await self._reader.read(1 << 16):
                    pass

    async def ignore(self, seconds: float) -> None:
        """Keep the connection and read nothing."""
        transport = self._writer.transport
        assert isinstance(transport, asyncio.ReadTransport)
        transport.pause_reading()
        await asyncio.sleep(seconds)

    def end_sending(self) -> None:
        """Half-close: nothing more will come from here."""
        with suppress(OSError):
            self._writer.write_eof()

    def reset(self) -> None:
        """Break the connection off: the node sees a reset, not an end."""
        sock = self._writer.get_extra_info("socket")
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def close(self) -> None:
        self._writer.transport.abort()


@asynccontextmanager
async def connected(
    target: Target, rng: random.Random, source: str
) -> AsyncIterator[Stranger | None]:
    """A connection from the address *source*; None where the node does not take it."""
    host, _, port = target.address.partition(":")
    try:
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_connection(
                host, int(port), local_addr=(source, 0), limit=_HEAD_BYTES_MAX
            )
    except (OSError, TimeoutError):
        yield None
        return
    stranger = Stranger(target, rng, reader, writer)
    try:
        yield stranger
    finally:
        stranger.close()
