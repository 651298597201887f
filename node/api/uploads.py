"""Upload endpoints: end-4 to end-6, end-11, end-13 and end-14 of the distribution-spec."""

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from cluster.model import Digest, Dot
from node.api import blobs, headers
from node.api.context import Context
from node.api.request import Query, read_chunk, read_last_chunk
from node.api.routes import Target
from node.errors import BlobNotFound, DigestInvalid, NameInvalid, QueryInvalid
from node.registry.names import RepositoryName, parse_digest
from node.registry.upload_ids import UploadId

_ALGORITHMS: Final = ("sha256", "sha512")

_Session = Callable[[Context, web.BaseRequest, RepositoryName, UploadId], Awaitable[web.Response]]


def _at_owner(
    here: _Session,
) -> Callable[[Context, web.BaseRequest, Target], Awaitable[web.Response]]:
    """The handler that has *here* answer for this node's sessions, and other owners for theirs."""

    async def handle(context: Context, request: web.BaseRequest, target: Target) -> web.Response:
        upload = UploadId.parse(target.variable)
        if upload.owner != context.forwarder.me:
            return await context.forwarder.forward(request, upload)
        return await here(context, request, target.repository, upload)

    return handle


async def start(context: Context, request: web.BaseRequest, target: Target) -> web.Response:
    """POST: open a session, mount a blob, or take a whole one."""
    query = Query(request.rel_url.raw_query_string)
    digest = query.one("digest")
    algorithm = query.one("digest-algorithm")
    if algorithm is not None and algorithm not in _ALGORITHMS:
        raise DigestInvalid(f"unsupported digest algorithm {algorithm[:40]!r}")
    if query.all("mount"):
        return await _mount(context, request, target, query)
    if digest is not None:
        parsed = parse_digest(digest)
        chunk = read_chunk(request, context.limits.body_idle_s)
        event = await context.registry.uploads.put_whole(
            target.repository, parsed, chunk, request.remote or ""
        )
        return _created(target.repository, parsed, event)
    return await _session_opened(context, request, target)


@_at_owner
async def status(
    context: Context, request: web.BaseRequest, repository: RepositoryName, upload: UploadId
) -> web.Response:
    """GET and HEAD: how far the upload is."""
    offset = context.registry.uploads.offset(repository, upload.session)
    return _progress(204, repository, upload, offset)


@_at_owner
async def append(
    context: Context, request: web.BaseRequest, repository: RepositoryName, upload: UploadId
) -> web.Response:
    """PATCH: add a chunk."""
    chunk = read_chunk(request, context.limits.body_idle_s)
    offset = await context.registry.uploads.append(repository, upload.session, chunk)
    return _progress(202, repository, upload, offset)


@_at_owner
async def finish(
    context: Context, request: web.BaseRequest, repository: RepositoryName, upload: UploadId
) -> web.Response:
    """PUT: add the last chunk, if there is one, and end the upload."""
    digest = Query(request.rel_url.raw_query_string).one("digest")
    if digest is None:
        raise DigestInvalid("the closing PUT needs the digest parameter")
    parsed = parse_digest(digest)
    chunk = read_last_chunk(request, context.limits.body_idle_s)
    event = await context.registry.uploads.finish(repository, upload.session, parsed, chunk)
    return _created(repository, parsed, event)


@_at_owner
async def cancel(
    context: Context, request: web.BaseRequest, repository: RepositoryName, upload: UploadId
) -> web.Response:
    """DELETE: end the upload and drop its bytes."""
    await context.registry.uploads.cancel(repository, upload.session)
    return web.Response(status=204, headers=headers.API_VERSION)


async def _mount(
    context: Context, request: web.BaseRequest, target: Target, query: Query
) -> web.Response:
    access = context.access_of(request)
    try:
        digest, source = parse_digest(query.one("mount") or ""), query.one("from")
        origin = None if source is None else RepositoryName.parse(source)
        event = await context.registry.repository_blobs.mount(
            target.repository, digest, origin, access
        )
    except (BlobNotFound, DigestInvalid, NameInvalid, QueryInvalid):
        # distribution-spec, "Mounting a blob": what cannot be mounted is uploaded instead. A
        # client that got anything else would fail where it could have pushed.
        return await _session_opened(context, request, target)
    return _created(target.repository, digest, event)


async def _session_opened(
    context: Context, request: web.BaseRequest, target: Target
) -> web.Response:
    session = await context.registry.uploads.start(target.repository, request.remote or "")
    upload = UploadId(session, context.forwarder.me)
    response = _progress(202, target.repository, upload, 0)
    if context.limits.chunk_min_bytes:
        response.headers["OCI-Chunk-Min-Length"] = str(context.limits.chunk_min_bytes)
    return response


def _progress(
    status_code: int, repository: RepositoryName, upload: UploadId, offset: int
) -> web.Response:
    return web.Response(
        status=status_code,
        headers={
            **headers.API_VERSION,
            "Location": f"/v2/{repository}/blobs/uploads/{upload}",
            "Range": headers.progress(offset),
            "Docker-Upload-UUID": str(upload),
        },
    )


def _created(repository: RepositoryName, digest: Digest, event: Dot) -> web.Response:
    return web.Response(
        status=201,
        headers={
            **headers.API_VERSION,
            "Location": blobs.location(repository, digest),
            "Docker-Content-Digest": digest,
            **headers.event_of(event),
        },
    )
