"""Blob endpoints: end-2 and end-10 of the distribution-spec."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Final

from aiohttp import hdrs, web

from cluster.errors import BlobUnavailable, StorageFailure
from cluster.model import Digest
from cluster.ports import BlobReader
from node.errors import BlobNotFound, DigestInvalid, RangeNotSatisfiable
from node.http import filesource, headers, ranges
from node.http.answers import empty_answer
from node.http.endpoint import READING, READS, WRITING, Action, Answer, Endpoint, Request
from node.http.filesource import OTHER_BYTES, SourceFailed
from node.http.limits import RANGES, REMEMBERED_ANSWER
from node.http.ranges import Selection
from node.http.sendfile import send_file
from node.oci.context import OciContext
from node.registry.names import parse_digest
from node.registry.ports import FileBacked, RemoteBlob

_READ_BYTES: Final = 1 << 20
"""Bytes per step where sendfile cannot be used."""


async def read(context: OciContext, request: Request) -> web.StreamResponse:
    """GET and HEAD of a blob, whole or in byte ranges."""
    digest, http = parse_digest(request.variable), request.http
    # Clients ask so before they upload: for each layer that is new, most often nobody has it.
    asks = http.method == "HEAD"
    size = await context.registry.pull.blob_size(request.repository, digest, near=asks)
    fields = headers.content(digest, "application/octet-stream", immutable=True)
    fields["Accept-Ranges"] = "bytes"
    # It is sent from here, not by who called.
    fields.update({**context.cors.fields(http), **headers.consistency()})
    if headers.matches_etag(http.headers.get(hdrs.IF_NONE_MATCH), digest):
        return web.Response(status=304, headers=fields)
    if http.method == "HEAD":
        fields["Content-Length"] = str(size)
        return web.Response(headers=fields)
    selection = ranges.select(_range_field(http, digest), size)
    fields.update(selection.fields)
    fields["Content-Length"] = str(selection.length)
    response = web.StreamResponse(status=selection.status, headers=fields)
    whole = _is_whole(selection, size)
    in_memory = request.is_to_be_kept and whole and size <= REMEMBERED_ANSWER.number
    try:
        async with context.registry.pull.open_blob(digest, size, whole=whole) as blob:
            if in_memory and isinstance(blob, FileBacked):
                return web.Response(body=await _verified(blob, digest, size), headers=fields)
            await _send(http, response, blob, selection)
    except SourceFailed as exc:
        if response.prepared:
            raise ConnectionAbortedError("the blob's file failed") from exc
        # Nothing is out yet, and the file that failed is out of service: a peer may have it.
        async with context.registry.pull.open_blob(digest, size, whole=whole) as blob:
            await _send(http, response, blob, selection)
    return response


async def delete(context: OciContext, request: Request) -> web.Response:
    """DELETE of a blob from a repository."""
    digest = parse_digest(request.variable)
    receipt = await context.registry.repository_blobs.delete(request.repository, digest)
    return empty_answer(202, headers.receipt(receipt))


def location(repository: str, digest: Digest) -> str:
    """Where a blob can be pulled from."""
    return f"/v2/{repository}/blobs/{digest}"


def _range_field(request: web.BaseRequest, digest: Digest) -> str | None:
    """The Range field, unless If-Range names other content (RFC 9110 §13.1.5)."""
    condition = request.headers.get(hdrs.IF_RANGE)
    if condition is not None and condition != f'"{digest}"':
        return None
    return request.headers.get(hdrs.RANGE)


def _is_whole(selection: Selection, size: int) -> bool:
    """Whether the answer is the blob and nothing else."""
    parts = selection.parts
    return len(parts) == 1 and parts[0].length == size and not parts[0].head


async def _verified(blob: FileBacked, digest: Digest, size: int) -> bytes:
    """
    All of a small blob, hashed: its file may rot as long as it is remembered.

    Raises:
        SourceFailed: the file is not what it should be, and is out of service.
    """
    try:
        data = bytes(await filesource.read(blob.fileno(), 0, size))
        if not digest.matches(data):
            raise SourceFailed(OTHER_BYTES)
    except SourceFailed as exc:
        await blob.failed(exc.error)
        raise
    return data


async def _send(
    request: web.BaseRequest,
    response: web.StreamResponse,
    blob: BlobReader | RemoteBlob,
    selection: Selection,
) -> None:
    if isinstance(blob, FileBacked):
        check = blob.check() if _is_whole(selection, blob.size) else None
        file, parts = blob.fileno(), selection.parts
        await send_file(request, response, file, parts, selection.tail, check, blob.failed)
        return
    # The first piece before the headers: a blob that cannot be had is still a clean 503.
    async with aclosing(_body(blob, selection)) as pieces:
        first = await anext(pieces, b"")
        await response.prepare(request)
        try:
            await response.write(first)
            async for piece in pieces:
                await response.write(piece)
        except (BlobUnavailable, EOFError, StorageFailure, ConnectionError, TimeoutError) as exc:
            # The status is out already. A connection that breaks off is the only honest way left
            # to say that these are not all the bytes.
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionAbortedError("the blob's source failed") from exc
        await response.write_eof()


async def _body(blob: BlobReader | RemoteBlob, selection: Selection) -> AsyncGenerator[bytes, None]:
    stream = blob.stream if isinstance(blob, RemoteBlob) else partial(_pieces, blob)
    for part in selection.parts:
        head = part.head
        async with aclosing(stream(part.offset, part.length)) as pieces:
            async for piece in pieces:
                yield head + piece
                head = b""
    if selection.tail:
        yield selection.tail


async def _pieces(blob: BlobReader, offset: int, length: int) -> AsyncGenerator[bytes, None]:
    end = offset + length
    while offset < end:
        piece = await blob.read(offset, min(_READ_BYTES, end - offset))
        if not piece:
            raise EOFError("the blob is shorter than it was")
        yield piece
        offset += len(piece)


_TYPES: Final = ("application/octet-stream",)
_CONTENT: Final = ("Docker-Content-Digest", "ETag", "Cache-Control", "Accept-Ranges")

ENDPOINTS: Final = (
    Endpoint(
        action=Action.BLOB_READ,
        methods=READS,
        path="/v2/{name}/blobs/{digest}",
        handler=read,
        remembered=True,
        doc="Pull a blob, or ranges of its bytes.",
        fields=("Range", "If-Range", "If-None-Match"),
        limits=(RANGES,),
        answers=(
            Answer(status=200, doc="All of the blob.", media_types=_TYPES, fields=_CONTENT),
            Answer(
                status=206,
                doc="The bytes that were asked for: one range as it is, several in parts.",
                media_types=(*_TYPES, "multipart/byteranges"),
                fields=(*_CONTENT, "Content-Range"),
            ),
            Answer(status=304, doc="The client has it.", fields=_CONTENT),
        ),
        errors=(
            *READING,
            DigestInvalid,
            BlobNotFound,
            RangeNotSatisfiable,
            BlobUnavailable,
        ),
    ),
    Endpoint(
        action=Action.BLOB_DELETE,
        methods=("DELETE",),
        path="/v2/{name}/blobs/{digest}",
        handler=delete,
        doc="Take a blob out of a repository.",
        answers=(Answer(status=202, doc="It is gone.", fields=headers.RECEIPT),),
        errors=(*WRITING, DigestInvalid, BlobNotFound),
    ),
)
