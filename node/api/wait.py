"""GET /atoll/v1/wait: until an event is durable everywhere that was asked for."""

from typing import Final

from aiohttp import web

from cluster.model import Region
from node.api import headers
from node.api.admin import parse_event
from node.api.context import Context
from node.api.json import encode_json
from node.api.request import Query
from node.api.routes import Target
from node.errors import EventInvalid, QueryInvalid
from node.registry.waits import WAIT_MAX_S

_DEFAULT_S: Final = 30.0

_REGIONS_MAX: Final = 64


async def wait(context: Context, request: web.BaseRequest, target: Target) -> web.Response:
    """GET: answers 200 with the state of every node, or 503 with the nodes that lack the event."""
    query = Query(request.rel_url.raw_query_string)
    given = query.one("event")
    if given is None:
        raise EventInvalid("the event parameter is missing")
    event, regions, timeout_s = parse_event(given), _regions(query), _timeout(query)
    found = await context.registry.waits.wait(event, regions, timeout_s)
    body = {"event": str(event), "nodes": [state._asdict() for state in found.nodes]}
    return web.Response(
        body=encode_json(body),
        content_type="application/json",
        headers={**headers.API_VERSION, "Cache-Control": "no-store"},
    )


def _regions(query: Query) -> list[Region] | None:
    given = query.one("regions")
    if given is None:
        return None
    names = [name.strip() for name in given.split(",")]
    if not all(names) or len(names) > _REGIONS_MAX:
        raise QueryInvalid(f"regions must be 1 to {_REGIONS_MAX} names with commas between them")
    return [Region(name) for name in names]


def _timeout(query: Query) -> float:
    given = query.seconds("timeout_s", WAIT_MAX_S)
    return _DEFAULT_S if given is None else given
