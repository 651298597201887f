"""A pull reference that somebody pastes into a browser opens its page."""

import re
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from node.errors import RegistryError
from node.http import headers
from node.http.endpoint import READS, Request
from node.registry.names import RepositoryName, Tag, parse_digest
from node.ui.negotiation import wants_pages
from node.ui.tabs import HOME

IMAGES: Final = "/ui/i/"
"""What the address of the page of an image begins with; the reference is the rest."""

_OTHERS: Final = frozenset({"atoll", "healthz", "metrics", "readyz", "token", "ui", "v1", "v2"})
"""First components of other paths: what is wrong with one of these is told as that."""

_PARTS: Final = re.compile(r"/([^:@]+)(?:([:@])(.+))?", re.ASCII)


def page_of(http: web.BaseRequest) -> str:
    """The address of the page of what *http* names in its path; empty: of nothing."""
    path = http.rel_url.raw_path.rstrip("/")
    if http.method not in READS or not wants_pages(http):
        return ""
    if not path:
        return HOME
    found = _PARTS.fullmatch(path)
    if found is None or found[1].partition("/")[0] in _OTHERS:
        return ""
    name, sign, reference = found.groups()
    try:
        address = f"{IMAGES}{RepositoryName.parse(name)}"
        if sign == "@":
            return f"{address}@{parse_digest(reference)}"
        return f"{address}:{Tag.parse(reference)}" if sign else address
    except RegistryError:
        return ""


def led_to(address: str) -> web.Response:
    """The answer that leads a browser from an address of the registry to a page."""
    fields = {**headers.API_VERSION, "Cache-Control": "no-store", "Vary": "Accept"}
    return web.Response(status=303, headers={**fields, "Location": address})


async def met(
    otherwise: Callable[[Request], Awaitable[web.StreamResponse]], request: Request
) -> web.StreamResponse:
    """Lead people with a browser from `/` to the first page; others are answered by *otherwise*."""
    return led_to(HOME) if wants_pages(request.http) else await otherwise(request)
