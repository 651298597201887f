"""Listing endpoints: end-8 and end-12 of the distribution-spec, and Docker's catalog."""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

import msgspec
from aiohttp import web

from node.errors import DigestInvalid, NameUnknown, PaginationInvalid
from node.http import headers
from node.http.answers import json_answer
from node.http.endpoint import READING, READS, Action, Answer, Endpoint, Request
from node.http.json import encode_json
from node.http.pages import LAST, LIMIT, link_to
from node.http.query import Parameter
from node.oci.context import OciContext
from node.registry.media_types import OCI_INDEX
from node.registry.names import parse_digest
from node.registry.values import Page

_ARTIFACT_TYPE: Final = Parameter(
    name="artifactType", doc="Only manifests of this type, or of one of these.", parse=str
)


class TagList(msgspec.Struct):
    """A page of the tags of a repository, in byte order."""

    name: str
    tags: Sequence[str]


class Catalog(msgspec.Struct):
    """A page of the repositories that have a manifest, in byte order."""

    repositories: Sequence[str]


class Referrers(msgspec.Struct, rename="camel"):
    """An OCI image index of the manifests that refer to one."""

    schema_version: int
    media_type: str
    manifests: Sequence[Any]
    """Descriptors, with the artifact type and the annotations of each manifest."""


async def ping(context: OciContext, request: Request) -> web.Response:
    """GET /v2/: this is a registry."""
    return json_answer({})


async def tags(context: OciContext, request: Request) -> web.Response:
    """GET of a repository's tags."""
    query, repository = request.query(), request.repository
    limit, last = query.one(LIMIT), query.one(LAST)
    page = await context.registry.listing.tags(repository, last, limit)
    document = TagList(repository, page.items)
    return json_answer(document, _next(f"/v2/{repository}/tags/list", page, limit))


async def catalog(context: OciContext, request: Request) -> web.Response:
    """GET of the repositories."""
    query = request.query()
    limit, last = query.one(LIMIT), query.one(LAST)
    page = await context.registry.listing.repositories(last, limit, request.principal.access)
    return json_answer(Catalog(page.items), _next("/v2/_catalog", page, limit))


async def referrers(context: OciContext, request: Request) -> web.Response:
    """GET of the manifests that refer to a subject, as an image index."""
    subject = parse_digest(request.variable)
    query, repository = request.query(), request.repository
    artifact_types = frozenset(each for each in query.all(_ARTIFACT_TYPE) if each)
    page = await context.registry.listing.referrers(
        repository, subject, artifact_types, query.one(LAST)
    )
    found = [msgspec.Raw(descriptor) for descriptor in page.descriptors]
    fields = {**headers.API_VERSION, "Content-Type": OCI_INDEX}
    if artifact_types:
        fields["OCI-Filters-Applied"] = "artifactType"
    if page.next_after is not None:
        path = f"/v2/{repository}/referrers/{quote(subject, safe=':')}"
        following = [("artifactType", each) for each in sorted(artifact_types)]
        fields |= link_to(path, [*following, ("last", page.next_after)])
    return web.Response(body=encode_json(Referrers(2, OCI_INDEX, found)), headers=fields)


def _next(path: str, page: Page, limit: int) -> dict[str, str]:
    if page.next_after is None:
        return {}
    return link_to(path, [("n", str(limit)), ("last", page.next_after)])


ENDPOINTS: Final = (
    Endpoint(
        action=Action.PING,
        methods=READS,
        path="/v2/",
        handler=ping,
        doc="Tell that this is a registry.",
        answers=(Answer(status=200, doc="It is.", media_types=("application/json",)),),
    ),
    Endpoint(
        action=Action.CATALOG,
        methods=("GET",),
        path="/v2/_catalog",
        handler=catalog,
        doc="List the repositories that have a manifest.",
        parameters=(LIMIT, LAST),
        answers=(Answer(status=200, doc="A page of them.", struct=Catalog, fields=("Link",)),),
        errors=(*READING, PaginationInvalid),
    ),
    Endpoint(
        action=Action.TAGS,
        methods=("GET",),
        path="/v2/{name}/tags/list",
        handler=tags,
        remembered=True,
        doc="List the tags of a repository.",
        parameters=(LIMIT, LAST),
        answers=(Answer(status=200, doc="A page of them.", struct=TagList, fields=("Link",)),),
        errors=(*READING, PaginationInvalid, NameUnknown),
    ),
    Endpoint(
        action=Action.REFERRERS,
        methods=("GET",),
        path="/v2/{name}/referrers/{digest}",
        handler=referrers,
        doc="List the manifests that refer to a manifest, as an image index.",
        parameters=(_ARTIFACT_TYPE, LAST),
        answers=(
            Answer(
                status=200,
                doc="A page of them; an empty one where there are none.",
                struct=Referrers,
                media_types=(OCI_INDEX,),
                fields=("Link", "OCI-Filters-Applied"),
            ),
        ),
        errors=(*READING, DigestInvalid),
    ),
)
