"""The layout: who should be in the cluster, what it was, and how it is changed."""

from typing import Final

from aiohttp import web

from cluster.errors import (
    ChangeOpen,
    MemberNotDead,
    MemberUnknown,
    NewcomerAbsent,
    NotDecided,
    PlanUnknown,
    SurvivorsUnfit,
    VersionTaken,
)
from cluster.layout import (
    Layout,
    Plan,
    differences,
    fingerprint,
    unmet,
)
from cluster.model import NodeId
from node.admin.answers import answer, document
from node.admin.changes import wanted
from node.admin.context import AdminContext
from node.admin.layout_documents import (
    Apply,
    LayoutDocument,
    LayoutHistory,
    Moved,
    PlanDocument,
    PlanRequest,
    ShownChange,
    ShownEntry,
    ShownMember,
    ShownPlan,
    ShownRule,
    ShownSettings,
    Survivors,
)
from node.desk.layouts import decisions, lost_in, planned
from node.desk.planner import CHANGING
from node.desk.values import PlanMoves
from node.http.body_reader import read_document
from node.http.endpoint import Action, Body, Endpoint, Request


async def show(context: AdminContext, request: Request) -> web.Response:
    """GET of the layout."""
    return answer(_shown(context))


async def history(context: AdminContext, request: Request) -> web.Response:
    """GET of how it came to be."""
    shown = [ShownEntry(*each) for each in decisions(context.layouts.entries)]
    return answer(LayoutHistory(shown))


async def plan(context: AdminContext, request: Request) -> web.Response:
    """POST of changes: what they would be and move."""
    body = await read_document(request, PlanRequest, context.limits)
    asked = await wanted(context, body.changes)
    planned = await context.planner.plan(
        *asked.changes, lost=asked.lost, bytes_per_s=body.bytes_per_s
    )
    return answer(_planned(*planned))


async def apply(context: AdminContext, request: Request) -> web.Response:
    """POST: bring about what was planned."""
    body = await read_document(request, Apply, context.limits)
    await context.layouts.apply(body.version, body.fingerprint)
    return answer(_shown(context))


async def init(context: AdminContext, request: Request) -> web.Response:
    """POST: found a cluster of this node alone."""
    await context.generations.begin()
    return answer(_shown(context))


async def force(context: AdminContext, request: Request) -> web.Response:
    """POST: go on with the survivors of a disaster."""
    body = await read_document(request, Survivors, context.limits)
    await context.generations.force({NodeId(node) for node in body.survivors})
    return answer(_shown(context))


def shown_change(context: AdminContext) -> ShownChange | None:
    """The change that goes on."""
    view = context.layouts.view()
    if view is None:
        return None
    version = context.layouts.live.newest.version
    return ShownChange(version, view.phase, view.wait_s, [str(each) for each in view.hindrances])


def _shown(context: AdminContext) -> LayoutDocument:
    live = context.layouts.live
    layout = live.newest
    settings, plans = layout.settings, context.desk.cluster.plans
    return LayoutDocument(
        layout.version,
        fingerprint(layout),
        [
            ShownMember(m.node, m.region, m.zone, m.weight, m.roles, m.availability)
            for m in layout.members
        ],
        [ShownRule(rule.region, rule.copies, rule.weight) for rule in layout.rules],
        {str(witness.region): str(witness.node) for witness in layout.witnesses},
        ShownSettings(settings.copies, settings.regions_min, settings.degraded_writes),
        [str(each) for each in unmet(layout)],
        lost_in(live),
        shown_change(context),
        [
            ShownPlan(*planned(each, plans.of(fingerprint(each.newest))))
            for each in context.layouts.plans
        ],
    )


def _planned(before: Layout, new: Layout, plan: Plan, moves: PlanMoves) -> PlanDocument:
    return PlanDocument(
        plan.version,
        plan.fingerprint,
        differences(before, new),
        plan.blobs,
        plan.copies,
        plan.bytes,
        plan.far_bytes,
        plan.owed,
        plan.owed_bytes,
        plan.surplus,
        plan.surplus_bytes,
        plan.unreadable,
        moves.seconds,
        [
            Moved(node, t.blobs_in, t.bytes_in, t.blobs_out, t.bytes_out)
            for node, t in plan.nodes.items()
        ],
        moves.regions,
        moves.fullest_before,
        moves.fullest_after,
    )


ENDPOINTS: Final = (
    Endpoint(
        action=Action.LAYOUT_READ,
        methods=("GET",),
        path="/atoll/v1/layout",
        handler=show,
        doc="Show the layout: who should be in the cluster, and what it keeps.",
        answers=(document(200, "The layout.", LayoutDocument),),
        errors=(NotDecided,),
    ),
    Endpoint(
        action=Action.LAYOUT_HISTORY,
        methods=("GET",),
        path="/atoll/v1/layout/history",
        handler=history,
        doc="Show all decisions about the layout.",
        answers=(document(200, "The decisions.", LayoutHistory),),
    ),
    Endpoint(
        action=Action.LAYOUT_PLAN,
        methods=("POST",),
        path="/atoll/v1/layout/plan",
        handler=plan,
        doc="Tell which version changes would make, and what it would move; nothing changes.",
        body=Body(doc="The changes.", struct=PlanRequest),
        answers=(document(200, "The plan; this node keeps it.", PlanDocument),),
        errors=(*CHANGING, MemberUnknown, MemberNotDead, NewcomerAbsent),
    ),
    Endpoint(
        action=Action.LAYOUT_APPLY,
        methods=("POST",),
        path="/atoll/v1/layout/apply",
        handler=apply,
        doc="Bring about what was planned at this node: that, and nothing else.",
        body=Body(doc="The plan.", struct=Apply),
        answers=(document(200, "It is live.", LayoutDocument),),
        errors=(PlanUnknown, ChangeOpen, VersionTaken, NotDecided),
    ),
    Endpoint(
        action=Action.LAYOUT_INIT,
        methods=("POST",),
        path="/atoll/v1/layout/init",
        handler=init,
        doc="Found a cluster of this node alone.",
        answers=(document(200, "It is founded.", LayoutDocument),),
        errors=(VersionTaken, NotDecided),
    ),
    Endpoint(
        action=Action.LAYOUT_FORCE,
        methods=("POST",),
        path="/atoll/v1/layout/force",
        handler=force,
        doc="Go on without most voters, which are lost for good, and what only they had.",
        body=Body(doc="Who survived.", struct=Survivors),
        answers=(document(200, "They go on.", LayoutDocument),),
        errors=(*CHANGING, SurvivorsUnfit),
    ),
)
