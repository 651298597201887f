"""What the engine tells about itself: counters inside, immutable snapshots outside."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from cluster.model import NodeId, Region, Status, Vitals


@dataclass(slots=True)
class Counters:
    """Totals since the start. Written by the engine's parts, on the event loop only."""

    degraded: int = 0
    """Acknowledgements given with fewer than `copies` copies, for no more nodes were connected."""

    laggards: int = 0
    """Times a member that could read by this node's word got no further lease, as it lagged."""

    events_pushed: int = 0
    events_relayed: int = 0
    """Those of other regions' nodes, handed on to the own region; not in `events_pushed`."""

    pushes_unanswered: int = 0
    """Pushes given up for want of an answer; their events are handed over again."""

    events_received: int = 0
    events_parked: int = 0
    """Times a received event was left at its sender, its stamp being too far ahead."""

    bytes_fetched: int = 0
    bytes_served: int = 0
    fetches_rejected: int = 0
    """Transfers thrown away because the bytes were not what their digest says."""

    copies_made: int = 0
    copies_repaired: int = 0
    """Those of blobs that had fewer than `copies`, made in the background."""

    replications_dropped: int = 0
    catch_up_rounds: int = 0
    region_rounds: int = 0
    """Rounds of pulls for reads that no leases covered, of a majority of the region."""

    reads_covered: int = 0
    """Reads answered from the own index at once, by leases."""

    reads_asked: int = 0
    """Those that had a round of the region first."""

    reads_unconfirmed: int = 0
    """Those answered without a majority of the region: what was read may not be the latest."""

    reads_refused: int = 0
    """Those refused, as it was not known in time whether this node has the latest."""

    links_lost: int = 0

    suspicions: int = 0
    """Times a member became suspect here, by this node's own probe or by word of others."""

    refutations: int = 0
    """Times this node had to contradict its own suspicion or death."""

    deaths: int = 0
    """Times a member was declared dead, by this node or by others."""

    stalls: int = 0
    """Times the event loop was late for the failure detector."""

    rumours_dropped: int = 0

    restores: int = 0
    """Times the state of a peer was taken over, the events that lead there being gone."""

    checkpoint_rows_served: int = 0
    comparisons: int = 0
    """Times the sums over the rows were held against a member's with the same events."""

    differences: int = 0
    """Those in which they differed: one of the two indexes is wrong."""

    rows_checks: int = 0
    """Times all rows were read and held against their sums."""

    rows_damaged: int = 0
    """Those in which they did not add up: something else than a change has changed rows."""

    events_trimmed: int = 0
    """Events that were forgotten, every member having them."""

    logs_retired: int = 0
    """Logs of runs that are over of which one entry for all of them is left."""

    events_refused: int = 0
    """Events that came of such a log, and were new."""


class RestoreStatistics(NamedTuple):
    """How far this node is with taking over the state of a peer."""

    rows_done: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberStatistics:
    """One other member, as this node sees it now."""

    node: NodeId
    region: Region
    rpc: str
    http: str
    connected: bool
    status: Status
    incarnation: int

    stopped: bool = False
    """It said that it stops, to be back soon, and is not overdue."""

    settings_differing: Mapping[str, str] = field(default_factory=dict)
    """Its settings that have to be those of this node, and are not."""

    lag_events: int
    """Events of this node that the member is not known to have."""

    ahead_events: int
    """Events of any node that the member had at its last greeting and this node has not; 0 while it
    is not connected: nobody can get them then."""

    in_layout: bool = True
    """Whether it is a member by the layout, with the disk that it has."""

    clock_ahead_ms: float | None = None
    """How far its clock is ahead of this node's; None when it was not heard of lately."""

    vitals: Vitals | None = None
    """What it says of its condition; None before it has been heard in its present run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterStatistics:
    """The engine at one moment."""

    node: NodeId
    region: Region
    settings: Mapping[str, str] = field(default_factory=dict)
    """The settings of this node that have to be the same on every one."""

    http: str = ""
    """Where the registry API of this node is."""

    in_layout: bool = True
    """Whether this node is a member by the layout, with its disk."""

    joined: bool

    seeds_missing: Mapping[str, str] = field(default_factory=dict)
    """Addresses in `join` at which nobody has answered yet, and why."""

    current: bool
    """Whether reads are answered here without asking: leases of a majority of the region."""

    clock_off_ms: float
    """How far this node's wall clock is ahead of its members', if that is too far; else 0."""

    restoring: RestoreStatistics | None
    """None while no peer's state is being taken over."""

    damaged: bool
    """Rows of the index here are not what was written; those of a member are to replace them."""

    differing: tuple[NodeId, ...]
    """Members whose rows were not those of this node, though both had the same events."""

    logs: int = 0
    """Entries of the vector: it grows with each start of a node until the runs before are retired,
    for which every member has to be there."""

    logs_standing: int = 0
    """Logs whose next event needs one that nobody who can be reached has sent."""

    members: tuple[MemberStatistics, ...]
    vitals: Vitals = field(default_factory=Vitals)
    """What this node says of its own condition."""

    health: int
    """Local health score of the failure detector: 0 is good, `health_max` is worst."""

    fetches_running: int
    fetches_waiting: int
    replications_running: int
    replications_waiting: int

    totals: Counters
    """A copy: it does not change any more."""
