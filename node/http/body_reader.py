"""Reading bodies: within their bounds of time and size, and as long as they were announced."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, TypeVar

import msgspec
from aiohttp import HttpVersion11, web
from aiohttp.http import HttpProcessingError
from aiohttp.web_protocol import RequestPayloadError

from node.errors import (
    BodyIncomplete,
    BodyStalled,
    DocumentInvalid,
    DocumentTooLarge,
    ManifestTooLarge,
    SizeInvalid,
)
from node.http.bodies import Bodies, give_up_of
from node.http.documents import explain
from node.http.endpoint import Request
from node.http.limits import BODY_RATE, ApiLimits
from node.registry.chunk import Chunk

_CONTENT_RANGE: Final = re.compile(
    r"(?:bytes[ =])?(\d{1,18})-(\d{1,18})(?:/(?:\d{1,18}|\*))?", re.ASCII
)
"""`<start>-<end>` as the distribution-spec has it; some clients write RFC 9110's form."""

D = TypeVar("D", bound=msgspec.Struct)


async def read_body(request: Request, timeout_s: float) -> AsyncGenerator[bytes, None]:
    """
    The body as it arrives, until its deadline.

    The patience with a client is *timeout_s* at first and at most. Waiting for it takes from that,
    and each byte gives it its share of `BODY_RATE` back.

    Raises:
        BodyIncomplete: the connection ended, or the encoding broke, before the body did.
        BodyStalled: nothing came for *timeout_s* seconds, or too little; or not all of it in time.
    """
    await _invite(request.http)
    content, loop = request.http.content, asyncio.get_running_loop()
    patience_s, deadline = timeout_s, request.body_deadline
    while True:
        waits_since = loop.time()
        try:
            async with asyncio.timeout(patience_s):
                piece = await content.readany()
        except TimeoutError as exc:
            raise BodyStalled(timeout_s) from exc
        except (ConnectionError, RequestPayloadError, HttpProcessingError) as exc:
            raise BodyIncomplete from exc
        if not piece:
            return
        now = loop.time()
        if deadline is not None and now > deadline:
            raise BodyStalled(timeout_s)
        patience_s -= now - waits_since
        patience_s = min(timeout_s, patience_s + len(piece) / BODY_RATE.number)
        yield piece


async def read_manifest(request: Request, limit: int, timeout_s: float, bodies: Bodies) -> bytes:
    """
    A whole body that has to fit into *limit* bytes; not one more is read.

    Raises:
        ManifestTooLarge, BodyIncomplete, BodyStalled, TooManyBodies: it could not be had.
    """
    length = request.http.content_length
    if length is not None and length > limit:
        raise ManifestTooLarge(limit)
    with bodies.gather(request.http) as body:
        received = 0
        async with aclosing(read_body(request, timeout_s)) as pieces:
            async for piece in pieces:
                received += len(piece)
                if received > limit:
                    raise ManifestTooLarge(limit)
                bodies.add(body, piece)
        return b"".join(body.pieces)


async def read_small(request: Request, limits: ApiLimits) -> bytearray:
    """
    A body that is a document or a form.

    Raises:
        DocumentTooLarge, BodyIncomplete, BodyStalled: it could not be had.
    """
    document = bytearray()
    async with aclosing(read_body(request, limits.body_idle_s)) as pieces:
        async for piece in pieces:
            document += piece
            if len(document) > limits.document_bytes:
                raise DocumentTooLarge(limits.document_bytes)
    return document


async def read_document(request: Request, document_type: type[D], limits: ApiLimits) -> D:
    """
    A JSON body.

    Raises:
        DocumentTooLarge, DocumentInvalid, BodyIncomplete, BodyStalled: it could not be had.
    """
    document = await read_small(request, limits)
    try:
        return msgspec.json.decode(document, type=document_type)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise DocumentInvalid(explain(exc, document_type)) from exc


def read_chunk(request: Request, timeout_s: float) -> Chunk:
    """
    The request's body as a chunk of an upload.

    Raises:
        SizeInvalid: Content-Range is malformed, or does not agree with Content-Length.
    """
    http = request.http
    body, length = read_body(request, timeout_s), http.content_length
    field = http.headers.get("Content-Range")
    if field is None:
        if length is None and not http.body_exists:
            length = 0
        return Chunk(body, None, length, give_up_of(http))
    match = _CONTENT_RANGE.fullmatch(field.strip())
    if match is None:
        raise SizeInvalid("Content-Range must be <start>-<end>, both inclusive")
    start, end = int(match[1]), int(match[2])
    announced = end - start + 1
    if announced <= 0 or (length is not None and length != announced):
        raise SizeInvalid(f"Content-Range says {announced} bytes, Content-Length says {length}")
    return Chunk(body, start, announced, give_up_of(http))


def read_last_chunk(request: Request, timeout_s: float) -> Chunk:
    """
    The body of a closing PUT: none, or the last chunk.

    Without a body Content-Range is about nothing, whatever it says: some clients state what they
    have sent before. Whether that is all of the blob its digest tells.

    Raises:
        SizeInvalid: as `read_chunk`.
    """
    if request.http.content_length == 0 or not request.http.body_exists:
        return Chunk(read_body(request, timeout_s), None, 0)
    return read_chunk(request, timeout_s)


def waits_for_invitation(request: web.BaseRequest) -> bool:
    """Whether the client sends its body only when it is told to go on."""
    expect = request.headers.get("Expect", "")
    return expect.lower() == "100-continue" and request.version >= HttpVersion11


async def _invite(request: web.BaseRequest) -> None:
    """Answer `Expect: 100-continue`: only now, when the body is really wanted."""
    if waits_for_invitation(request):
        transport = request.transport
        if transport is not None:
            transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
