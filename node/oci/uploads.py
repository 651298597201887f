"""Upload endpoints: end-4 to end-6, end-11, end-13 and end-14 of the distribution-spec."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from aiohttp import web

from cluster.errors import ClockOff, DigestMismatch, NotCaughtUp, NotEnoughNodes
from cluster.model import Digest, Dot
from node.errors import (
    AccountBytesFull,
    AccountUploadsFull,
    BlobNotFound,
    BlobTooLarge,
    DigestInvalid,
    IndexDamaged,
    IndexFull,
    IndexPaused,
    NameInvalid,
    QueryInvalid,
    SizeInvalid,
    TooManyUploads,
    UploadBusy,
    UploadRangeInvalid,
    UploadUnknown,
)
from node.http import headers
from node.http.answers import empty_answer
from node.http.body_reader import read_chunk, read_last_chunk
from node.http.endpoint import READS, Action, Answer, Body, Endpoint, Request
from node.http.fields import DIGEST
from node.http.limits import FORWARDED, HOPS, OWNER_ANSWER, OWNER_CONNECT, OWNER_SILENCE
from node.http.query import Query, text
from node.oci import blobs
from node.oci.context import OciContext
from node.registry.names import RepositoryName, parse_digest
from node.registry.upload_ids import UploadId

_ALGORITHMS: Final = ("sha256", "sha512")

_DIGEST: Final = text("digest", "The digest of the whole blob.", pattern=DIGEST)
_WHOLE: Final = replace(_DIGEST, required=True)
_ALGORITHM: Final = text(
    "digest-algorithm", "That of the digest that will be given.", enum=_ALGORITHMS
)
_MOUNT: Final = text("mount", "The digest of a blob that is in another repository.")
_FROM: Final = text("from", "That repository; without it, any that the client may pull from.")

_Session = Callable[[OciContext, Request, UploadId], Awaitable[web.Response]]


def _at_owner(here: _Session) -> Callable[[OciContext, Request], Awaitable[web.Response]]:
    """The handler that has *here* answer for this node's sessions, and other owners for theirs."""

    async def handle(context: OciContext, request: Request) -> web.Response:
        upload = UploadId.parse(request.variable)
        if upload.owner != context.forwarder.me:
            return await context.forwarder.forward(request, upload)
        return await here(context, request, upload)

    return handle


async def start(context: OciContext, request: Request) -> web.Response:
    """POST: open a session, mount a blob, or take a whole one."""
    query, repository = request.query(), request.repository
    digest = query.one(_DIGEST)
    algorithm = query.one(_ALGORITHM)
    if algorithm is not None and algorithm not in _ALGORITHMS:
        raise DigestInvalid(f"unsupported digest algorithm {algorithm[:40]!r}")
    if query.all(_MOUNT):
        return await _mount(context, request, query)
    if digest is not None:
        parsed = parse_digest(digest)
        chunk = read_chunk(request, context.limits.body_idle_s)
        owner = request.principal.account.id
        event = await context.registry.uploads.put_whole(
            repository, parsed, chunk, request.client, owner
        )
        return _created(repository, parsed, event)
    return await _session_opened(context, request)


@_at_owner
async def progress(context: OciContext, request: Request, upload: UploadId) -> web.Response:
    """GET and HEAD: how far the upload is."""
    owner = request.principal.account.id
    offset = context.registry.uploads.offset(request.repository, upload.session, owner)
    return _progress(204, request.repository, upload, offset)


@_at_owner
async def append(context: OciContext, request: Request, upload: UploadId) -> web.Response:
    """PATCH: add a chunk."""
    chunk = read_chunk(request, context.limits.body_idle_s)
    offset = await context.registry.uploads.append(
        request.repository, upload.session, chunk, request.principal.account.id
    )
    return _progress(202, request.repository, upload, offset)


@_at_owner
async def finish(context: OciContext, request: Request, upload: UploadId) -> web.Response:
    """PUT: add the last chunk, if there is one, and end the upload."""
    digest, repository = request.query().one(_WHOLE), request.repository
    if digest is None:
        raise DigestInvalid("the closing PUT needs the digest parameter")
    parsed = parse_digest(digest)
    chunk = read_last_chunk(request, context.limits.body_idle_s)
    event = await context.registry.uploads.finish(
        repository, upload.session, parsed, chunk, request.principal.account.id
    )
    return _created(repository, parsed, event)


@_at_owner
async def cancel(context: OciContext, request: Request, upload: UploadId) -> web.Response:
    """DELETE: end the upload and drop its bytes."""
    owner = request.principal.account.id
    await context.registry.uploads.cancel(request.repository, upload.session, owner)
    return empty_answer(204)


async def _mount(context: OciContext, request: Request, query: Query) -> web.Response:
    repository, access = request.repository, request.principal.access
    try:
        digest, source = parse_digest(query.one(_MOUNT) or ""), query.one(_FROM)
        origin = None if source is None else RepositoryName.parse(source)
        blobs_of = context.registry.repository_blobs
        event = await blobs_of.mount(repository, digest, origin, access)
    except (BlobNotFound, DigestInvalid, NameInvalid, QueryInvalid):
        # distribution-spec, "Mounting a blob": what cannot be mounted is uploaded instead. A
        # client that got anything else would fail where it could have pushed.
        return await _session_opened(context, request)
    return _created(repository, digest, event)


