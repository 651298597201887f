"""Manifest endpoints: end-3, end-7 and end-9 of the distribution-spec."""

from typing import Final
from urllib.parse import quote

from aiohttp import hdrs, web

from cluster.model import Digest
from node.api import headers
from node.api.context import Context
from node.api.request import Query, read_manifest
from node.api.routes import Target
from node.registry.media_types import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    is_index,
)
from node.registry.names import Tag, parse_reference
from node.registry.pull import FoundManifest

_INDEX_TYPES: Final = (OCI_INDEX, DOCKER_LIST)
_IMAGE_TYPES: Final = (OCI_MANIFEST, DOCKER_MANIFEST)


async def read(context: Context, request: web.BaseRequest, target: Target) -> web.Response:
    """GET and HEAD of a manifest."""
    reference = parse_reference(target.variable)
    found = await context.registry.pull.manifest(target.repository, reference)
    by_tag = isinstance(reference, Tag)
    event = found.event
    if not by_tag and request.method == "HEAD":
        event = context.registry.pull.event_of(target.repository, found.digest)
    if by_tag and is_index(found.media_type) and _wants_image(request):
        found = context.registry.pull.for_old_client(target.repository, found)
    fields = headers.content(found.digest, found.media_type, immutable=not by_tag)
    if event is not None:
        fields["Atoll-Event"] = str(event)
    if headers.matches_etag(request.headers.get(hdrs.IF_NONE_MATCH), found.digest):
        return web.Response(status=304, headers=fields)
    return _answer(request, found, fields)


async def write(context: Context, request: web.BaseRequest, target: Target) -> web.Response:
    """PUT of a manifest, by tag or by digest with `tag` parameters."""
    reference = parse_reference(target.variable)
    tags = [Tag.parse(tag) for tag in Query(request.rel_url.raw_query_string).all("tag")]
    context.registry.push.check_writable(target.repository)
    body = await read_manifest(
        request, context.limits.manifest_bytes, context.limits.body_idle_s, context.bodies
    )
    pushed = await context.registry.push.put_manifest(
        target.repository, reference, request.headers.get(hdrs.CONTENT_TYPE), body, tags
    )
    response = web.Response(
        status=201,
        headers={
            **headers.API_VERSION,
            "Location": location(target.repository, pushed.digest),
            "Docker-Content-Digest": pushed.digest,
            **headers.receipt(pushed.receipt),
        },
    )
    if pushed.subject is not None:
        response.headers["OCI-Subject"] = pushed.subject
    for tag in tags:
        response.headers.add("OCI-Tag", tag)
    return response


async def delete(context: Context, request: web.BaseRequest, target: Target) -> web.Response:
    """DELETE of a tag, or of a manifest by digest."""
    receipt = await context.registry.push.delete(
        target.repository, parse_reference(target.variable)
    )
    fields = {**headers.API_VERSION, **headers.receipt(receipt)}
    return web.Response(status=202, headers=fields)


def location(repository: str, digest: Digest) -> str:
    """Where a manifest can be pulled from."""
    return f"/v2/{repository}/manifests/{quote(digest, safe=':')}"


def _answer(request: web.BaseRequest, found: FoundManifest, fields: dict[str, str]) -> web.Response:
    if request.method == "HEAD":
        fields["Content-Length"] = str(len(found.body))
        return web.Response(headers=fields)
    return web.Response(body=found.body, headers=fields)


def _wants_image(request: web.BaseRequest) -> bool:
    """Whether the client can read image manifests and says that it cannot read indexes."""
    accepted = [
        item.partition(";")[0].strip().lower()
        for field in request.headers.getall(hdrs.ACCEPT, ())
        for item in field.split(",")
    ]
    if not any(media_type in _IMAGE_TYPES for media_type in accepted):
        return False
    return not any(media_type in (*_INDEX_TYPES, "*/*", "application/*") for media_type in accepted)
