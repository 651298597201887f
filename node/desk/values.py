"""What the desk says of the cluster. Times are seconds since 1970, sizes bytes."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from cluster.layout import Availability, Role

NodeCondition = Literal[
    "serving",
    "draining",
    "paused",
    "joining",
    "restoring",
    "troubled",
    "stopped",
    "unlinked",
    "suspect",
    "dead",
    "left",
    "unheard",
    "outside",
]
"""In one word how a node is, the first that holds of: it is not there, and why; it takes no
clients, and why; how the layout has it."""


WorkKind = Literal["repair", "drain", "restore", "join", "change"]


SeriesName = Literal["pushes", "pulls", "errors", "bytes_out", "lag"]


class DeskStep(msgspec.Struct, frozen=True):
    """What to do."""

    text: str
    """In words."""

    command: str = ""
    """What to type for it; empty where there is no command."""


class DiskUse(msgspec.Struct, frozen=True):
    """How full the disk of a node is."""

    node: str
    """Whose."""

    bytes: int
    """Its size."""

    free_bytes: int
    """What is free of it."""

    used_share: float
    """The rest, as a part of the size: 0 to 1."""


class StopHindrance(msgspec.Struct, frozen=True):
    """Why a node should not be stopped now."""

    kind: Literal["quorum", "copies", "blobs", "voters", "change", "unknown"]
    """What would be too few: who confirms reads and writes of a region, who can take copies, who
    has a blob, who decides about the layout. Or a change of the layout goes on; or it cannot be
    told."""

    text: str
    """What would be so, with names and numbers."""


class StopVerdict(msgspec.Struct, frozen=True):
    """Whether a node may be stopped for a while, so that nobody notices."""

    node: str
    """Which."""

    safe: bool
    """Whether all that was acknowledged stays readable, and writes go on as they do now."""

    there: bool
    """Whether it serves now. One that does not can be missed where this is *safe*."""

    hindrances: Sequence[StopHindrance]
    """What speaks against it; none where it is safe."""

    counted: float | None
    """When the copies of blobs were counted by which this is told; null: not yet."""


class DeskNode(msgspec.Struct, frozen=True):
    """A node: a member by the layout, or one that is there and is none."""

    node: str
    """Its name."""

    region: str
    """Where it is."""

    zone: str
    """What it fails together with inside the region; may be empty."""

    condition: NodeCondition
    """How it is."""

    roles: Sequence[Role]
    """What it does by the layout."""

    availability: Availability | None
    """By the layout; null for who is no member."""

    weight: int | None
    """Its share of the region's copies; null likewise."""

    connected: bool
    """Whether the node that is asked has a link to it. What it says of itself is null without."""

    http: str | None
    """Where its registry API is; null where nobody has heard of it."""

    version: str | None
    """That of Atoll."""

    disk: DiskUse | None
    """How full its disk is."""

    blobs: int | None
    """Blobs on it, whoever counts on them."""

    blob_bytes: int | None
    """Their size."""

    clock_ahead_ms: float | None
    """How far its clock is ahead of that of the node that is asked."""

    round_trip_ms: float | None
    """What a greeting to it and back takes at least, of the last four; null: not measured."""

    behind_events: int | None
    """Events of the node that is asked which it is not known to have."""

    behind_s: float | None
    """How old the first of those is; 0 where it has all, null where that is not known."""

    settings_differing: Mapping[str, str]
    """Its settings that have to be those of the node that is asked, and are not."""

    trouble: str | None
    """What keeps it from serving all that it could."""

    uncovered: str | None
    """Why it asks its region before each read; null while leases cover its reads."""

    stop: StopVerdict | None
    """Whether it may be stopped now; null for who is no member."""


class DeskNodes(msgspec.Struct, frozen=True):
    """All nodes, as one sees them."""

    node: str
    """Who is asked."""

    region: str
    """Where that is."""

    time: float
    """When it looked."""

    counted: float | None
    """When the copies of blobs were counted; null: not yet."""

    missing: Sequence[str]
    """Members without a link to the node that is asked: their figures are not known."""

    may_stop: Sequence[str]
    """Members of which any one may be stopped now."""

    nodes: Sequence[DeskNode]
    """Those in trouble first, then by region and name."""


class DeskRegion(msgspec.Struct, frozen=True):
    """A region of the layout."""

    region: str
    """Its name."""

    nodes: int
    """Its members."""

    serving: int
    """Those that serve clients."""

    conditions: Mapping[NodeCondition, int]
    """How many of them are how."""

    missing: Sequence[str]
    """Those whose figures are not known, as there is no link to them."""

    blobs: int
    """Copies of blobs on the others' disks."""

    blob_bytes: int
    """Their size."""

    fullest: DiskUse | None
    """The fullest of their disks; null where none is known."""

    behind_events: int | None
    """What its member that is behind the most lacks of the node that is asked; null where no other
    member is there, or was ever."""

    behind_s: float | None
    """How old the first of those events is."""

    behind_node: str | None
    """Who that is; null where nobody lacks anything."""

    short: int | None
    """Blobs with a copy here that have too few copies in all; null: not counted yet."""

    short_bytes: int | None
    """Their size."""

    round_trip_ms: float | None
    """To its nearest member; null where none was measured, and for the own region alone."""

    may_stop: Sequence[str]
    """Members of which any one may be stopped now."""


