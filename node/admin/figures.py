"""The figures behind the gauges of `/metrics`, gathered when somebody scrapes."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from cluster import ClusterStatistics, MemberStatistics
from node.attention.facts import Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFigures:
    """What is stored on this node. Sizes in bytes."""

    uploads_open: int
    blobs: int
    blob_bytes: int
    manifests: int
    quarantined: int
    """Events that made no sense here and are kept aside."""

    index_paused: int
    """1 while the index takes no writes and tries again by itself, else 0."""

    index_failed: int
    """1 when the index takes no writes until a person helps, else 0."""

    index_recoveries: int
    blobs_checked: int
    """Files hashed since the start, to see whether they are right."""

    blobs_damaged: int
    """Copies found damaged since the start."""

    blobs_restored: int
    blobs_not_restored: int
    blobs_set_aside: int
    """Files in the quarantine."""

    blobs_hidden: int
    disk_failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionFigures:
    """The connections of clients, and the process's limit on open files."""

    connections_open: int
    connections_closed: int
    connections_refused: int
    descriptors: int


class RememberedFigures(Protocol):
    """The answers that are remembered, and how often they were given again."""

    @property
    def answered_at_once(self) -> int:
        """Requests whose heads were known byte for byte."""
        ...

    @property
    def answered_when_parsed(self) -> int:
        """Those that were known by what an answer depends on."""
        ...

    @property
    def bytes_kept(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RateFigures:
    """Requests refused since the start, as too many came."""

    refused_address: int
    refused_account: int
    refused_pulls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskFigures:
    """The disk of the data directory."""

    size_bytes: int
    free_bytes: int
    reserve_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockFigures:
    """This node's clock beside its members'."""

    clock_offset_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedFigures:
    """What was found when copies and conflicts were counted last."""

    blobs: int
    short: int
    short_bytes: int
    gone: int
    gone_bytes: int
    conflicts: int
    counted_at: float
    """Seconds since 1970."""

    @classmethod
    def of(cls, facts: Facts) -> "CountedFigures | None":
        """Of what a node knows; None before it was counted, or where that failed."""
        copies, conflicts, at = facts.copies, facts.conflicts, facts.counted_at
        if copies is None or conflicts is None or at is None:
            return None
        return cls(
            blobs=copies.blobs,
            short=copies.short,
            short_bytes=copies.short_bytes,
            gone=copies.gone,
            gone_bytes=copies.gone_bytes,
            conflicts=conflicts,
            counted_at=at,
        )


class NodeFigures(NamedTuple):
    """Which node this is: the labels of `atoll_node_info`, and the version."""

    cluster: str
    node: str
    region: str
    zone: str
    version: str


class MemberFigures(NamedTuple):
    """Another member."""

    node: str
    region: str
    status: str
    lag_events: int
    clock_ahead_s: float | None

    @classmethod
    def of(cls, member: MemberStatistics) -> "MemberFigures":
        """Of what the engine says of it."""
        ahead_ms = member.clock_ahead_ms
        return cls(
            member.node,
            member.region,
            member.status.value,
            member.lag_events,
            None if ahead_ms is None else ahead_ms / 1000,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterFigures:
    """How this node stands with its peers."""

    members_known: int
    """Members of the cluster that this node has heard of, itself included."""

    is_open: int
    """1 where whoever reaches this node may do anything, else 0."""

    peers_connected: int
    events_unpushed: int
    """Own events that the slowest connected peer does not have yet."""

    blobs_fetching: int
    """Blobs that are arriving from peers now."""

    copies_making: int
    """Copies on their way to peers now."""

    durability_degraded: int
    """Acknowledgements since the start on fewer nodes than `copies`."""

    copies_repaired: int
    """Copies made in the background of blobs that had fewer than `copies`."""

    reads_covered: int
    """Reads since the start by leases; those that follow are told apart likewise."""

    reads_asked: int
    reads_unconfirmed: int
    reads_refused: int
    covered: int
    """1 while leases cover reads, else 0."""

    laggards: int
    """Times since the start a member got no further lease."""

    health: int
    """Local health score of the failure detector; 0 is good."""

    suspicions: int
    refutations: int
    deaths: int
    stalls: int
    restore_rows_left: int
    """Rows of a peer's checkpoint that this node still has to take over; 0 without one."""

    restores: int
    checkpoint_rows_served: int
    events_trimmed: int
    index_damaged: int
    """1 while rows of the index are not what was written, else 0."""

    index_differing: int
    """Members with the same events and other rows, when they were last compared."""

    logs: int
    """Entries of the vector."""

    logs_retired: int
    events_refused: int
    logs_standing: int
    """Logs whose next event needs one that nobody who can be reached has sent."""

    comparisons: int
    differences: int
    rows_checks: int
    settings_differing: int
    """Members with other settings, of those that have to be the same."""

    members: tuple[MemberFigures, ...]
    """Every other member."""

    @classmethod
    def of(cls, statistics: ClusterStatistics) -> "ClusterFigures":
        """Sum up the engine's own statistics."""
        restoring = statistics.restoring
        connected = [member for member in statistics.members if member.connected]
        return cls(
            members_known=len(statistics.members) + 1,
            is_open=int(statistics.settings.get("auth") == "open"),
            peers_connected=len(connected),
            events_unpushed=max((member.lag_events for member in connected), default=0),
            blobs_fetching=statistics.fetches_running,
            copies_making=statistics.replications_running,
            durability_degraded=statistics.totals.degraded,
            copies_repaired=statistics.totals.copies_repaired,
            reads_covered=statistics.totals.reads_covered,
            reads_asked=statistics.totals.reads_asked,
            reads_unconfirmed=statistics.totals.reads_unconfirmed,
            reads_refused=statistics.totals.reads_refused,
            covered=int(statistics.current),
            laggards=statistics.totals.laggards,
            health=statistics.health,
            suspicions=statistics.totals.suspicions,
            refutations=statistics.totals.refutations,
            deaths=statistics.totals.deaths,
            stalls=statistics.totals.stalls,
            restore_rows_left=0 if restoring is None else restoring.rows - restoring.rows_done,
            restores=statistics.totals.restores,
            checkpoint_rows_served=statistics.totals.checkpoint_rows_served,
            events_trimmed=statistics.totals.events_trimmed,
            index_damaged=int(statistics.damaged),
            index_differing=len(statistics.differing),
            logs=statistics.logs,
            logs_retired=statistics.totals.logs_retired,
            events_refused=statistics.totals.events_refused,
            logs_standing=statistics.logs_standing,
            comparisons=statistics.totals.comparisons,
            differences=statistics.totals.differences,
            rows_checks=statistics.totals.rows_checks,
            settings_differing=sum(bool(m.settings_differing) for m in statistics.members),
            members=tuple(map(MemberFigures.of, statistics.members)),
        )
