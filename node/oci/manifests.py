"""Manifest endpoints: end-3, end-7 and end-9 of the distribution-spec."""

from typing import Final

from aiohttp import hdrs, web

from cluster.errors import BlobUnavailable, CopiesUnfinished
from node.errors import (
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestDigestMismatch,
    ManifestInvalid,
    ManifestUnknown,
    NameUnknown,
    TagInvalid,
    TooManyTags,
)
from node.http import headers
from node.http.answers import empty_answer
from node.http.body_reader import read_manifest
from node.http.endpoint import READING, READS, WRITING, Action, Answer, Body, Endpoint, Request
from node.http.fields import TAG
from node.http.limits import HELD_BYTES, MANIFEST_BYTES
from node.http.query import Parameter
from node.oci.context import OciContext
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

_TAG: Final = Parameter(
    name="tag",
    doc="A tag that shall point to it, beside that of the path.",
    parse=Tag.parse,
    schema={"type": "string", "pattern": TAG},
)


async def read(context: OciContext, request: Request) -> web.Response:
    """GET and HEAD of a manifest."""
    reference = parse_reference(request.variable)
    repository, http = request.repository, request.http
    found = await context.registry.pull.manifest(repository, reference)
    by_tag = isinstance(reference, Tag)
    event = found.event
    if not by_tag and http.method == "HEAD":
        event = context.registry.pull.event_of(repository, found.digest)
    if by_tag and is_index(found.media_type) and _wants_image(http):
        found = context.registry.pull.for_old_client(repository, found)
    fields = headers.content(found.digest, found.media_type, immutable=not by_tag)
    if event is not None:
        fields["Atoll-Event"] = str(event)
    if headers.matches_etag(http.headers.get(hdrs.IF_NONE_MATCH), found.digest):
        return web.Response(status=304, headers=fields)
    return _answer(http, found, fields)


async def write(context: OciContext, request: Request) -> web.Response:
    """PUT of a manifest, by tag or by digest with `tag` parameters."""
    reference, repository = parse_reference(request.variable), request.repository
    tags = request.query().all(_TAG)
    context.registry.push.check_writable(repository)
    body = await read_manifest(
        request, context.limits.manifest_bytes, context.limits.body_idle_s, context.bodies
    )
    pushed = await context.registry.push.put_manifest(
        repository, reference, request.http.headers.get(hdrs.CONTENT_TYPE), body, tags
    )
    fields = {
        "Location": headers.manifest_path(repository, pushed.digest),
        "Docker-Content-Digest": pushed.digest,
        **headers.receipt(pushed.receipt),
    }
    response = empty_answer(201, fields)
    if pushed.subject is not None:
        response.headers["OCI-Subject"] = pushed.subject
    for tag in tags:
        response.headers.add("OCI-Tag", tag)
    return response


async def delete(context: OciContext, request: Request) -> web.Response:
    """DELETE of a tag, or of a manifest by digest."""
    reference = parse_reference(request.variable)
    receipt = await context.registry.push.delete(request.repository, reference)
    return empty_answer(202, headers.receipt(receipt))


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


_CONTENT: Final = (
    *("Docker-Content-Digest", "Content-Disposition", "ETag", "Cache-Control", "Atoll-Event"),
    *("RateLimit-Limit", "RateLimit-Remaining"),
)
_TYPES: Final = (OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST)

ENDPOINTS: Final = (
    Endpoint(
        action=Action.MANIFEST_READ,
        methods=READS,
        path="/v2/{name}/manifests/{reference}",
        handler=read,
        remembered=True,
        doc="Pull a manifest.",
        fields=("If-None-Match",),
        answers=(
            Answer(
                status=200,
                doc="The manifest; for a client that reads no index, the one for linux/amd64.",
                media_types=(*_TYPES, "*/*"),  # or whatever else it was pushed as
                fields=_CONTENT,
            ),
            Answer(status=304, doc="The client has it.", fields=_CONTENT),
        ),
        errors=(*READING, TagInvalid, DigestInvalid, ManifestUnknown),
    ),
    Endpoint(
        action=Action.MANIFEST_WRITE,
        methods=("PUT",),
        path="/v2/{name}/manifests/{reference}",
        handler=write,
        doc="Push a manifest; it is acknowledged when its blobs and it are on enough nodes.",
        parameters=(_TAG,),
        body=Body(doc="The manifest.", media_types=_TYPES),
        limits=(MANIFEST_BYTES, HELD_BYTES),
        answers=(
            Answer(
                status=201,
                doc="It stands.",
                fields=(
                    "Location",
                    "Docker-Content-Digest",
                    "OCI-Subject",
                    "OCI-Tag",
                    *headers.RECEIPT,
                ),
            ),
        ),
        errors=(
            *WRITING,
            TagInvalid,
            DigestInvalid,
            ManifestInvalid,
            ManifestBlobUnknown,
            ManifestDigestMismatch,
            TooManyTags,
            BlobUnavailable,
            CopiesUnfinished,
        ),
        takes_content=True,
    ),
    Endpoint(
        action=Action.MANIFEST_DELETE,
        methods=("DELETE",),
        path="/v2/{name}/manifests/{reference}",
        handler=delete,
        doc="Delete a tag; or, by its digest, a manifest and the tags that point to it.",
        answers=(Answer(status=202, doc="It is gone.", fields=headers.RECEIPT),),
        errors=(*WRITING, TagInvalid, DigestInvalid, NameUnknown, ManifestUnknown),
    ),
)
