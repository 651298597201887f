"""Talking to a registry byte by byte."""

import asyncio
import json
from contextlib import suppress
from typing import NamedTuple

from tests.api.conftest import Registry

ENDS_S = 30
"""When a test gives up; a healthy answer takes milliseconds."""


def head(method: str, path: str, *fields: str, version: str = "HTTP/1.1") -> bytes:
    return "\r\n".join([f"{method} {path} {version}", "Host: x", *fields, "", ""]).encode()


class Reply(NamedTuple):
    line: bytes
    fields: dict[bytes, bytes]
    body: bytes

    @property
    def status(self) -> int:
        return int(self.line.split()[1])

    @property
    def codes(self) -> list[str]:
        return [error["code"] for error in json.loads(self.body)["errors"]]


class Wire:
    """One connection to a registry."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def to(cls, registry: Registry, source: str = "127.0.0.1") -> "Wire":
        address = ("127.0.0.1", registry.port)
        return cls(*await asyncio.open_connection(*address, local_addr=(source, 0)))

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def start(self, data: bytes) -> None:
        """Send *data*, without waiting until it is on its way."""
        self._writer.write(data)

    async def shut(self) -> None:
        """Close the sending side."""
        self._writer.write_eof()

    async def invited(self) -> None:
        """Wait for `100 Continue`: the server has the head, what is sent now is another segment."""
        async with asyncio.timeout(ENDS_S):
            assert await self._reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"

    async def reply(self, *, has_body: bool = True) -> Reply:
        async with asyncio.timeout(ENDS_S):
            line, *rest = (await self._reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[:-2]
            fields = dict(field.lower().split(b": ", 1) for field in rest)
            empty = not has_body or line.split()[1] in (b"204", b"304")
            length = 0 if empty else int(fields[b"content-length"])
            return Reply(line, fields, await self._reader.readexactly(length))

    async def replies(self) -> list[Reply]:
        """Every answer until the server closes the connection."""
        answers = []
        with suppress(asyncio.IncompleteReadError):
            while True:
                answers.append(await self.reply())
        return answers

    async def rest(self) -> bytes:
        """What comes until the server closes the connection, or it breaks."""
        got = b""
        with suppress(ConnectionError):
            async with asyncio.timeout(ENDS_S):
                while piece := await self._reader.read(1 << 16):
                    got += piece
        return got

    async def close(self) -> None:
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()


async def exchange(registry: Registry, *segments: bytes, shut: bool = False) -> list[Reply]:
    """Send *segments* and return every answer; the server must close the connection."""
    wire = await Wire.to(registry)
    for segment in segments:
        await wire.send(segment)
    if shut:
        await wire.shut()
    answers = await wire.replies()
    await wire.close()
    return answers
