"""The files that pages use."""

from typing import Final

from aiohttp import hdrs, web

from node.errors import RouteUnknown
from node.http import headers
from node.http.endpoint import READS, Action, Answer, Endpoint, Request
from node.ui.assets import asset_at
from node.ui.context import UiContext
from node.ui.security import ALWAYS

_KEPT: Final = {
    **ALWAYS,
    "Cache-Control": f"public, {headers.IMMUTABLE}",
    "Vary": "Accept-Encoding",
}


async def asset(context: UiContext, request: Request) -> web.Response:
    """GET of a file, under the name that has its hash."""
    found = asset_at(request.variable)
    if found is None:
        raise RouteUnknown
    fields = {**_KEPT, "Content-Type": found.content_type}
    if "gzip" not in request.http.headers.get(hdrs.ACCEPT_ENCODING, "").lower():
        return web.Response(body=found.body, headers=fields)
    return web.Response(body=found.compressed, headers={**fields, hdrs.CONTENT_ENCODING: "gzip"})


ENDPOINTS: Final = (
    Endpoint(
        action=Action.PAGE_ASSET,
        methods=READS,
        path="/ui/static/{asset}",
        handler=asset,
        doc="Serve the stylesheet, the script and the icon.",
        answers=(Answer(status=200, doc="The file.", media_types=("*/*",)),),
        errors=(RouteUnknown,),
        is_page=True,
    ),
)
