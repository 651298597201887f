"""
Every metric there is: its name, what it tells, and its labels.

The collectors are made of these, and so is docs/metrics.md (`atoll api --metrics`). Names follow
Prometheus: base units at the end (`_seconds`, `_bytes`), `_total` behind what only grows, `_info`
behind what is always 1 and says something by its labels.
"""

from enum import StrEnum
from typing import Final, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily


class MetricKind(StrEnum):
    """What Prometheus calls it."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Figure(NamedTuple):
    """A metric with one sample, out of a field of a snapshot."""

    name: str
    text: str
    field: str
    total: bool = False
    """Whether it only grows, from 0 at the start of the process: a counter, not a gauge."""

    def family(self, value: float | None = None) -> CounterMetricFamily | GaugeMetricFamily:
        """The metric with *value*, or without a sample."""
        kind = CounterMetricFamily if self.total else GaugeMetricFamily
        return kind(self.name, self.text, value=value)

    @property
    def described(self) -> "Labelled":
        """The same as those with labels are."""
        kind = MetricKind.COUNTER if self.total else MetricKind.GAUGE
        return Labelled(self.name, self.text, (), kind)


class Labelled(NamedTuple):
    """A metric with a sample for each set of labels."""

    name: str
    text: str
    labels: tuple[str, ...]
    kind: MetricKind = MetricKind.GAUGE

    def family(self) -> GaugeMetricFamily:
        """The gauge, without a sample."""
        assert self.kind is MetricKind.GAUGE
        return GaugeMetricFamily(self.name, self.text, labels=self.labels)

    @property
    def shown(self) -> str:
        """Its name as it is scraped."""
        return f"{self.name}_total" if self.kind is MetricKind.COUNTER else self.name


LABELS: Final = {
    "action": "what was asked for: a word of the table in security.md, or `unknown`",
    "method": "the method of HTTP, or `other`",
    "status": "the status of HTTP; of a member: `alive`, `suspect`, `dead` or `left`",
    "collection": "the kind of object: `tag`, `manifest`, `setting` and the like",
    "code": "what needs attention: each has a runbook",
    "severity": "`critical`, `warning` or `notice`: the worst of it and of what it explains",
    "member": "another node; those that are or were in the layout",
    "member_region": "its region",
    "origin_region": "the region of the node that wrote; `unknown` for one that is no member",
    "queue": "`index`, `fetches`, `copies` or `log-ins`",
    "cluster": "the setting `cluster`",
    "node": "its name",
    "region": "its region",
    "zone": "its zone; empty without one",
    "version": "of Atoll",
    "le": "the upper edge of a bucket of a histogram",
}
"""What each label has, which is little: no name of a repository, tag, user or client is one."""

REQUESTS: Final = Labelled(
    "atoll_http_requests",
    "Requests answered.",
    ("action", "method", "status"),
    MetricKind.COUNTER,
)
REQUEST_SECONDS: Final = Labelled(
    "atoll_http_request_duration_seconds",
    "Time from the head of a request to the end of its answer.",
    ("action", "method"),
    MetricKind.HISTOGRAM,
)
RECEIVED: Final = Labelled(
    "atoll_http_received_bytes", "Request body bytes read.", (), MetricKind.COUNTER
)
SENT: Final = Labelled(
    "atoll_http_sent_bytes", "Response body bytes written.", (), MetricKind.COUNTER
)
CONFLICTS: Final = Labelled(
    "atoll_conflicts",
    "Times that concurrent writes of one object disagreed, by kind of object.",
    ("collection",),
    MetricKind.COUNTER,
)
LAG: Final = Labelled(
    "atoll_event_lag_seconds",
    "From the writing of an event at a node of the origin region until it is durable here, by the "
    "clocks of the two; each event is counted once.",
    ("origin_region",),
    MetricKind.HISTOGRAM,
)
BUILD: Final = Labelled("atoll_build_info", "1; the version that runs.", ("version",))
NODE: Final = Labelled(
    "atoll_node_info", "1; which node this is.", ("cluster", "node", "region", "zone")
)
QUEUES: Final = Labelled(
    "atoll_queue_length",
    "What waits for its turn: changes of the index, blobs from peers, copies for peers, passwords "
    "to check.",
    ("queue",),
)
ATTENTION: Final = Labelled(
    "atoll_attention",
    "What needs attention, as this node sees it, and nothing else explains.",
    ("code", "severity"),
)
MEMBER_STATUS: Final = Labelled(
    "atoll_cluster_member_status",
    "1 for each other member, under the status it has here.",
    ("member", "member_region", "status"),
)
MEMBER_LAG: Final = Labelled(
    "atoll_cluster_member_lag_events",
    "Events of this node that the member is not known to have.",
    ("member", "member_region"),
)
MEMBER_CLOCK: Final = Labelled(
    "atoll_cluster_member_clock_ahead_seconds",
    "How far the clock of the member is ahead of this node's; of those that were heard lately.",
    ("member", "member_region"),
)

STORE: Final = (
    Figure("atoll_uploads_open", "Upload sessions open on this node.", "uploads_open"),
    Figure("atoll_blobs_stored", "Blobs complete on this node's disk.", "blobs"),
    Figure("atoll_blob_stored_bytes", "Size of those blobs.", "blob_bytes"),
    Figure("atoll_manifests_stored", "Manifests in this node's index.", "manifests"),
    Figure(
        "atoll_events_quarantined",
        "Events that made no sense here and are kept aside; anything above 0 is an alarm.",
        "quarantined",
    ),
    Figure(
        "atoll_index_paused",
        "Whether the index takes no writes now, and tries again by itself.",
        "index_paused",
    ),
    Figure(
        "atoll_index_failed",
        "Whether the index takes no writes until a person helps; 1 is an alarm.",
        "index_failed",
    ),
    Figure(
        "atoll_index_recoveries",
        "Times that the index was opened again after a failed write.",
        "index_recoveries",
        total=True,
    ),
    Figure(
        "atoll_blobs_checked",
        "Files of blobs hashed to see whether they are right.",
        "blobs_checked",
        total=True,
    ),
    Figure(
        "atoll_blobs_damaged",
        "Copies of blobs found damaged and taken out of service; each is an alarm.",
        "blobs_damaged",
        total=True,
    ),
    Figure(
        "atoll_blobs_restored",
        "Lost or damaged copies fetched again from other nodes.",
        "blobs_restored",
        total=True,
    ),
    Figure(
        "atoll_blobs_not_restored",
        "Times that no node could give such a copy.",
        "blobs_not_restored",
        total=True,
    ),
    Figure("atoll_blobs_set_aside", "Damaged copies kept in the quarantine.", "blobs_set_aside"),
    Figure(
        "atoll_blobs_hidden",
        "Copies that cannot be read, or for which the quarantine has no room.",
        "blobs_hidden",
    ),
    Figure(
        "atoll_blob_disk_failures", "Errors of the disk of the blobs.", "disk_failures", total=True
    ),
)
CLUSTER: Final = (
    Figure("atoll_cluster_members", "Members known, this node included.", "members_known"),
    Figure("atoll_open", "Whether whoever reaches this node may do anything: 1 or 0.", "is_open"),
    Figure("atoll_cluster_peers_connected", "Peers connected now.", "peers_connected"),
    Figure(
        "atoll_cluster_settings_differing_members",
        "Members whose `copies` or other shared settings are not this node's.",
        "settings_differing",
    ),
    Figure(
        "atoll_cluster_events_unpushed",
        "Own events that the slowest connected peer lacks.",
        "events_unpushed",
    ),
    Figure("atoll_cluster_blobs_fetching", "Blobs arriving from peers now.", "blobs_fetching"),
    Figure("atoll_copies_making", "Copies on their way to peers now.", "copies_making"),
    Figure(
        "atoll_durability_degraded",
        "Pushes acknowledged on fewer nodes than `copies`, as no more were connected.",
        "durability_degraded",
        total=True,
    ),
    Figure(
        "atoll_copies_repaired",
        "Copies made in the background of blobs that had fewer than `copies`.",
        "copies_repaired",
        total=True,
    ),
    Figure(
        "atoll_reads_covered",
        "Reads answered from the own index at once, by leases.",
        "reads_covered",
        total=True,
    ),
    Figure(
        "atoll_reads_asked",
        "Reads before which the region was asked, as no leases covered them.",
        "reads_asked",
        total=True,
    ),
    Figure(
        "atoll_reads_unconfirmed",
        "Reads answered without a majority of the region: they may not be current.",
        "reads_unconfirmed",
        total=True,
    ),
    Figure(
        "atoll_reads_refused",
        "Reads and writes refused, as it was not known in time whether this node is current.",
        "reads_refused",
        total=True,
    ),
    Figure("atoll_covered", "Whether leases cover reads: 1 or 0.", "covered"),
    Figure(
        "atoll_cluster_laggards",
        "Times a member got no further lease of this node, as it lagged.",
        "laggards",
        total=True,
    ),
    Figure(
        "atoll_cluster_health",
        "How far this node distrusts its own probes; 0 is good.",
        "health",
    ),
    Figure("atoll_cluster_suspicions", "Members that became suspect.", "suspicions", total=True),
    Figure(
        "atoll_cluster_refutations",
        "Times this node had to contradict its own suspicion or death.",
        "refutations",
        total=True,
    ),
    Figure("atoll_cluster_deaths", "Members that were declared dead.", "deaths", total=True),
    Figure("atoll_cluster_stalls", "Times the event loop was late.", "stalls", total=True),
    Figure(
        "atoll_restore_rows_left",
        "Rows of a peer's checkpoint that this node still has to take over.",
        "restore_rows_left",
    ),
    Figure("atoll_restores", "Checkpoints taken over.", "restores", total=True),
    Figure(
        "atoll_checkpoint_rows_served",
        "Rows of checkpoints sent to peers.",
        "checkpoint_rows_served",
        total=True,
    ),
    Figure(
        "atoll_events_trimmed",
        "Events forgotten, as no member will ask for them.",
        "events_trimmed",
        total=True,
    ),
    Figure(
        "atoll_index_damaged",
        "Whether rows are not what was written; 1 is an alarm.",
        "index_damaged",
    ),
    Figure(
        "atoll_index_differing_members",
        "Members with the same events and other rows; anything above 0 is an alarm.",
        "index_differing",
    ),
    Figure(
        "atoll_cluster_logs",
        "Logs that the vector names: one more with each start of a node, until it is retired.",
        "logs",
    ),
    Figure("atoll_logs_retired", "Logs of ended runs retired.", "logs_retired", total=True),
    Figure(
        "atoll_events_refused",
        "New events of retired logs; anything above 0 is an alarm.",
        "events_refused",
        total=True,
    ),
    Figure(
        "atoll_cluster_logs_standing",
        "Logs whose next event needs one that nobody sends; anything above 0 is an alarm.",
        "logs_standing",
    ),
    Figure("atoll_index_comparisons", "Comparisons of rows.", "comparisons", total=True),
    Figure("atoll_index_differences", "Those that found some.", "differences", total=True),
    Figure(
        "atoll_index_rows_checks",
        "Checks of all rows against their sums.",
        "rows_checks",
        total=True,
    ),
)

HEALTH: Final = (
    Figure("atoll_ready", "Whether `/readyz` says yes: 1 or 0.", "ready"),
    Figure("atoll_writable", "Whether `/readyz?for=write` says yes: 1 or 0.", "writable"),
)

RATES: Final = (
    Figure(
        "atoll_requests_refused_address",
        "Requests refused, as one address sent too many (`address_rate`).",
        "refused_address",
        total=True,
    ),
    Figure(
        "atoll_requests_refused_account",
        "Requests refused, as one account sent too many (`account_rate`).",
        "refused_account",
        total=True,
    ),
    Figure(
        "atoll_requests_refused_pulls",
        "Manifests refused to addresses without an account (`anonymous_pulls`).",
        "refused_pulls",
        total=True,
    ),
)

CONNECTIONS: Final = (
    Figure("atoll_connections_open", "Connections of clients.", "connections_open"),
    Figure(
        "atoll_connections_closed",
        "Connections closed to make room for others.",
        "connections_closed",
        total=True,
    ),
    Figure(
        "atoll_connections_refused",
        "Connections answered with 503, as all others were in use.",
        "connections_refused",
        total=True,
    ),
    Figure("atoll_descriptors_max", "Files and sockets the node may have open.", "descriptors"),
)

REMEMBERED: Final = (
    Figure(
        "atoll_remembered_at_once",
        "Requests answered from memory before they were parsed, their heads being known.",
        "answered_at_once",
        total=True,
    ),
    Figure(
        "atoll_remembered_when_parsed",
        "Requests answered from memory behind the parser.",
        "answered_when_parsed",
        total=True,
    ),
    Figure("atoll_remembered_bytes", "Memory of the answers that are remembered.", "bytes_kept"),
)

CLOCK: Final = (
    Figure(
        "atoll_clock_offset_seconds",
        "How far this node's clock is ahead of its members'; 0 while it is near enough.",
        "clock_offset_s",
    ),
)

DISK: Final = (
    Figure("atoll_disk_size_bytes", "Size of the disk of the data directory.", "size_bytes"),
    Figure("atoll_disk_free_bytes", "What is free on it for this process.", "free_bytes"),
    Figure(
        "atoll_disk_reserve_bytes",
        "What new content leaves alone (`disk_reserve_bytes`).",
        "reserve_bytes",
    ),
)

COUNTED: Final = (
    Figure(
        "atoll_blobs_known",
        "Blobs that repositories have, on any node, at the last count.",
        "blobs",
    ),
    Figure(
        "atoll_blobs_short",
        "Blobs on fewer stores that are there, or in fewer regions, than the layout asks for.",
        "short",
    ),
    Figure("atoll_blob_short_bytes", "Size of those blobs.", "short_bytes"),
    Figure("atoll_blobs_gone", "Blobs on no store that is there.", "gone"),
    Figure("atoll_blob_gone_bytes", "Size of those blobs.", "gone_bytes"),
    Figure("atoll_tags_in_conflict", "Tags whose heads disagree, a page at the most.", "conflicts"),
    Figure(
        "atoll_counted_timestamp_seconds",
        "When the six before were counted, in seconds since 1970: each ten minutes, and whenever "
        "somebody asks for the status or what needs attention. Before the first count there are "
        "none of the seven.",
        "counted_at",
    ),
)


class MetricSection(NamedTuple):
    """Some metrics that belong together."""

    title: str
    metrics: tuple[Figure | Labelled, ...]

    @property
    def described(self) -> tuple[Labelled, ...]:
        """All of it, in one form."""
        return tuple(m.described if isinstance(m, Figure) else m for m in self.metrics)


SECTIONS: Final = (
    MetricSection("The node", (BUILD, NODE, *HEALTH, ATTENTION)),
    MetricSection("Requests", (REQUESTS, REQUEST_SECONDS, RECEIVED, SENT, *RATES)),
    MetricSection("Connections", CONNECTIONS),
    MetricSection("Answers out of memory", REMEMBERED),
    MetricSection("Disk, index and blobs", (*DISK, *STORE)),
    MetricSection("Copies and conflicts", (*COUNTED, CONFLICTS)),
    MetricSection("Lag and clock", (LAG, MEMBER_LAG, *CLOCK, MEMBER_CLOCK)),
    MetricSection("Queues", (QUEUES,)),
    MetricSection("The cluster", (MEMBER_STATUS, *CLUSTER)),
)
"""All metrics of Atoll; beside them there are `process_` and `python_` ones of the process."""
