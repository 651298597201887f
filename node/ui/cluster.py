"""The cluster's page: what may be stopped, the nodes, what goes on, plans, links, decisions."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from aiohttp import web

from cluster.errors import (
    ChangeOpen,
    MemberNotDead,
    MemberUnknown,
    NewcomerAbsent,
    NotDecided,
    PlanUnknown,
    VersionTaken,
)
from cluster.model import NODE_ID, NodeId
from node.desk.layouts import DeskLayout, DeskPlan
from node.desk.planner import CHANGING
from node.desk.values import DeskNode, DeskNodes, DeskRegions, NodeCondition, WorkUnderWay
from node.errors import DocumentInvalid
from node.http.endpoint import Action, Request
from node.http.forms import FormFields
from node.ui import text
from node.ui.chart import BEHIND_S
from node.ui.columns import ColumnHead
from node.ui.context import UiContext
from node.ui.page import Sheet, about, form, gone_to, page
from node.ui.regions import DiskShown, behind, disk_shown, milliseconds
from node.ui.tabs import CLUSTER

REFRESH_S: Final = 5

DECISIONS_MAX: Final = 20
"""Decisions about the layout that are shown, the latest."""

NAMES_MAX: Final = 9
"""Nodes that are named in a sentence; of more there is a number."""

_COLUMNS: Final = (
    ColumnHead("Node"),
    ColumnHead("State"),
    ColumnHead("Role"),
    ColumnHead("Version"),
    ColumnHead("Behind", num=True),
    ColumnHead("Disk"),
    ColumnHead("Round trip", num=True),
    ColumnHead("Clock", num=True),
    ColumnHead("May be stopped"),
)

_DECIDED: Final = (
    ColumnHead("Layout"),
    ColumnHead("Step"),
    ColumnHead("By"),
    ColumnHead("What"),
)

_KINDS: Final[Mapping[NodeCondition, str]] = {
    "serving": "ok",
    "draining": "move",
    "paused": "move",
    "joining": "move",
    "restoring": "move",
    "troubled": "warn",
    "stopped": "warn",
    "unlinked": "warn",
    "suspect": "warn",
    "outside": "warn",
    "dead": "bad",
    "left": "bad",
    "unheard": "bad",
}

_PERHAPS_LOST: Final[frozenset[NodeCondition]] = frozenset({"dead", "unheard", "outside"})
"""Of these a member may never come back: *outside*, what bears its name has another disk."""

_VERSION: Final = re.compile("[0-9]{1,9}", re.ASCII)

_STEPS: Final = {"begin": "begins", "forsake": "goes on without who is lost", "end": "is live"}


class ClusterStanding(NamedTuple):
    """How it is, in a sentence."""

    kind: str
    title: str
    text: str


class NodeRow(NamedTuple):
    """A node, as the table has it."""

    name: str
    where: str
    kind: str
    state: str
    role: str
    version: str
    behind: str
    is_behind: bool
    disk: DiskShown | None
    trip: str
    clock: str
    may_stop: str
    why_not: Sequence[str]
    notes: Sequence[str]
    """What else is to be known of it."""

    mark: str
    may_go: bool
    """Whether a layout without it can be planned: it is a member, and perhaps lost."""


class WorkItem(NamedTuple):
    """Something that takes long, as `parts/work.html` asks for it."""

    title: str
    percent: float | None
    """None: nothing is counted."""

    done: str
    left: str
    stalled: str
    next: str


class Pair(NamedTuple):
    """A name and a value."""

    name: str
    value: str


class PlanItem(NamedTuple):
    """A planned change of the layout."""

    version: str
    fingerprint: str
    changes: Sequence[str]
    lost: str
    """Who is lost by it; empty: nobody."""

    typed: str
    pairs: Sequence[Pair]


class LinkCell(NamedTuple):
    """From one region to another."""

    text: str
    kind: str


class LinkRow(NamedTuple):
    """From one region to each."""

    name: str
    cells: Sequence[LinkCell]


class DecisionRow(NamedTuple):
    """A decision about the layout."""

    version: str
    step: str
    by: str
    changes: Sequence[str]
    mark: str


async def cluster(context: UiContext, request: Request) -> Sheet:
    """The page: all of it is what this node knows, so it waits for nobody."""
    desk = context.desk.cluster
    nodes, regions, work, layout = desk.nodes(), desk.regions(), desk.work(), desk.layout()
    names = [region.region for region in regions.regions]
    standing = standing_of(nodes, regions, layout)
    return Sheet(
        template="cluster.html",
        title="Cluster",
        terminal="atoll top",
        values={
            "standing": standing,
            "columns": _COLUMNS,
            "nodes": [node_row(node) for node in nodes.nodes],
            "missing": ", ".join(nodes.missing),
            "work": [work_item(each, work.time) for each in work.work],
            "counted": work.counted,
            "plans": [plan_item(each) for each in reversed(layout.plans)],
            "may_apply": request.principal.rights.may(Action.PAGE_LAYOUT_APPLY),
            "region_names": names,
            "links": [links_of(regions)],
            "decided": _DECIDED,
            "decisions": list(decisions_of(layout)),
        },
    )


def standing_of(nodes: DeskNodes, regions: DeskRegions, layout: DeskLayout) -> ClusterStanding:
    """How many serve, what may be stopped, and whether the layout can be changed."""
    members = sum(region.nodes for region in regions.regions)
    serving = sum(region.serving for region in regions.regions)
    dark = any(region.nodes and not region.serving for region in regions.regions)
    kind = "bad" if dark or not members else "warn" if serving < members else "ok"
    told = [_stoppable(nodes, regions), _deciding(layout)]
    return ClusterStanding(kind, f"{serving} of {_many(members, 'node')} serve", " ".join(told))


def _stoppable(nodes: DeskNodes, regions: DeskRegions) -> str:
    if nodes.counted is None:
        return "Which nodes may be stopped is not known: the copies are not counted yet."
    if not nodes.may_stop:
        return "No node may be stopped now."
    names, some = ", ".join(nodes.may_stop), len(nodes.may_stop)
    told = f"one of {names}" if some <= NAMES_MAX else f"any one of {some} nodes, see below,"
    if some == 1:
        told = names
    none = [region.region for region in regions.regions if region.nodes and not region.may_stop]
    rest = f"; none in {' or '.join(none)}" if none else ""
    return f"You may stop {told} for a while{rest}."


def _deciding(layout: DeskLayout) -> str:
    voters, silent = len(layout.voters), len(layout.silent)
    if layout.version is None:
        return "There is no layout."
    there = f"{voters - silent} of {_many(voters, 'voter')} answer"
    if 2 * silent < voters:
        return f"{there}, so the layout can be changed."
    return f"{there}: the layout cannot be changed from here."


def node_row(node: DeskNode) -> NodeRow:
    """A node, as the table has it."""
    clock, stop = node.clock_ahead_ms, node.stop
    kind = _KINDS[node.condition]
    return NodeRow(
        node.node,
        f"{node.region}, zone {node.zone}" if node.zone else node.region,
        kind,
        node.condition,
        ", ".join(node.roles) or "\N{EN DASH}",
        node.version or "not known",
        behind(node.behind_events, node.behind_s),
        (node.behind_s or 0.0) >= BEHIND_S,
        None if node.disk is None else disk_shown(node.disk, text.byte_count(node.disk.bytes)),
        milliseconds(node.round_trip_ms),
        "not known" if clock is None else f"{clock:+.0f}{text.SPACE}ms",
        "\N{EN DASH}" if stop is None else "yes" if stop.safe else "no",
        [] if stop is None else [each.text for each in stop.hindrances],
        list(_notes(node)),
        "alert" if kind == "bad" else "",
        bool(node.roles) and node.condition in _PERHAPS_LOST,
    )


def _notes(node: DeskNode) -> Iterator[str]:
    if node.trouble:
        yield node.trouble
    if node.uncovered:
        yield f"asks its region before each read: {node.uncovered}"
    for name, value in node.settings_differing.items():
        yield f"another {name}: {value}"


def work_item(work: WorkUnderWay, now: float) -> WorkItem:
    """A piece of work, as the part asks for it."""
    stall = work.stalled
    return WorkItem(
        work.title,
        None if not work.total else 100 * (work.done or 0) / work.total,
        ", ".join(_done(work)) or work.told or f"for {text.duration(now - work.since)}",
        "" if stall else _left(work),
        "" if stall is None else f"{stall.why} (for {text.duration(now - stall.since)})",
        "" if stall is None else "; ".join(_step(each.text, each.command) for each in stall.next),
    )


def _step(told: str, command: str) -> str:
    return f"{told}: {command}" if command else told


def _done(work: WorkUnderWay) -> Iterator[str]:
    if work.total:
        yield f"{text.count(work.done or 0)} of {text.count(work.total)} {work.unit}"
    if work.total_bytes:
        yield f"{text.byte_count(work.done_bytes or 0)} of {text.byte_count(work.total_bytes)}"
    if work.bytes_per_s is not None:
        yield f"{text.byte_count(work.bytes_per_s)}/s"
    if work.total and work.told:
        yield work.told


def _left(work: WorkUnderWay) -> str:
    return "" if work.eta_s is None else f"{text.duration(work.eta_s)} left"


def plan_item(plan: DeskPlan) -> PlanItem:
    """A plan, with what it would move where that is known."""
    return PlanItem(
        str(plan.version),
        plan.fingerprint,
        plan.changes,
        ", ".join(plan.lost),
        _to_type(plan),
        list(_moves(plan)),
    )


def _moves(plan: DeskPlan) -> Iterator[Pair]:
    moves = plan.moves
    if moves is None:
        yield Pair("Moves", "not kept: plan it again to see")
        return
    yield Pair("Moves", f"{text.count(moves.blobs)} blobs, {text.byte_count(moves.bytes)}")
    yield Pair("Between regions", text.byte_count(moves.far_bytes))
    for region in moves.regions:
        told = f"gets {text.byte_count(region.bytes_in)}, gives {text.byte_count(region.bytes_out)}"
        yield Pair(region.region, told)
    yield Pair("Takes", f"{text.duration(moves.seconds)} at least")
    before, after = moves.fullest_before, moves.fullest_after
    if before is not None and after is not None:
        told = (
            f"{before.node} at {round(100 * before.used_share)}{text.SPACE}% before, "
            f"{after.node} at {round(100 * after.used_share)}{text.SPACE}% after"
        )
        yield Pair("Fullest disk", told)


def links_of(regions: DeskRegions) -> LinkRow:
    """From the region of this node to each: of others' links it knows nothing."""
    to = {link.to: link for link in regions.links}
    cells = []
    for region in regions.regions:
        link = to.get(region.region)
        if link is None:
            cells.append(LinkCell("\N{EN DASH}", "self"))
            continue
        told = f"{behind(link.behind_events, link.behind_s)} behind"
        slow = (link.behind_s or 0.0) >= BEHIND_S
        trip = milliseconds(link.round_trip_ms)
        cells.append(LinkCell(f"{told}, {trip}", "warn" if slow else ""))
    return LinkRow(f"from {regions.region}", cells)


