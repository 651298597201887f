"""What is said of the layout, and asked for, as JSON."""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from cluster.layout import Availability, DegradedWrites, Phase, Role
from node.admin.changes import Name, SentChange
from node.desk.plans import BYTES_PER_S
from node.desk.values import DiskUse, PlanMoves, RegionMoves


class ShownMember(msgspec.Struct):
    """A member, as it should be."""

    node: str
    """Its name."""

    region: str
    """Where it is, for its life."""

    zone: str
    """What fails together inside the region; may be empty."""

    weight: int
    """Its share of the region's copies, relative to the others'."""

    roles: Sequence[Role]
    """What it does."""

    availability: Availability
    """Whether it gets copies, and whether those count that it has."""


class ShownRule(msgspec.Struct):
    """What a region keeps, where that is not as everywhere."""

    region: str
    """Its name."""

    copies: int
    """Of each blob that it keeps."""

    weight: int
    """Its share of other regions' blobs."""


class ShownSettings(msgspec.Struct):
    """What has to be the same on every node."""

    copies: int
    """Nodes that have what is pushed before it is acknowledged."""

    regions_min: int
    """Regions that keep each blob in the end."""

    degraded_writes: DegradedWrites
    """What a cluster of no more stores than `copies` does while one is away."""


class ShownChange(msgspec.Struct):
    """A change that goes on: two versions are live."""

    version: int
    """The later one."""

    phase: Phase
    """How far it is: `stalled` when nothing has come of it for a while."""

    wait_s: float
    """While `waiting`: how much longer."""

    hindrances: Sequence[str]
    """Who holds it up, and why."""


class ShownPlan(msgspec.Struct):
    """A version that was planned at this node, and can be applied."""

    version: int
    """Its number."""

    fingerprint: str
    """The name of exactly this one."""

    changes: Sequence[str]
    """What would be other than it is."""

    lost: Sequence[str]
    """Members that are lost by it, with whatever nobody else has."""

    moves: PlanMoves | None
    """What it would move; null where the node that is asked has not kept that."""


class LayoutDocument(msgspec.Struct):
    """The layout that is live; the later one of two."""

    version: int
    """Its number."""

    fingerprint: str
    """The name of exactly this one."""

    members: Sequence[ShownMember]
    """By name."""

    rules: Sequence[ShownRule]
    """By region."""

    witnesses: dict[str, str]
    """Region -> the third of its quorum, where it has two stores."""

    settings: ShownSettings
    """Those of the whole cluster."""

    unmet: Sequence[str]
    """What it asks for and its members cannot give."""

    lost: Sequence[str]
    """Members that are said to be lost, and are named still."""

    change: ShownChange | None
    """null while none goes on."""

    plans: Sequence[ShownPlan]
    """Those that were made at this node, the latest last."""


class ShownEntry(msgspec.Struct):
    """One decision about the layout."""

    slot: int
    """Its number among all decisions."""

    author: str
    """The node that proposed it."""

    who: str | None
    """Who asked for it: a log-in name, `anonymous`, or `node:NAME` where a node did it by itself;
    null where that was not noted."""

    step: Literal["begin", "forsake", "end"]
    """A version begins, goes on without members that are lost, or is live alone."""

    version: int
    """Which."""

    changes: Sequence[str]
    """What it changed."""


class LayoutHistory(msgspec.Struct):
    """All decisions about the layout that this node has."""

    entries: Sequence[ShownEntry]
    """The first one first."""


class PlanRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Changes that make one version."""

    changes: Annotated[list[SentChange], msgspec.Meta(min_length=1, max_length=256)]
    """In this order."""

    bytes_per_s: Annotated[int, msgspec.Meta(ge=1)] = BYTES_PER_S
    """What a node gets and gives at once, for the time that it takes."""


class Moved(msgspec.Struct):
    """What one node gets and gives."""

    node: str
    """Its name."""

    blobs_in: int
    """Copies that it gets."""

    bytes_in: int
    """Their size."""

    blobs_out: int
    """Copies that it gives."""

    bytes_out: int
    """Their size."""


class PlanDocument(msgspec.Struct):
    """A version that would be, and what it would move. Nothing has changed."""

    version: int
    """Its number."""

    fingerprint: str
    """The name of exactly this one: what is applied."""

    changes: Sequence[str]
    """What would be other than it is."""

    blobs: int
    """Blobs of which some copy has to be made."""

    copies: int
    """Those copies."""

    bytes: int
    """Their size."""

    far_bytes: int
    """Those that go from one region to another."""

    owed: int
    """Copies among them that lack by the present layout already."""

    owed_bytes: int
    """Their size."""

    surplus: int
    """Copies that nobody asks for then. They stay."""

    surplus_bytes: int
    """Their size."""

    unreadable: int
    """Blobs that nobody has who answers."""

    seconds: float
    """How long that takes at least: as long as the node with the most to get or give needs."""

    nodes: Sequence[Moved]
    """Who gets and gives, by name."""

    regions: Sequence[RegionMoves]
    """The same by region."""

    fullest_before: DiskUse | None
    """The fullest disk without it; null where none is known."""

    fullest_after: DiskUse | None
    """The fullest one with it, as nothing is freed: beyond a share of 1 it does not fit."""


class Apply(msgspec.Struct, forbid_unknown_fields=True):
    """A plan that was shown."""

    version: int
    """Its number."""

    fingerprint: str
    """Its fingerprint."""


class Survivors(msgspec.Struct, forbid_unknown_fields=True):
    """Who goes on after a disaster."""

    survivors: Annotated[list[Name], msgspec.Meta(min_length=1, max_length=256)]
    """Members, the node that is asked among them; all others are gone for good."""
