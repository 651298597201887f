"""The cluster as this node sees it, and nodes that go for good."""

from typing import Final

import msgspec
from aiohttp import web

from cluster import ClusterStatistics
from cluster.errors import MemberNotDead, MemberUnknown, NotCaughtUp
from cluster.model import NodeId
from node.admin.answers import answer, document
from node.admin.context import AdminContext
from node.departure import DRAIN_DEFAULT_S, DRAIN_MAX_S
from node.errors import CopiesAtStake
from node.http.answers import empty_answer
from node.http.endpoint import Action, Answer, Endpoint, Request
from node.http.query import flag, seconds

_FORCE: Final = flag("force", "Also when nobody else has a copy of some blobs: they are lost.")
_FEWER_COPIES: Final = flag("fewer_copies", "Also when blobs have too few copies then.")
_DRAIN: Final = seconds(
    "drain_s",
    "Seconds that the node serves on, while `/readyz` says 503.",
    most=DRAIN_MAX_S,
    default=DRAIN_DEFAULT_S,
)


class Leaving(msgspec.Struct):
    """A node that leaves, and the copies that go with it."""

    node: str
    """The node that leaves."""

    drain_s: float
    """How long it serves on."""

    blobs_last: int
    """Blobs of which no other node that is there has a copy."""

    bytes_last: int
    """The size of those."""

    blobs_short: int
    """Blobs of which others have fewer than `copies`."""

    bytes_short: int
    """The size of those."""


async def cluster(context: AdminContext, request: Request) -> web.Response:
    """GET of the cluster as this node sees it."""
    return answer(context.cluster.statistics())


async def remove(context: AdminContext, request: Request) -> web.Response:
    """DELETE of a dead member: it will not come back, and nobody waits for it any more."""
    force = request.query().one(_FORCE)
    await context.departures.remove(NodeId(request.variable), force=force)
    return empty_answer(202)


async def leave(context: AdminContext, request: Request) -> web.Response:
    """POST: the node drains, tells the others that it goes for good, and stops."""
    query = request.query()
    drain_s = query.one(_DRAIN)
    stakes = await context.departures.begin(
        drain_s, fewer_copies=query.one(_FEWER_COPIES), force=query.one(_FORCE)
    )
    node = context.cluster.statistics().node
    return answer(Leaving(node, drain_s, **stakes._asdict()), status=202)


ENDPOINTS: Final = (
    Endpoint(
        action=Action.CLUSTER,
        methods=("GET",),
        path="/atoll/v1/cluster",
        handler=cluster,
        doc="Show members, connections, lag and counters, as this node sees them.",
        answers=(document(200, "The cluster.", ClusterStatistics),),
    ),
    Endpoint(
        action=Action.LEAVE,
        methods=("POST",),
        path="/atoll/v1/leave",
        handler=leave,
        doc="Take this node out of the cluster for good.",
        parameters=(_DRAIN, _FEWER_COPIES, _FORCE),
        answers=(document(202, "It leaves.", Leaving),),
        errors=(CopiesAtStake, NotCaughtUp),
    ),
    Endpoint(
        action=Action.MEMBER_REMOVE,
        methods=("DELETE",),
        path="/atoll/v1/members/{node}",
        handler=remove,
        doc="Count a dead member out: nobody waits for it any more.",
        parameters=(_FORCE,),
        answers=(Answer(status=202, doc="It is no member any more."),),
        errors=(MemberUnknown, MemberNotDead, CopiesAtStake, NotCaughtUp),
    ),
)
