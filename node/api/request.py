"""Reading requests: bodies within their bounds, query parameters, announced lengths."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, TypeVar
from urllib.parse import parse_qsl

import msgspec
from aiohttp import HttpVersion11, web
from aiohttp.http import HttpProcessingError
from aiohttp.web_protocol import RequestPayloadError

from node.api.bodies import Bodies, give_up_of
from node.api.documents import explain
from node.errors import (
    BodyIncomplete,
    BodyStalled,
    DocumentInvalid,
    DocumentTooLarge,
    ManifestTooLarge,
    QueryInvalid,
    SizeInvalid,
)
from node.registry.chunk import Chunk

_CONTENT_RANGE: Final = re.compile(
    r"(?:bytes[ =])?(\d{1,18})-(\d{1,18})(?:/(?:\d{1,18}|\*))?", re.ASCII
)
"""`<start>-<end>` as the distribution-spec has it; some clients write RFC 9110's form."""

D = TypeVar("D", bound=msgspec.Struct)

BODY_RATE_MIN: Final = 1024
"""Least bytes a second of a body, averaged over its longest pause. Less holds an upload, a place
and a connection for nothing; any link that can pull an image has more."""

MANIFEST_MAX_S: Final = 300.0
"""Longest time for a whole manifest: 14 KB/s for the largest. It is in memory for so long."""

BODY_MAX_S: Final = 24 * 3600.0
"""The same for a chunk of a blob: as long as an upload lives by default."""

_PARAMETERS_MAX: Final = 128
"""Query parameters in one request."""

_SECONDS: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


class Query:
    """The query string, decoded."""

    def __init__(self, raw: str) -> None:
        try:
            self._pairs = parse_qsl(
                # A bare plus is a plus (media types have them); no value here has a space.
                raw.replace("+", "%2B"),
                keep_blank_values=True,
                # What is no UTF-8 fits no grammar and is behind every name, as its bytes are.
                errors="replace",
                max_num_fields=_PARAMETERS_MAX,
            )
        except ValueError as exc:
            raise QueryInvalid("the query string is malformed") from exc

    def one(self, name: str) -> str | None:
        """
        The value of a parameter that may come once.

        Raises:
            QueryInvalid: it came twice: whoever looks at the other one sees another request.
        """
        values = self.all(name)
        if len(values) > 1:
            raise QueryInvalid(f"parameter {name!r} may be given once only")
        return values[0] if values else None

    def all(self, name: str) -> list[str]:
        return [value for key, value in self._pairs if key == name]

    def flag(self, name: str) -> bool:
        """
        The value of a parameter that is `true` or `false`; false without it.

        Raises:
            QueryInvalid: it is neither.
        """
        given = self.one(name)
        if given not in (None, "true", "false"):
            raise QueryInvalid(f"{name} must be true or false")
        return given == "true"

    def seconds(self, name: str, most: float) -> float | None:
        """
        The value of a parameter that is a time; None without it.

        Raises:
            QueryInvalid: it is no number from 0 to *most*.
        """
        given = self.one(name)
        if given is None:
            return None
        if _SECONDS.fullmatch(given) is None or float(given) > most:
            raise QueryInvalid(f"{name} must be 0 to {most:g} seconds")
        return float(given)


async def read_body(
    request: web.BaseRequest, timeout_s: float, most_s: float = BODY_MAX_S
) -> AsyncGenerator[bytes, None]:
    """
    The body as it arrives.

    The patience with a client is *timeout_s* at first and at most. Waiting for it takes from that,
    and each byte gives it 1 / `BODY_RATE_MIN` s back.

    Raises:
        BodyIncomplete: the connection ended, or the encoding broke, before the body did.
        BodyStalled: nothing came for *timeout_s* seconds, or too little; or it took *most_s*.
    """
    await _invite(request)
    content, loop = request.content, asyncio.get_running_loop()
    patience_s, ends_at = timeout_s, loop.time() + most_s
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
        if now > ends_at:
            raise BodyStalled(timeout_s)
        patience_s -= now - waits_since
        patience_s = min(timeout_s, patience_s + len(piece) / BODY_RATE_MIN)
        yield piece


async def read_manifest(
    request: web.BaseRequest, limit: int, timeout_s: float, bodies: Bodies
) -> bytes:
    """
    A whole body that has to fit into *limit* bytes; not one more is read.

    Raises:
        ManifestTooLarge, BodyIncomplete, BodyStalled, TooManyBodies: it could not be had.
    """
    if request.content_length is not None and request.content_length > limit:
        raise ManifestTooLarge(limit)
    with bodies.gather(request) as body:
        received = 0
        async with aclosing(read_body(request, timeout_s, MANIFEST_MAX_S)) as pieces:
            async for piece in pieces:
                received += len(piece)
                if received > limit:
                    raise ManifestTooLarge(limit)
                bodies.add(body, piece)
        return b"".join(body.pieces)


async def read_document(
    request: web.BaseRequest, document_type: type[D], limit: int, timeout_s: float
) -> D:
    """
    A JSON body of at most *limit* bytes.

    Raises:
        DocumentTooLarge, DocumentInvalid, BodyIncomplete, BodyStalled: it could not be had.
    """
    document = bytearray()
    async with aclosing(read_body(request, timeout_s, MANIFEST_MAX_S)) as pieces:
        async for piece in pieces:
            document += piece
            if len(document) > limit:
                raise DocumentTooLarge(limit)
    try:
        return msgspec.json.decode(document, type=document_type)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise DocumentInvalid(explain(exc, document_type)) from exc


def read_chunk(request: web.BaseRequest, timeout_s: float) -> Chunk:
    """
    The request's body as a chunk of an upload.

    Raises:
        SizeInvalid: Content-Range is malformed, or does not agree with Content-Length.
    """
    body = read_body(request, timeout_s)
    length = request.content_length
    field = request.headers.get("Content-Range")
    if field is None:
        if length is None and not request.body_exists:
            length = 0
        return Chunk(body, None, length, give_up_of(request))
    match = _CONTENT_RANGE.fullmatch(field.strip())
    if match is None:
        raise SizeInvalid("Content-Range must be <start>-<end>, both inclusive")
    start, end = int(match[1]), int(match[2])
    announced = end - start + 1
    if announced <= 0 or (length is not None and length != announced):
        raise SizeInvalid(f"Content-Range says {announced} bytes, Content-Length says {length}")
    return Chunk(body, start, announced, give_up_of(request))


def read_last_chunk(request: web.BaseRequest, timeout_s: float) -> Chunk:
    """
    The body of a closing PUT: none, or the last chunk.

    Without a body Content-Range is about nothing, whatever it says: some clients state what they
    have sent before. Whether that is all of the blob its digest tells.

    Raises:
        SizeInvalid: as `read_chunk`.
    """
    if request.content_length == 0 or not request.body_exists:
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
