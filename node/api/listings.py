"""Listing endpoints: end-8 and end-12 of the distribution-spec, and Docker's catalog."""

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote, urlencode

import msgspec
from aiohttp import web

from node.api import headers
from node.api.context import Context
from node.api.json import encode_json
from node.api.request import Query
from node.api.routes import Target
from node.errors import PaginationInvalid
from node.registry.listing import PAGE_MAX
from node.registry.media_types import OCI_INDEX
from node.registry.names import parse_digest
from node.registry.ports import Page

_NUMBER: Final = re.compile(r"[0-9]+")
_DIGITS_MAX: Final = 9
"""Digits of a number that is worth reading; a longer one is above every page size."""


async def ping(context: Context, request: web.BaseRequest, target: Target) -> web.Response:
    """GET /v2/: this is a registry."""
    return _json({})


async def tags(context: Context, request: web.BaseRequest, target: Target) -> web.Response:
    """GET of a repository's tags."""
    query = Query(request.rel_url.raw_query_string)
    limit = page_limit(query)
    last = query.one("last") or ""
    page = await context.registry.listing.tags(target.repository, last, limit)
    path = f"/v2/{target.repository}/tags/list"
    return _page(path, {"name": target.repository, "tags": page.items}, page, limit)


async def catalog(context: Context, request: web.BaseRequest, target: Target) -> web.Response:
    """GET of the repositories."""
    query = Query(request.rel_url.raw_query_string)
    limit = page_limit(query)
    last = query.one("last") or ""
    page = await context.registry.listing.repositories(last, limit)
    return _page("/v2/_catalog", {"repositories": page.items}, page, limit)


async def referrers(context: Context, request: web.BaseRequest, target: Target) -> web.Response:
    """GET of the manifests that refer to a subject, as an image index."""
    subject = parse_digest(target.variable)
    query = Query(request.rel_url.raw_query_string)
    artifact_types = frozenset(filter(None, query.all("artifactType")))
    last = query.one("last") or ""
    page = await context.registry.listing.referrers(
        target.repository, subject, artifact_types, last
    )
    body = encode_json(
        {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [msgspec.Raw(descriptor) for descriptor in page.descriptors],
        }
    )
    fields = {**headers.API_VERSION, "Content-Type": OCI_INDEX}
    if artifact_types:
        fields["OCI-Filters-Applied"] = "artifactType"
    if page.next_after is not None:
        path = f"/v2/{target.repository}/referrers/{quote(subject, safe=':')}"
        following = [("artifactType", each) for each in sorted(artifact_types)]
        fields["Link"] = _link(path, [*following, ("last", page.next_after)])
    return web.Response(body=body, headers=fields)


def page_limit(query: Query) -> int:
    """
    The page size asked for. More than the most there is gets the most, and a Link.

    Raises:
        PaginationInvalid: it is not a number.
    """
    text = query.one("n")
    if not text:
        return PAGE_MAX
    if _NUMBER.fullmatch(text) is None:
        raise PaginationInvalid("n must be a number, zero or more")
    digits = text.lstrip("0")
    return PAGE_MAX if len(digits) > _DIGITS_MAX else min(int(digits or "0"), PAGE_MAX)


def _page(path: str, body: dict[str, object], page: Page, limit: int) -> web.Response:
    response = _json(body)
    if page.next_after is not None:
        response.headers["Link"] = _link(path, [("n", str(limit)), ("last", page.next_after)])
    return response


def _link(path: str, query: Sequence[tuple[str, str]]) -> str:
    return f'<{path}?{urlencode(query)}>; rel="next"'


def _json(body: object) -> web.Response:
    return web.Response(
        body=encode_json(body),
        content_type="application/json",
        headers=headers.API_VERSION,
    )
