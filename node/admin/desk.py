"""What the desk's page of the cluster shows: regions, nodes, figures, what goes on."""

import re
from typing import Final, get_args

from aiohttp import web

from cluster.errors import MemberMissing, NotDecided
from cluster.model import NodeId
from node.admin.answers import answer, document
from node.admin.context import AdminContext
from node.desk.series import POINTS
from node.desk.values import (
    DeskNodes,
    DeskRegions,
    DeskSeriesDocument,
    SeriesName,
    StopVerdict,
    WorkDocument,
)
from node.errors import QueryInvalid
from node.http.endpoint import Action, Endpoint, Request
from node.http.query import Single

_NAMES: Final[tuple[SeriesName, ...]] = get_args(SeriesName)


def _name(text: str) -> SeriesName:
    for name in _NAMES:
        if text == name:
            return name
    raise QueryInvalid(f"name must be one of {', '.join(_NAMES)}")


def _points(text: str) -> int:
    if not re.fullmatch("[0-9]{1,2}", text) or not 1 <= int(text) <= POINTS:
        raise QueryInvalid(f"points must be a number from 1 to {POINTS}")
    return int(text)


_NAME: Final[Single[SeriesName | None]] = Single(
    name="name",
    doc="Which figure; all of them without it.",
    parse=_name,
    default=None,
    schema={"type": "string", "enum": list(_NAMES)},
)
_POINTS: Final = Single(
    name="points",
    doc="How many points, the latest ones.",
    parse=_points,
    default=POINTS,
    schema={"type": "integer", "minimum": 1, "maximum": POINTS},
)


async def regions(context: AdminContext, request: Request) -> web.Response:
    """GET of the regions."""
    return answer(context.desk.cluster.regions())


async def nodes(context: AdminContext, request: Request) -> web.Response:
    """GET of the nodes."""
    return answer(context.desk.cluster.nodes())


async def series(context: AdminContext, request: Request) -> web.Response:
    """GET of this node's figures."""
    query = request.query()
    return answer(context.desk.cluster.series(query.one(_POINTS), query.one(_NAME)))


async def work(context: AdminContext, request: Request) -> web.Response:
    """GET of what goes on."""
    return answer(context.desk.cluster.work())


async def safe_to_stop(context: AdminContext, request: Request) -> web.Response:
    """GET whether a member may be stopped for a while."""
    return answer(await context.desk.cluster.safe_to_stop(NodeId(request.variable)))


ENDPOINTS: Final = (
    Endpoint(
        action=Action.REGIONS,
        methods=("GET",),
        path="/atoll/v1/regions",
        handler=regions,
        doc="Show the regions: nodes, bytes, the fullest disk, how far behind, copies that lack.",
        answers=(document(200, "The regions.", DeskRegions),),
    ),
    Endpoint(
        action=Action.SERIES,
        methods=("GET",),
        path="/atoll/v1/series",
        handler=series,
        doc="Show what this node did in the last five minutes, and name those of whom it is not.",
        parameters=(_NAME, _POINTS),
        answers=(document(200, "Its figures.", DeskSeriesDocument),),
    ),
    Endpoint(
        action=Action.WORK,
        methods=("GET",),
        path="/atoll/v1/work",
        handler=work,
        doc="Show what goes on that takes long, how fast, and what it waits for where it stalls.",
        answers=(document(200, "What goes on.", WorkDocument),),
    ),
    Endpoint(
        action=Action.MEMBERS,
        methods=("GET",),
        path="/atoll/v1/members",
        handler=nodes,
        doc="Show the nodes: where and how each is, and which may be stopped for a while.",
        answers=(document(200, "The nodes.", DeskNodes),),
    ),
    Endpoint(
        action=Action.MEMBER_STOP,
        methods=("GET",),
        path="/atoll/v1/members/{node}/safe-to-stop",
        handler=safe_to_stop,
        doc="Tell whether a member may be stopped for a while, and what speaks against it.",
        answers=(document(200, "Whether it may.", StopVerdict),),
        errors=(MemberMissing, NotDecided),
    ),
)
