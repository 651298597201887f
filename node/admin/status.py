"""How the cluster is: every member, the copies, the layout, and what somebody should look at."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal

import msgspec
from aiohttp import web

from cluster import ClusterStatistics, MemberStatistics
from cluster.errors import ClusterError, NotDecided, StorageFailure
from cluster.layout import Availability, LayoutMember, Live, Phase, Role, unmet
from cluster.model import Status, Vitals
from node.admin.answers import answer, document
from node.admin.context import AdminContext
from node.admin.layout import shown_change
from node.admin.layout_documents import ShownChange
from node.http.endpoint import Action, Endpoint, Request
from node.registry.tags import CONFLICTS_PAGE_MAX

State = Literal["alive", "suspect", "dead", "left", "outside", "unheard"]


class MemberState(msgspec.Struct):
    """A node: a member by the layout, or one that is there and is none."""

    node: str
    """Its name."""

    region: str
    """Where it is."""

    zone: str
    """What it fails together with inside the region; may be empty."""

    weight: int | None
    """Its share of the region's copies; null for who is no member."""

    roles: Sequence[Role]
    """What it does by the layout."""

    availability: Availability | None
    """By the layout; null for who is no member."""

    state: State
    """`outside` is there and is no member with this disk; nobody has heard of who is `unheard`."""

    connected: bool
    """Whether the node that is asked has a link to it."""

    http: str | None
    """Where its registry API is; null where nobody has heard of it."""

    version: str | None
    """That of Atoll; null where it is not known."""

    lag_events: int | None
    """Events of the node that is asked which it is not known to have."""

    disk_bytes: int | None
    """The size of its disk; null where it is not known, as are those that follow."""

    disk_free_bytes: int | None
    """What is free of it."""

    blobs: int | None
    """Blobs on it, whoever counts on them."""

    blob_bytes: int | None
    """Their size."""

    clock_ahead_ms: float | None
    """How far its clock is ahead of that of the node that is asked."""

    trouble: str | None
    """What keeps it from serving all that it could."""

    uncovered: str | None
    """Why it asks its region before each read; null while leases cover its reads."""


class CopiesState(msgspec.Struct):
    """How the copies of all blobs are."""

    blobs: int
    """All that some repository has."""

    bytes: int
    """Their size."""

    short: int
    """Blobs on fewer stores that are there, or in fewer regions, than the layout asks for."""

    short_bytes: int
    """Their size."""

    gone: int
    """Blobs of which nobody who is there has a copy."""

    gone_bytes: int
    """Their size."""

    examples: Sequence[str]
    """Some of both kinds."""


class ClusterState(msgspec.Struct):
    """The cluster, as the node sees it that is asked."""

    node: str
    """Who is asked."""

    region: str
    """Where that is."""

    auth: str
    """`on`, or `open`: whoever reaches it may do anything."""

    layout: int | None
    """The version of the layout that is live; null where there is none, or it cannot be read."""

    change: ShownChange | None
    """The change of the layout that goes on."""

    members: Sequence[MemberState]
    """By name."""

    copies: CopiesState | None
    """null where that cannot be told."""

    conflicts: int | None
    """Tags whose heads disagree, 1,000 at the most; null where that cannot be told."""

    attention: Sequence[str]
    """What a person should look at; none while all is well."""


async def status(context: AdminContext, request: Request) -> web.Response:
    """GET of how the cluster is."""
    statistics = context.cluster.statistics()
    try:
        live, unknown = context.layouts.live, ""
    except NotDecided as exc:
        live, unknown = None, str(exc)
    members = sorted(_members(statistics, live), key=lambda member: member.node)
    copies, no_copies = await _copies(context)
    conflicts, no_conflicts = await _conflicts(context)
    change = None if live is None else shown_change(context)
    attention = [
        unknown,
        *(line for member in members for line in _about_member(member)),
        *_about_engine(statistics),
        *_about_layout(live, change),
        *_about_copies(copies, no_copies),
        no_conflicts,
        f"{conflicts} tags are in conflict: see GET /atoll/v1/conflicts" if conflicts else "",
    ]
    shown = ClusterState(
        statistics.node,
        statistics.region,
        statistics.settings.get("auth", "on"),
        None if live is None else live.newest.version,
        change,
        members,
        copies,
        conflicts,
        [line for line in attention if line],
    )
    return answer(shown)


def _members(statistics: ClusterStatistics, live: Live | None) -> Iterator[MemberState]:
    """Who is in the layout, and who is there and is not."""
    known = {member.node: member for member in statistics.members}
    members = {} if live is None else {m.node: m for lay in live.layouts for m in lay.members}
    for node, member in members.items():
        if node == statistics.node:
            yield _me(statistics, member)
        else:
            yield _other(member, known.pop(node, None))
    if statistics.node not in members:
        yield _me(statistics, None)
    for other in known.values():
        # Who went away and is no member is nobody's business any more.
        if live is None or other.status not in (Status.DEAD, Status.LEFT):
            yield _outside(other)


def _me(statistics: ClusterStatistics, member: LayoutMember | None) -> MemberState:
    in_layout = member is not None and statistics.in_layout
    shown = _by_layout(member, statistics.node, statistics.region)
    shown.state, shown.connected = "alive" if in_layout else "outside", True
    shown.http, shown.lag_events, shown.clock_ahead_ms = statistics.http, 0, 0.0
    return _with_vitals(shown, statistics.vitals)


