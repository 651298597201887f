"""The cluster as this node sees it, its members one by one, and nodes that go for good."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Literal

import msgspec
from aiohttp import web

from cluster import ClusterStatistics
from cluster.errors import (
    LayoutRefused,
    MemberMissing,
    MemberNotDead,
    MemberUnknown,
    NotCaughtUp,
    NotDecided,
)
from cluster.layout import Availability, SetAvailability, Verdict
from cluster.model import NodeId
from node.admin.answers import answer, document
from node.admin.context import AdminContext
from node.desk.planner import CHANGING
from node.http.answers import empty_answer
from node.http.endpoint import Action, Answer, Endpoint, Request
from node.http.query import flag, seconds
from node.lifetime.departure import DRAIN_DEFAULT_S, DRAIN_MAX_S, FAREWELL_MAX_S

_LOST: Final = flag(
    "lost", "It is gone for good, and with it whatever nobody else has: a person said so."
)
_DRAIN: Final = seconds(
    "drain_s",
    "Seconds that the node serves on, while `/readyz` says 503.",
    most=DRAIN_MAX_S,
    default=DRAIN_DEFAULT_S,
)
_WAIT: Final = seconds(
    "wait_s",
    "Seconds to wait, beside `drain_s`, until it has left; no other request is answered by then.",
    most=FAREWELL_MAX_S,
    default=0.0,
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

    state: Literal["draining", "left", "failed"]
    """It serves on; is no member any more; or stops, and could not be taken out."""

    noted_by: Sequence[str]
    """Members that have said they count it no more."""

    why: str | None
    """Why it could not be taken out."""


class SafeToRemove(msgspec.Struct):
    """What becomes of the copies when a member goes."""

    node: str
    """The member."""

    safe: bool
    """Whether it may go: it drains, everybody knows, and others have all copies."""

    version: int
    """The version of the layout by which this holds."""

    draining: bool
    """Whether its copies count no more, so that others get them."""

    blobs_last: int
    """Blobs of which no other store that is there, and does not drain, has a copy."""

    bytes_last: int
    """The size of those."""

    blobs_short: int
    """Blobs of which others have copies, and fewer than the layout asks for."""

    bytes_short: int
    """The size of those."""

    examples: Sequence[str]
    """Some of both kinds."""

    unheard: Sequence[str]
    """Regions of which too few members have said that they know that it drains."""

    why: str | None
    """What is to be done or waited for first; null where it may go."""


class MemberChanged(msgspec.Struct):
    """A member after a change."""

    node: str
    """Its name."""

    availability: Availability
    """Whether it gets copies, and whether those count that it has."""

    version: int
    """The version of the layout in which that is so."""


async def cluster(context: AdminContext, request: Request) -> web.Response:
    """GET of the cluster as this node sees it."""
    return answer(context.cluster.statistics())


async def remove(context: AdminContext, request: Request) -> web.Response:
    """DELETE of a member that has drained, or is lost: nobody waits for it any more."""
    lost = request.query().one(_LOST)
    await context.departures.remove(NodeId(request.variable), lost=lost)
    return empty_answer(202)


async def leave(context: AdminContext, request: Request) -> web.Response:
    """POST: others get the node's copies; then it serves no more, is no member, and stops."""
    query = request.query()
    drain_s, wait_s = query.one(_DRAIN), query.one(_WAIT)
    verdict = await context.departures.begin(drain_s, lost=query.one(_LOST))
    with request.outliving():
        farewell = await context.departures.farewell(drain_s + wait_s if wait_s else 0.0)
    leaving = Leaving(
        verdict.node,
        drain_s,
        verdict.last,
        verdict.last_bytes,
        verdict.short,
        verdict.short_bytes,
        farewell.state,
        farewell.noted_by,
        farewell.why,
    )
    return answer(leaving, status=202)


async def stakes(context: AdminContext, request: Request) -> web.Response:
    """GET whether a member may go."""
    verdict = await context.layouts.verdict(NodeId(request.variable), context.rows)
    shown = SafeToRemove(
        verdict.node,
        verdict.safe,
        verdict.version,
        verdict.draining,
        verdict.last,
        verdict.last_bytes,
        verdict.short,
        verdict.short_bytes,
        verdict.examples,
        verdict.unheard,
        _why_not(verdict),
    )
    return answer(shown)


def _why_not(verdict: Verdict) -> str | None:
    try:
        verdict.insist()
    except LayoutRefused as exc:
        return str(exc)
    return None


def _becoming(
    availability: Availability,
) -> Callable[[AdminContext, Request], Awaitable[web.Response]]:
    async def become(context: AdminContext, request: Request) -> web.Response:
        node, layouts = NodeId(request.variable), context.layouts
        member = layouts.live.newest.member(node)
        if member is None:
            raise MemberMissing(node)
        version = layouts.live.newest.version
        if member.availability is not availability:
            version = await layouts.change(SetAvailability(node, availability))
        return answer(MemberChanged(node, availability, version))

    return become


def _availability(
    action: Action, word: str, availability: Availability, doc: str
) -> Endpoint[AdminContext]:
    return Endpoint(
        action=action,
        methods=("POST",),
        path=f"/atoll/v1/members/{{node}}/{word}",
        handler=_becoming(availability),
        doc=doc,
        answers=(document(200, "So it is.", MemberChanged),),
        errors=CHANGING,
    )


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
        parameters=(_DRAIN, _LOST, _WAIT),
        answers=(document(202, "It leaves, or has left.", Leaving),),
        errors=CHANGING,
    ),
    _availability(
        Action.MEMBER_PAUSE,
        "pause",
        Availability.PAUSED,
        "Have a member get no copies that it does not have; those that it has count.",
    ),
    _availability(
        Action.MEMBER_DRAIN,
        "drain",
        Availability.DRAINING,
        "Have others get the copies of a member, which count no more; it goes on serving.",
    ),
    _availability(
        Action.MEMBER_RESUME,
        "resume",
        Availability.ACTIVE,
        "Have a member get copies again, and count those that it has.",
    ),
    Endpoint(
        action=Action.MEMBER_STAKES,
        methods=("GET",),
        path="/atoll/v1/members/{node}/safe-to-remove",
        handler=stakes,
        doc="Tell whether a member may go, and what it would take along.",
        answers=(document(200, "What becomes of its copies.", SafeToRemove),),
        errors=(MemberMissing, NotDecided, NotCaughtUp),
    ),
    Endpoint(
        action=Action.MEMBER_REMOVE,
        methods=("DELETE",),
        path="/atoll/v1/members/{node}",
        handler=remove,
        doc="Take a member out of the layout that has drained, or that is lost for good.",
        parameters=(_LOST,),
        answers=(Answer(status=202, doc="It is no member any more."),),
        errors=(*CHANGING, MemberUnknown, MemberNotDead),
    ),
)
