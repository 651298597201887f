"""Waiting until an event is durable everywhere that was asked for."""

from collections.abc import Sequence
from typing import Final

import msgspec
from aiohttp import web

from cluster.errors import UnknownRegion
from cluster.model import Dot, Region
from node.admin.answers import answer, document
from node.admin.context import AdminContext
from node.errors import EventInvalid, QueryInvalid, TooManyWaits, WaitTimedOut
from node.http.endpoint import Action, Endpoint, Request
from node.http.events import parse_event
from node.http.fields import EVENT
from node.http.limits import REGIONS
from node.http.query import Single, seconds
from node.registry.waits import WAIT_MAX_S

_DEFAULT_S: Final = 30.0


class NodeHas(msgspec.Struct):
    """Whether a node durably has an event."""

    node: str
    """Its name."""

    region: str
    """Where it is."""

    live: bool
    """Whether it is there."""

    has: bool
    """Whether it durably has the event."""


class Waited(msgspec.Struct):
    """Where an event is."""

    event: str
    """The event that was waited for."""

    nodes: Sequence[NodeHas]
    """Each node of the regions."""


def _regions(text: str) -> list[Region] | None:
    names = [name.strip() for name in text.split(",")]
    if not all(names) or len(names) > REGIONS.number:
        raise QueryInvalid(f"regions must be 1 to {REGIONS.number} names with commas between them")
    return [Region(name) for name in names]


_EVENT: Final[Single[Dot | None]] = Single(
    name="event",
    doc="The event, `NODE/EPOCH/SEQUENCE`.",
    parse=parse_event,
    default=None,
    schema={"type": "string", "pattern": EVENT},
    required=True,
)
_REGIONS: Final = Single(
    name="regions",
    doc="Names of regions with commas between them; all of them without it.",
    parse=_regions,
    default=None,
)
_TIMEOUT: Final = seconds("timeout_s", "Seconds to wait.", most=WAIT_MAX_S, default=_DEFAULT_S)


async def wait(context: AdminContext, request: Request) -> web.Response:
    """GET: answers 200 with the state of every node, or 503 with the nodes that lack the event."""
    query = request.query()
    event = query.one(_EVENT)
    if event is None:
        raise EventInvalid("the event parameter is missing")
    regions, timeout_s = query.one(_REGIONS), query.one(_TIMEOUT)
    found = await context.registry.waits.wait(event, regions, timeout_s)
    nodes = [NodeHas(**state._asdict()) for state in found.nodes]
    return answer(Waited(str(event), nodes))


ENDPOINTS: Final = (
    Endpoint(
        action=Action.WAIT,
        methods=("GET",),
        path="/atoll/v1/wait",
        handler=wait,
        doc="Return once an event is durable elsewhere.",
        parameters=(_EVENT, _REGIONS, _TIMEOUT),
        limits=(REGIONS,),
        answers=(document(200, "Every live node has it.", Waited),),
        errors=(EventInvalid, UnknownRegion, TooManyWaits, WaitTimedOut),
    ),
)
