"""
Send ranges of a file as an HTTP response body, faster than the framework does.

Small ranges are read (`filesource`) and written by the event loop. The bytes of a large one never
pass through it: threads bring them to the connection's socket (`transmission`).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from aiohttp.abc import AbstractStreamWriter
from aiohttp.web import BaseRequest, StreamResponse

from node.http.filesource import OTHER_BYTES, SourceFailed, read
from node.http.limits import STALL
from node.http.ranges import Part
from node.http.transmission import CHUNK_BYTES, transmit
from node.registry.ports import ContentCheck

INLINE_MAX_BYTES: Final = 256 * 1024
"""Up to here a range is read and written by the event loop itself. Higher saves the hop to a
thread for more requests, and holds the loop longer for each of them."""


async def send_file(
    request: BaseRequest,
    response: StreamResponse,
    fd: int,
    parts: Sequence[Part],
    tail: bytes = b"",
    check: ContentCheck | None = None,
    on_failed: Callable[[OSError | str], Awaitable[None]] | None = None,
) -> None:
    """
    Answer *request* with *response* and *parts* of the file *fd*, with *tail* behind them.

    *check* is for one part that is the whole content. What it judges to be wrong is never sent to
    its end: small content not at all, of large content the last bytes stay here.

    Prepares *response*, which has its content length and is not compressed, and finishes it, so
    that the connection is ready for its next request. *fd* stays open and its position is not used;
    the caller may close it as soon as this returns or raises.

    Raises:
        ConnectionResetError: the client went away, or took nothing for `STALL`.
        SourceFailed: the file cannot be read or is shorter than promised, or its bytes are wrong.
            *on_failed* has been awaited then. When part of the answer is out already (*response*
            is prepared), the connection has been aborted after that: the client sees it broken,
            not short, and what it met is in order when it comes again.
    """
    try:
        waiting = await _begin(fd, parts[0], check)
    except SourceFailed as exc:
        if on_failed is not None:
            await on_failed(exc.error)
        raise
    transport = _transport(request)
    writer = await _prepare(request, response)
    try:
        for number, part in enumerate(parts):
            if not _is_small(part):
                await _write(response, waiting + part.head)
                await _send_large(response, writer, transport, fd, part, check)
                waiting = bytearray()
                continue
            if len(waiting) >= INLINE_MAX_BYTES and number:
                await _write(response, waiting)
                waiting = bytearray()
                await asyncio.sleep(0)  # A quick client takes all of it: let others have a turn.
            if number:
                waiting += await _load(fd, part)
        await _write(response, waiting + tail if tail else waiting)
    except BaseException as exc:
        try:
            if isinstance(exc, SourceFailed) and on_failed is not None:
                await on_failed(exc.error)
        finally:
            # Half an answer is out: only a broken connection tells the client so (RFC 9112 §8).
            transport.abort()
        raise
    await response.write_eof()


async def _begin(fd: int, part: Part, check: ContentCheck | None) -> bytearray:
    """
    Read what is needed before the headers are out: a failure can still become an error response
    (P9). Returns what to send first.
    """
    if not _is_small(part):
        await read(fd, part.offset, 1)
        return bytearray()
    data = await _load(fd, part)
    if check is not None and not check.completes(data):
        raise SourceFailed(OTHER_BYTES)
    return data


async def _send_large(
    response: StreamResponse,
    writer: AbstractStreamWriter,
    transport: asyncio.Transport,
    fd: int,
    part: Part,
    check: ContentCheck | None,
) -> None:
    if _is_encrypted(transport):
        await _write_through(response, fd, part.offset, part.length, check)
    else:
        await _flush(writer, transport)
        await transmit(transport, fd, part.offset, part.length, check)
        writer.output_size += part.length


async def _write_through(
    response: StreamResponse, fd: int, offset: int, count: int, check: ContentCheck | None
) -> None:
    """Send by way of the framework: the connection is encrypted, the bytes must pass through."""
    end = offset + count
    while offset < end:
        data = await read(fd, offset, min(CHUNK_BYTES, end - offset))
        if check is not None:
            if offset + len(data) < end:
                check.update(data)
            elif not check.completes(data):
                raise SourceFailed(OTHER_BYTES)
        await _write(response, data)
        offset += len(data)


def _is_small(part: Part) -> bool:
    return part.length <= INLINE_MAX_BYTES


async def _load(fd: int, part: Part) -> bytearray:
    data = await read(fd, part.offset, part.length)
    return bytearray(part.head) + data if part.head else data


async def _write(response: StreamResponse, data: bytearray) -> None:
    if data:
        async with _stall_timeout():
            await response.write(data)


async def _prepare(request: BaseRequest, response: StreamResponse) -> AbstractStreamWriter:
    writer = await response.prepare(request)
    assert writer is not None, "the response has been used before"
    assert not response.compression, "a compressed response cannot be sent from a file"
    return writer


async def _flush(writer: AbstractStreamWriter, transport: asyncio.Transport) -> None:
    """Return when the kernel has all earlier output of this connection, headers included."""
    # With both limits at zero the framework's `drain` waits until nothing is left.
    transport.set_write_buffer_limits(high=0)
    try:
        writer.send_headers()
        async with _stall_timeout():
            await writer.drain()
    finally:
        transport.set_write_buffer_limits()
    if transport.is_closing():
        raise ConnectionResetError("the client went away")


@asynccontextmanager
async def _stall_timeout() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(STALL.number):
            yield
    except TimeoutError as exc:
        raise ConnectionResetError("the client does not read") from exc


def _is_encrypted(transport: asyncio.Transport) -> bool:
    return transport.get_extra_info("sslcontext") is not None


def _transport(request: BaseRequest) -> asyncio.Transport:
    if request.transport is None:
        raise ConnectionResetError("the client went away")
    return request.transport