def _other(member: LayoutMember, known: MemberStatistics | None) -> MemberState:
    shown = _by_layout(member, member.node, member.region)
    if known is None:
        return shown
    shown = _with_known(shown, known)
    if not known.in_layout and shown.state != "dead":
        shown.state = "outside"
    return shown


def _outside(known: MemberStatistics) -> MemberState:
    shown = _with_known(_by_layout(None, known.node, known.region), known)
    if shown.state not in ("left", "dead"):
        shown.state = "outside"
    return shown


def _by_layout(member: LayoutMember | None, node: str, region: str) -> MemberState:
    """What the layout says; nobody has heard of it yet."""
    return MemberState(
        node=node,
        region=region,
        zone="" if member is None else member.zone,
        weight=None if member is None else member.weight,
        roles=() if member is None else member.roles,
        availability=None if member is None else member.availability,
        state="unheard",
        connected=False,
        http=None,
        version=None,
        lag_events=None,
        disk_bytes=None,
        disk_free_bytes=None,
        blobs=None,
        blob_bytes=None,
        clock_ahead_ms=None,
        trouble=None,
        uncovered=None,
    )


def _with_known(shown: MemberState, known: MemberStatistics) -> MemberState:
    shown.state = _STATES[known.status]
    shown.connected, shown.http = known.connected, known.http
    shown.lag_events, ahead_ms = known.lag_events, known.clock_ahead_ms
    shown.clock_ahead_ms = None if ahead_ms is None else round(ahead_ms, 1)
    # What it said before it went away need not hold any more.
    return _with_vitals(shown, known.vitals if known.connected else None)


def _with_vitals(shown: MemberState, vitals: Vitals | None) -> MemberState:
    if vitals is not None:
        shown.version, shown.trouble = vitals.version or None, vitals.trouble or None
        shown.uncovered = vitals.uncovered or None
        shown.disk_bytes = vitals.disk_bytes or None
        shown.disk_free_bytes = vitals.disk_free_bytes if vitals.disk_bytes else None
        shown.blobs, shown.blob_bytes = vitals.blobs, vitals.blob_bytes
    return shown


async def _copies(context: AdminContext) -> tuple[CopiesState | None, str]:
    """How the copies are, or why that cannot be told."""
    try:
        found = await context.copies.look()
    except (ClusterError, StorageFailure) as exc:
        return None, f"the copies of blobs cannot be counted: {exc}"
    return CopiesState(**found._asdict()), ""


async def _conflicts(context: AdminContext) -> tuple[int | None, str]:
    try:
        found, _ = await context.registry.tags.conflicts(None, None, CONFLICTS_PAGE_MAX)
    except (ClusterError, StorageFailure) as exc:
        return None, f"conflicts cannot be counted: {exc}"
    return len(found), ""


def _about_member(member: MemberState) -> Iterator[str]:
    node = member.node
    match member.state:
        case "dead":
            yield f"{node} is dead: start it again, or `atoll node remove {node} --lost`"
        case "unheard":
            yield f"nobody has heard of {node}: start it, or `atoll node remove {node} --lost`"
        case "suspect":
            yield f"{node} is suspect: it is slow, cut off or down"
        case "outside" if member.availability is None:
            yield f"{node} is no member: `atoll node add {node}`, if it is to be one"
        case "outside":
            yield f"{node} is there with another disk: `atoll node replace {node} {node} --lost`"
        case "alive" if not member.connected:
            yield f"no link to {node}, which is alive"
    if member.trouble and member.state != "outside":
        yield f"{node}: {member.trouble}"
    if member.uncovered and member.state == "alive":
        yield f"{node} asks its region before each read: {member.uncovered}"


_LOGS_PER_NODE: Final = 50
"""Entries of the vector from which on it says so: there are two where every member is there."""


def _about_engine(statistics: ClusterStatistics) -> Iterator[str]:
    for other in statistics.members:
        for name, value in other.settings_differing.items():
            yield f"{other.node} has another {name} than {statistics.node}: {value}"
    for node in statistics.differing:
        yield f"the index of {node} is another one than that of {statistics.node}: docs/damage.md"
    if statistics.logs_standing:
        yield f"{statistics.logs_standing} logs stand still: see `a log stands still` in the log"
    if statistics.logs > _LOGS_PER_NODE * (len(statistics.members) + 1):
        yield (
            f"{statistics.logs} logs are told in greetings: those of ended runs are retired "
            "once every member by the layout is there"
        )


def _about_layout(live: Live | None, change: ShownChange | None) -> Iterator[str]:
    if live is not None:
        for each in unmet(live.newest):
            yield f"the layout asks for more than its members give: {each}"
    if change is not None and change.phase is Phase.STALLED:
        why = "; ".join(change.hindrances)
        yield f"the change to version {change.version} STALLED: {why}"


def _about_copies(copies: CopiesState | None, unknown: str) -> Iterator[str]:
    if copies is None:
        yield unknown
        return
    if copies.short:
        yield f"{copies.short} blobs ({copies.short_bytes} bytes) have too few copies"
    if copies.gone:
        yield f"{copies.gone} blobs ({copies.gone_bytes} bytes) are on nobody who is there"


_STATES: Final[Mapping[Status, State]] = {
    Status.ALIVE: "alive",
    Status.SUSPECT: "suspect",
    Status.DEAD: "dead",
    Status.LEFT: "left",
}

ENDPOINTS: Final = (
    Endpoint(
        action=Action.STATUS,
        methods=("GET",),
        path="/atoll/v1/status",
        handler=status,
        doc="Show how the cluster is, and what somebody should look at.",
        answers=(document(200, "How it is.", ClusterState),),
    ),
)
