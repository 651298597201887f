"""How the cluster is: every member, the copies, the layout, and what somebody should look at."""

from collections.abc import Sequence
from typing import Final

import msgspec
from aiohttp import web

from cluster.layout import Availability, Role
from node.admin.answers import answer, document
from node.admin.context import AdminContext
from node.admin.layout import shown_change
from node.admin.layout_documents import ShownChange
from node.attention.facts import MemberCondition
from node.http.endpoint import Action, Endpoint, Request


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

    state: MemberCondition
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
    """What a person should look at, the worst first: what `/atoll/v1/attention` tells in full, but
    for its notices. None while all is well."""


async def status(context: AdminContext, request: Request) -> web.Response:
    """GET of how the cluster is."""
    seen = await context.attention.look()
    facts = seen.facts
    copies = facts.copies
    shown = ClusterState(
        facts.node,
        facts.region,
        "open" if facts.access.is_open else "on",
        None if facts.layout is None else facts.layout.version,
        None if facts.layout is None else shown_change(context),
        [msgspec.convert(each, MemberState, from_attributes=True) for each in facts.members],
        None if copies is None else CopiesState(*copies[:7]),
        facts.conflicts,
        [each.line for each in seen.pressing],
    )
    return answer(shown)


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
