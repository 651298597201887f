"""Upload endpoints: end-4 to end-6, end-11, end-13 and end-14 of the distribution-spec."""

from typing import Final

from aiohttp import web

from cluster.model import Digest
from node.api import blobs, headers
from node.api.context import Context
from node.api.request import Query, read_chunk
from node.api.routes import Target
from node.errors import BlobNotFound, DigestInvalid, NameInvalid
from node.registry.names import RepositoryName, parse_digest

_ALGORITHMS: Final = ("sha256", "sha512")


async def start(context: Context, request: web.BaseRequest, target: Target) -> web.Response:
    """POST: open a session, mount a blob, or take a whole one."""
    query = Query(request.rel_url.raw_query_string)
    mount, digest = query.one("mount"), query.one("digest")
    algorithm = query.one("digest-algorithm")
    if algorithm is not None and algorithm not in _ALGORITHMS:
        raise DigestInvalid(f"unsupported digest algorithm {algorithm[:40]!r}")
    if mount is not None:
        return await _mount(context, target, mount, query.one("from"))
    if digest is not None:
        parsed = parse_digest(digest)
        chunk = read_chunk(request, context.limits.body_idle_s)
        await context.uploads.put_whole(target.repository, parsed, chunk)
        return _created(target.repository, parsed)
    return await _session_opened(context, target)


async def status(context: Context, request: web.BaseRequest, target: Target) -> web.Response:
    """GET: how far the upload is."""
    offset = context.uploads.offset(target.repository, target.variable)
    return _progress(204, target.repository, target.variable, offset)


async def append(context: Context, request: web.BaseRequest, target: Target) -> web.Response:
    """PATCH: add a chunk."""
    chunk = read_chunk(request, context.limits.body_idle_s)
    offset = await context.uploads.append(target.repository, target.variable, chunk)
    return _progress(202, target.repository, target.variable, offset)


async def finish(context: Context, request: web.BaseRequest, target: Target) -> web.Response:
    """PUT: add the last chunk, if there is one, and end the upload."""
    digest = Query(request.rel_url.raw_query_string).one("digest")
    if digest is None:
        raise DigestInvalid("the closing PUT needs the digest parameter")
    parsed = parse_digest(digest)
    chunk = read_chunk(request, context.limits.body_idle_s)
    await context.uploads.finish(target.repository, target.variable, parsed, chunk)
    return _created(target.repository, parsed)


async def cancel(context: Context, request: web.BaseRequest, target: Target) -> web.Response:
    """DELETE: end the upload and drop its bytes."""
    await context.uploads.cancel(target.repository, target.variable)
    return web.Response(status=204, headers=headers.API_VERSION)


async def _mount(context: Context, target: Target, mount: str, source: str | None) -> web.Response:
    digest = parse_digest(mount)
    try:
        origin = None if source is None else RepositoryName.parse(source)
        await context.links.mount(target.repository, digest, origin)
    except (BlobNotFound, NameInvalid):
        # distribution-spec, "Mounting a blob": what cannot be mounted is uploaded instead.
        return await _session_opened(context, target)
    return _created(target.repository, digest)


async def _session_opened(context: Context, target: Target) -> web.Response:
    upload_id = await context.uploads.start(target.repository)
    response = _progress(202, target.repository, upload_id, 0)
    if context.limits.chunk_min_bytes:
        response.headers["OCI-Chunk-Min-Length"] = str(context.limits.chunk_min_bytes)
    return response


def _progress(
    status_code: int, repository: RepositoryName, upload_id: str, offset: int
) -> web.Response:
    return web.Response(
        status=status_code,
        headers={
            **headers.API_VERSION,
            "Location": f"/v2/{repository}/blobs/uploads/{upload_id}",
            "Range": headers.progress(offset),
            "Docker-Upload-UUID": upload_id,
        },
    )


def _created(repository: RepositoryName, digest: Digest) -> web.Response:
    return web.Response(
        status=201,
        headers={
            **headers.API_VERSION,
            "Location": blobs.location(repository, digest),
            "Docker-Content-Digest": digest,
        },
    )