class DeskLink(msgspec.Struct, frozen=True):
    """From the region of the node that is asked to another one."""

    origin: str
    """The region of the node that is asked."""

    to: str
    """The other region."""

    round_trip_ms: float | None
    """To its nearest member; null: not measured."""

    behind_events: int | None
    """What its member that is behind the most lacks of the node that is asked."""

    behind_s: float | None
    """How old the first of those events is."""


class DeskRegions(msgspec.Struct, frozen=True):
    """All regions, as one node sees them."""

    node: str
    """Who is asked."""

    region: str
    """Where that is."""

    time: float
    """When it looked."""

    counted: float | None
    """When the copies of blobs were counted; null: not yet."""

    missing: Sequence[str]
    """Members without a link to the node that is asked: their figures are left out."""

    regions: Sequence[DeskRegion]
    """By name."""

    links: Sequence[DeskLink]
    """To each other region. Only a node of a region knows the links from there."""


class DeskSeries(msgspec.Struct, frozen=True):
    """One figure of one node over time."""

    name: SeriesName
    """Which: manifests pushed; manifests pulled; answers of 500 and above; bytes of answers; how
    far the member that is behind the most is behind this node."""

    unit: Literal["/s", "bytes/s", "s"]
    """Of its points."""

    now: float | None
    """The latest of them; null: none yet."""

    points: Sequence[float | None]
    """One for each step, the oldest first; fewer than were asked for where it runs no longer. null:
    that could not be told then."""


class DeskSeriesDocument(msgspec.Struct, frozen=True):
    """What one node did lately. Nodes do not tell each other these figures."""

    node: str
    """Who is asked."""

    region: str
    """Where that is."""

    time: float
    """When it looked."""

    step_s: float
    """Seconds between two points."""

    latest: float | None
    """When the latest point was taken; null: none yet."""

    of: Sequence[str]
    """Whose figures these are: the node that is asked."""

    missing: Sequence[str]
    """The members whose figures are not in them: ask each by itself."""

    series: Sequence[DeskSeries]
    """One for each name that was asked for."""


class Stall(msgspec.Struct, frozen=True):
    """Nothing comes of some work."""

    why: str
    """What it waits for, as far as that is known."""

    since: float
    """When something came of it last."""

    next: Sequence[DeskStep]
    """What to do, in this order."""


class WorkUnderWay(msgspec.Struct, frozen=True):
    """Something that takes long, and goes on."""

    kind: WorkKind
    """Copies are made that blobs lack; others get a member's copies; an index is taken over; a node
    comes; the layout changes."""

    subject: str
    """The node that it is about, or the version of the layout; empty for all blobs."""

    title: str
    """What goes on, in words."""

    unit: Literal["blobs", "rows", ""]
    """What is counted; empty where nothing is."""

    done: int | None
    """So many; null where nothing is counted."""

    total: int | None
    """Of so many: the most that were left at one time since it began."""

    done_bytes: int | None
    """The size of those that are done; null where it is not known."""

    total_bytes: int | None
    """The size of all."""

    rate: float | None
    """Units a second lately; null: not known yet."""

    bytes_per_s: float | None
    """Bytes a second lately."""

    eta_s: float | None
    """Seconds that are left at that rate; null where that is not known."""

    since: float
    """When the node that is asked saw it first."""

    told: str
    """What is known of it beside the figures; may be empty."""

    stalled: Stall | None
    """null while something comes of it."""


class WorkDocument(msgspec.Struct, frozen=True):
    """What goes on, as one node sees it."""

    node: str
    """Who is asked."""

    region: str
    """Where that is."""

    time: float
    """When it looked."""

    counted: float | None
    """When the copies of blobs were counted; null: not yet, and neither repair nor drains show."""

    work: Sequence[WorkUnderWay]
    """What stalls first."""


class RegionMoves(msgspec.Struct, frozen=True):
    """What the nodes of a region get and give by a plan, from each other and from elsewhere."""

    region: str
    """Its name."""

    bytes_in: int
    """What they get."""

    bytes_out: int
    """What they give."""


class PlanMoves(msgspec.Struct, frozen=True):
    """What a plan would move, as it was when it was made."""

    planned: float
    """When that was."""

    blobs: int
    """Blobs of which some copy has to be made."""

    copies: int
    """Those copies."""

    bytes: int
    """Their size."""

    far_bytes: int
    """Those that go from one region to another."""

    seconds: float
    """How long that takes at least."""

    fullest_before: DiskUse | None
    """The fullest disk without it; null where none is known."""

    fullest_after: DiskUse | None
    """The fullest one with it, as nothing is freed: beyond a share of 1 it does not fit."""

    regions: Sequence[RegionMoves]
    """Who gets and gives, by name."""
