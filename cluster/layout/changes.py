"""What an operator changes, as data; and what the proposer knows beside the layout."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from cluster.layout.document import Availability, LayoutMember, RegionRule, Role, Settings
from cluster.layout.removal import Verdict
from cluster.model import NodeId, Region


class Add(NamedTuple):
    member: LayoutMember


class Remove(NamedTuple):
    """*verdict* may be missing for a member that is lost."""

    node: NodeId
    verdict: Verdict | None = None


class Replace(NamedTuple):
    """Another member takes the place, or the same one with another disk."""

    node: NodeId
    successor: LayoutMember
    verdict: Verdict | None = None


class SetWeight(NamedTuple):
    node: NodeId
    weight: int


class SetZone(NamedTuple):
    node: NodeId
    zone: str


class SetRoles(NamedTuple):
    """Who stops being a store needs a *verdict*, as if it were removed."""

    node: NodeId
    roles: frozenset[Role]
    verdict: Verdict | None = None


class SetVoters(NamedTuple):
    """These are the voters, and nobody else."""

    nodes: frozenset[NodeId]


class SetAvailability(NamedTuple):
    node: NodeId
    availability: Availability


class SetRule(NamedTuple):
    rule: RegionRule


class DropRule(NamedTuple):
    """The region keeps what is kept everywhere."""

    region: Region


class SetSettings(NamedTuple):
    settings: Settings


class NameWitness(NamedTuple):
    region: Region
    node: NodeId


Change = (
    Add
    | Remove
    | Replace
    | SetWeight
    | SetZone
    | SetRoles
    | SetVoters
    | SetAvailability
    | SetRule
    | DropRule
    | SetSettings
    | NameWitness
)


Distance = Mapping[tuple[Region, NodeId], float]
"""Round trips between a region and a member elsewhere, in any unit, as far as they are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What the proposer knows beside the layout."""

    answering: Collection[NodeId] | None = None
    """Members that answer, and have the last decided slot. None: nobody was asked, as for a plan
    that is only shown."""

    lost: frozenset[NodeId] = frozenset()
    """Members that are switched off for good, by an operator's word. What only they had is gone."""

    distance: Distance = field(default_factory=dict)
    """Used once, by who proposes: the witness is named in the document, and nobody measures again.
    Where nothing is known, the first by name is."""


UNASKED: Final = Circumstances()
"""Those of a plan: nothing is known."""
