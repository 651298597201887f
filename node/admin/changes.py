"""Changes of the layout, as operators send them."""

from collections.abc import Collection, Sequence
from typing import Annotated, NamedTuple, assert_never

import msgspec

from cluster.errors import MemberMissing
from cluster.layout import (
    COPIES_MAX,
    Add,
    Availability,
    Change,
    DegradedWrites,
    DropRule,
    Layout,
    NameWitness,
    RegionRule,
    Remove,
    Replace,
    Role,
    SetAvailability,
    SetRoles,
    SetRule,
    SetSettings,
    SetVoters,
    SetWeight,
    SetZone,
    Verdict,
)
from cluster.model import NODE_ID, NodeId, Region
from node.admin.context import AdminContext
from node.desk.settings import REGIONS_MAX

Name = Annotated[
    str,
    msgspec.Meta(
        pattern=rf"\A(?:{NODE_ID.pattern})\Z", extra_json_schema={"description": "a name"}
    ),
]
_Weight = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
_Copies = Annotated[int, msgspec.Meta(ge=0, le=COPIES_MAX)]


class _Sent(msgspec.Struct, forbid_unknown_fields=True, tag_field="change"):
    """One change, of the kind that `change` names."""


class AddMember(_Sent, tag="add"):
    """A node that is there becomes a member: a store, of the region that it says."""

    node: Name
    """Its name."""

    zone: str | None = None
    """What fails together; null: what the node says itself."""

    weight: _Weight | None = None
    """Its share of the region's copies; null: likewise."""


class RemoveMember(_Sent, tag="remove"):
    """A member goes that has drained, or that is lost."""

    node: Name
    """Its name."""

    lost: bool = False
    """It is gone for good, and with it whatever nobody else has: a person said so."""


class ReplaceMember(_Sent, tag="replace"):
    """Another node takes the place of a member, or the same node with another disk."""

    node: Name
    """Who goes."""

    by: Name
    """Who comes, and is there."""

    lost: bool = False
    """As of `remove`."""


class SetMemberWeight(_Sent, tag="weight"):
    """A member gets another share of its region's copies."""

    node: Name
    """Its name."""

    weight: _Weight
    """Relative to the others'."""


class SetMemberZone(_Sent, tag="zone"):
    """A member fails together with others than before."""

    node: Name
    """Its name."""

    zone: str
    """May be empty."""


class SetMemberRoles(_Sent, tag="roles"):
    """What a member does."""

    node: Name
    """Its name."""

    roles: Annotated[list[Role], msgspec.Meta(min_length=1, max_length=3)]
    """All of them. A store that is none any more has to drain first."""


class SetMemberAvailability(_Sent, tag="availability"):
    """Whether a member gets copies, and whether those count that it has."""

    node: Name
    """Its name."""

    availability: Availability
    """What it becomes."""


class NameVoters(_Sent, tag="voters"):
    """Who decides about the layout: these, and nobody else."""

    nodes: Annotated[list[Name], msgspec.Meta(min_length=1, max_length=5)]
    """1, 3 or 5 of the members; 2 in a cluster of two."""


class SetRegionRule(_Sent, tag="rule"):
    """What a region keeps, where that is not as everywhere."""

    region: Name
    """Its name."""

    copies: _Copies | None
    """Of each blob that it keeps; null: as everywhere."""

    weight: _Weight = 1
    """Its share of other regions' blobs."""


class SetShared(_Sent, tag="settings"):
    """What has to be the same on every node; null: as it is."""

    copies: Annotated[int, msgspec.Meta(ge=1, le=COPIES_MAX)] | None = None
    """Nodes that have what is pushed before it is acknowledged."""

    regions_min: Annotated[int, msgspec.Meta(ge=1, le=REGIONS_MAX)] | None = None
    """Regions that keep each blob in the end."""

    degraded_writes: DegradedWrites | None = None
    """What a cluster of no more stores than `copies` does while one is away."""


class SetWitness(_Sent, tag="witness"):
    """The third of the quorum of a region that has two stores."""

    region: Name
    """Its name."""

    node: Name
    """Who is it."""


SentChange = (
    AddMember
    | RemoveMember
    | ReplaceMember
    | SetMemberWeight
    | SetMemberZone
    | SetMemberRoles
    | SetMemberAvailability
    | NameVoters
    | SetRegionRule
    | SetShared
    | SetWitness
)


class Wanted(NamedTuple):
    """Changes that make one version, and the members that are lost by it."""

    changes: Sequence[Change]
    lost: Collection[NodeId]


async def wanted(context: AdminContext, sent: Sequence[SentChange]) -> Wanted:
    """
    What *sent* is to the engine.

    Raises:
        MemberMissing, MemberUnknown, MemberNotDead, NewcomerAbsent: a name in it makes no sense.
        NotCaughtUp, StorageFailure: what a member has that is to go cannot be told.
    """
    layout = context.layouts.live.newest
    lost = {
        NodeId(each.node)
        for each in sent
        if isinstance(each, RemoveMember | ReplaceMember) and each.lost
    }
    for node in sorted(lost):
        context.layouts.insist_lost(node)
    return Wanted([await _wanted(context, layout, each) for each in sent], lost)


async def _wanted(context: AdminContext, layout: Layout, sent: SentChange) -> Change:
    match sent:
        case AddMember(node=node, zone=zone, weight=weight):
            return Add(context.layouts.newcomer(NodeId(node), zone=zone, weight=weight))
        case RemoveMember(node=node, lost=lost):
            return Remove(NodeId(node), await _verdict(context, layout, node, lost=lost))
        case ReplaceMember(node=node, by=by, lost=lost):
            verdict = await _verdict(context, layout, node, lost=lost)
            return Replace(NodeId(node), context.layouts.newcomer(NodeId(by)), verdict)
        case SetMemberWeight(node=node, weight=weight):
            return SetWeight(NodeId(node), weight)
        case SetMemberZone(node=node, zone=zone):
            return SetZone(NodeId(node), zone)
        case SetMemberRoles(node=node, roles=roles):
            verdict = await _verdict(context, layout, node, lost=Role.STORE in roles)
            return SetRoles(NodeId(node), frozenset(roles), verdict)
        case SetMemberAvailability(node=node, availability=availability):
            return SetAvailability(NodeId(node), availability)
        case NameVoters(nodes=nodes):
            return SetVoters(frozenset(map(NodeId, nodes)))
        case SetRegionRule(region=region, copies=copies, weight=weight):
            if copies is None:
                return DropRule(Region(region))
            return SetRule(RegionRule(Region(region), copies, weight))
        case SetShared():
            given = {
                name: value
                for name, value in msgspec.structs.asdict(sent).items()
                if value is not None
            }
            return SetSettings(msgspec.structs.replace(layout.settings, **given))
        case SetWitness(region=region, node=node):
            return NameWitness(Region(region), NodeId(node))
        case _:
            assert_never(sent)


async def _verdict(
    context: AdminContext, layout: Layout, node: str, *, lost: bool
) -> Verdict | None:
    """Whether a store may go; None where nobody asks: it is *lost*, stays one, or is none."""
    member = layout.member(NodeId(node))
    if member is None:
        raise MemberMissing(NodeId(node))
    if lost or not member.is_store:
        return None
    return await context.layouts.verdict(member.node, context.rows)