async def _session_opened(context: OciContext, request: Request) -> web.Response:
    session = await context.registry.uploads.start(
        request.repository, request.client, request.principal.account.id
    )
    upload = UploadId(session, context.forwarder.me)
    response = _progress(202, request.repository, upload, 0)
    if context.limits.chunk_min_bytes:
        response.headers["OCI-Chunk-Min-Length"] = str(context.limits.chunk_min_bytes)
    return response


def _progress(
    status: int, repository: RepositoryName, upload: UploadId, offset: int
) -> web.Response:
    fields = {
        "Location": f"/v2/{repository}/blobs/uploads/{upload}",
        "Range": headers.progress(offset),
        "Docker-Upload-UUID": str(upload),
    }
    return empty_answer(status, fields)


def _created(repository: RepositoryName, digest: Digest, event: Dot) -> web.Response:
    fields = {
        "Location": blobs.location(repository, digest),
        "Docker-Content-Digest": digest,
        **headers.event_of(event),
    }
    return empty_answer(201, fields)


_ANY_BYTES: Final = ("application/octet-stream",)

_SESSION: Final = ("Location", "Range", "Docker-Upload-UUID")
_CREATED: Final = Answer(
    status=201,
    doc="The blob is in the repository.",
    fields=("Location", "Docker-Content-Digest", "Atoll-Event"),
)

_AT_OWNER: Final = (FORWARDED, HOPS, OWNER_CONNECT, OWNER_SILENCE, OWNER_ANSWER)
"""The limits where a session may be another node's."""

_STORING: Final = (NotCaughtUp, ClockOff, NotEnoughNodes, IndexPaused, IndexFull, IndexDamaged)
_RECEIVING: Final = (SizeInvalid, BlobTooLarge, AccountBytesFull)

ENDPOINTS: Final = (
    Endpoint(
        action=Action.UPLOAD_START,
        methods=("POST",),
        path="/v2/{name}/blobs/uploads/",
        handler=start,
        doc="Open an upload; or push a whole blob (`digest`), or mount one (`mount`).",
        parameters=(_DIGEST, _ALGORITHM, _MOUNT, _FROM),
        fields=("Content-Range",),
        body=Body(
            doc="With `digest`, the blob.", media_types=_ANY_BYTES, required=False, streamed=True
        ),
        answers=(
            _CREATED,
            Answer(
                status=202,
                doc="An upload is open; so, too, where nothing can be mounted.",
                fields=(*_SESSION, "OCI-Chunk-Min-Length"),
            ),
        ),
        errors=(
            *_STORING,
            *_RECEIVING,
            DigestInvalid,
            DigestMismatch,
            TooManyUploads,
            AccountUploadsFull,
        ),
        takes_content=True,
    ),
    Endpoint(
        action=Action.UPLOAD_STATUS,
        methods=READS,
        path="/v2/{name}/blobs/uploads/{upload}",
        handler=progress,
        doc="Tell how far an upload is.",
        answers=(Answer(status=204, doc="`Range` says how far.", fields=_SESSION),),
        limits=_AT_OWNER,
        errors=(UploadUnknown,),
    ),
    Endpoint(
        action=Action.UPLOAD_APPEND,
        methods=("PATCH",),
        path="/v2/{name}/blobs/uploads/{upload}",
        handler=append,
        doc="Add a chunk to an upload.",
        fields=("Content-Range",),
        body=Body(doc="The chunk.", media_types=_ANY_BYTES, required=False, streamed=True),
        answers=(Answer(status=202, doc="It is added.", fields=_SESSION),),
        limits=_AT_OWNER,
        errors=(UploadUnknown, *_STORING, *_RECEIVING, UploadBusy, UploadRangeInvalid),
        takes_content=True,
    ),
    Endpoint(
        action=Action.UPLOAD_FINISH,
        methods=("PUT",),
        path="/v2/{name}/blobs/uploads/{upload}",
        handler=finish,
        doc="End an upload: its bytes are the blob.",
        parameters=(_WHOLE,),
        fields=("Content-Range",),
        body=Body(doc="The last chunk.", media_types=_ANY_BYTES, required=False, streamed=True),
        answers=(_CREATED,),
        limits=_AT_OWNER,
        errors=(
            UploadUnknown,
            *_STORING,
            *_RECEIVING,
            UploadBusy,
            UploadRangeInvalid,
            DigestInvalid,
            DigestMismatch,
        ),
        takes_content=True,
    ),
    Endpoint(
        action=Action.UPLOAD_CANCEL,
        methods=("DELETE",),
        path="/v2/{name}/blobs/uploads/{upload}",
        handler=cancel,
        doc="End an upload and drop its bytes.",
        answers=(Answer(status=204, doc="It is gone."),),
        limits=_AT_OWNER,
        errors=(UploadUnknown, UploadBusy, IndexPaused, IndexFull, IndexDamaged),
    ),
)
