"""The figures behind the gauges of `/metrics`, gathered when somebody scrapes."""

from dataclasses import dataclass

from cluster import ClusterStatistics


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFigures:
    """What is stored on this node. Sizes in bytes."""

    uploads_open: int
    blobs: int
    blob_bytes: int
    manifests: int
    quarantined: int
    index_paused: int
    index_failed: int
    index_recoveries: int
    blobs_checked: int
    blobs_damaged: int
    blobs_restored: int
    blobs_not_restored: int
    blobs_set_aside: int
    blobs_hidden: int
    disk_failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionFigures:
    """The connections of clients, and the process's limit on open files."""

    connections_open: int
    connections_closed: int
    connections_refused: int
    descriptors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterFigures:
    """How this node stands with its peers."""

    members_known: int
    peers_connected: int
    events_unpushed: int
    blobs_fetching: int
    durability_degraded: int
    copies_repaired: int
    health: int
    suspicions: int
    refutations: int
    deaths: int
    stalls: int
    restore_rows_left: int
    restores: int
    checkpoint_rows_served: int
    events_trimmed: int
    index_damaged: int
    index_differing: int
    logs_standing: int
    comparisons: int
    differences: int
    rows_checks: int
    settings_differing: int
    member_statuses: tuple[tuple[str, str, str], ...]
    """Node, region and status of every other member."""

    @classmethod
    def of(cls, statistics: ClusterStatistics) -> "ClusterFigures":
        """Sum up the engine's own statistics."""
        restoring = statistics.restoring
        connected = [member for member in statistics.members if member.connected]
        return cls(
            members_known=len(statistics.members) + 1,
            peers_connected=len(connected),
            events_unpushed=max((member.lag_events for member in connected), default=0),
            blobs_fetching=statistics.fetches_running,
            durability_degraded=statistics.totals.degraded,
            copies_repaired=statistics.totals.copies_repaired,
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
            logs_standing=statistics.logs_standing,
            comparisons=statistics.totals.comparisons,
            differences=statistics.totals.differences,
            rows_checks=statistics.totals.rows_checks,
            settings_differing=sum(bool(m.settings_differing) for m in statistics.members),
            member_statuses=tuple(
                (member.node, member.region, member.status.value) for member in statistics.members
            ),
        )