def decisions_of(layout: DeskLayout) -> Iterator[DecisionRow]:
    """The latest decisions."""
    for each in layout.decisions[:DECISIONS_MAX]:
        yield DecisionRow(
            str(each.version),
            _STEPS[each.step],
            each.who or f"{each.author} (who asked was not noted)",
            each.changes,
            "served" if each.version == layout.version else "",
        )


async def plan_lost(
    context: UiContext, request: Request, fields: FormFields
) -> Sheet | web.StreamResponse:
    """POST: plan a layout without a member that is lost, or with another node in its place."""
    node, by = fields.one("node"), fields.one("by").strip()
    about(request, f"{node} by {by}" if by else node)
    for name in (node, *([by] if by else [])):
        if NODE_ID.fullmatch(name) is None:
            raise DocumentInvalid(f"{name[:80]!r} is not the name of a node; nothing was done")
    await context.planner.plan_lost(NodeId(node), NodeId(by) if by else None)
    return gone_to(f"{CLUSTER}#plan")


async def apply_plan(
    context: UiContext, request: Request, fields: FormFields
) -> Sheet | web.StreamResponse:
    """POST: bring a plan about. Its version was typed; where members are lost, their names."""
    version, fingerprint = fields.one("version"), fields.one("fingerprint")
    about(request, f"layout {version}")
    plans = {each.fingerprint: each for each in context.desk.cluster.layout().plans}
    plan = plans.get(fingerprint)
    if plan is None or str(plan.version) != version:
        raise PlanUnknown(int(version) if _VERSION.fullmatch(version) else 0, fingerprint)
    wanted = _to_type(plan)
    if fields.one("typed").strip() != wanted:
        what = "who is lost by the plan" if plan.lost else "the version of the plan"
        raise DocumentInvalid(f"type {wanted}, {what}; nothing was done")
    await context.planner.apply(plan.version, fingerprint)
    return gone_to(f"{CLUSTER}#layouts")


def _to_type(plan: DeskPlan) -> str:
    """What a person types who means it."""
    return ", ".join(plan.lost) or str(plan.version)


def _many(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


ENDPOINTS: Final = (
    page(
        Action.PAGE_CLUSTER,
        CLUSTER,
        cluster,
        "Show the nodes, which of them may be stopped, what goes on, plans and decisions.",
        route="/atoll/v1/members",
        tab=CLUSTER,
        refresh_s=REFRESH_S,
        errors=(),
    ),
    form(
        Action.PAGE_LAYOUT_PLAN,
        f"{CLUSTER}/lost",
        plan_lost,
        "Plan a layout without a member that is lost, or with another node in its place.",
        route="/atoll/v1/layout/plan",
        recent=True,
        errors=(MemberUnknown, MemberNotDead, NewcomerAbsent, *CHANGING),
    ),
    form(
        Action.PAGE_LAYOUT_APPLY,
        f"{CLUSTER}/apply",
        apply_plan,
        "Bring a planned layout about.",
        route="/atoll/v1/layout/apply",
        recent=True,
        errors=(PlanUnknown, ChangeOpen, VersionTaken, NotDecided),
    ),
)
