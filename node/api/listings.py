"""Listing endpoints: end-8 and end-12 of the distribution-spec, and Docker's catalog."""

import re
from typing import Final
from urllib.parse import quote, urlencode

import msgspec
from aiohttp import web

from node.api import headers
from node.api.context import Context
from node.api.json import encode_json
from node.api.request import Query
from node.api.routes import Target
from node.errors import DigestInvalid, NameInvalid, PaginationInvalid, TagInvalid
from node.registry.listing import PAGE_MAX
from node.registry.manifests import OCI_INDEX
from node.registry.names import RepositoryName, Tag, parse_digest
from node.registry.ports import Page

_NUMBER: Final = re.compile(r"[0-9]{1,9}")


async def ping(context: Context, request: web.BaseRequest, target: Target) -> web.Response:
    """GET /v2/: this is a registry."""
    return _json({})


async def tags(context: Context, request: web.BaseRequest, target: Target) -> web.Response:
    """GET of a repository's tags."""
    query = Query(request.rel_url.raw_query_string)
    limit = page_limit(query)
    last = query.one("last") or ""
    if last:
        try:
            Tag.parse(last)
        except TagInvalid as exc:
            raise PaginationInvalid("last must be a tag") from exc
    page = await context.listing.tags(target.repository, last, limit)
    path = f"/v2/{target.repository}/tags/list"
    return _page(path, {"name": target.repository, "tags": page.items}, page, limit)


async def catalog(context: Context, request: web.BaseRequest, target: Target) -> web.Response:
    """GET of the repositories."""
    query = Query(request.rel_url.raw_query_string)
    limit = page_limit(query)
    last = query.one("last") or ""
    if last:
        try:
            RepositoryName.parse(last)
        except NameInvalid as exc:
            raise PaginationInvalid("last must be a repository name") from exc
    page = await context.listing.repositories(last, limit)
    return _page("/v2/_catalog", {"repositories": page.items}, page, limit)


async def referrers(context: Context, request: web.BaseRequest, target: Target) -> web.Response:
    """GET of the manifests that refer to a subject, as an image index."""
    subject = parse_digest(target.variable)
    query = Query(request.rel_url.raw_query_string)
    artifact_type = query.one("artifactType") or None
    last = query.one("last") or ""
    if last:
        try:
            parse_digest(last)
        except DigestInvalid as exc:
            raise PaginationInvalid("last must be a digest") from exc
    page = await context.listing.referrers(target.repository, subject, artifact_type, last)
    body = encode_json(
        {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [msgspec.Raw(descriptor) for descriptor in page.descriptors],
        }
    )
    fields = {**headers.API_VERSION, "Content-Type": OCI_INDEX}
    if artifact_type is not None:
        fields["OCI-Filters-Applied"] = "artifactType"
    if page.next_after is not None:
        path = f"/v2/{target.repository}/referrers/{quote(subject, safe=':')}"
        following = {"last": page.next_after}
        if artifact_type is not None:
            following["artifactType"] = artifact_type
        fields["Link"] = _link(path, following)
    return web.Response(body=body, headers=fields)


def page_limit(query: Query) -> int:
    """
    The page size asked for. More than the most there is gets the most, and a Link.

    Raises:
        PaginationInvalid: it is not a number.
    """
    text = query.one("n")
    if text is None:
        return PAGE_MAX
    if _NUMBER.fullmatch(text) is None:
        raise PaginationInvalid("n must be a number, zero or more")
    return min(int(text), PAGE_MAX)


def _page(path: str, body: dict[str, object], page: Page, limit: int) -> web.Response:
    response = _json(body)
    if page.more and page.items:
        response.headers["Link"] = _link(path, {"n": str(limit), "last": page.items[-1]})
    return response


def _link(path: str, query: dict[str, str]) -> str:
    return f'<{path}?{urlencode(query)}>; rel="next"'


def _json(body: object) -> web.Response:
    return web.Response(
        body=encode_json(body),
        content_type="application/json",
        headers=headers.API_VERSION,
    )
