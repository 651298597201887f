"""
Metrics in the Prometheus text format.

Counters of what passes through are kept here; the figures of what exists (`node.admin.figures`) are
read when somebody scrapes, so that keeping them costs nothing in between.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from node.admin.concern_metrics import ConcernCounts
from node.admin.figures import (
    ClusterFigures,
    ConnectionFigures,
    RateFigures,
    RememberedFigures,
    StoreFigures,
)
from node.attention.findings import Concern
from node.desk.series import Tally
from node.identity.actions import Action
from node.lifetime.readiness import Readiness

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_SECONDS_BUCKETS: Final = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 120.0, 600.0),
)
"""From a manifest out of memory to a large layer over a poor link."""


class _Figure(NamedTuple):
    name: str
    text: str
    field: str
    total: bool = False
    """Whether it only grows, from 0 at the start of the process: a counter, not a gauge."""

    def family(self, value: float | None = None) -> CounterMetricFamily | GaugeMetricFamily:
        """The metric with *value*, or without a sample."""
        kind = CounterMetricFamily if self.total else GaugeMetricFamily
        return kind(self.name, self.text, value=value)


_STORE: Final = (
    _Figure("atoll_uploads_open", "Upload sessions open on this node.", "uploads_open"),
    _Figure("atoll_blobs_stored", "Blobs complete on this node's disk.", "blobs"),
    _Figure("atoll_blob_stored_bytes", "Size of those blobs.", "blob_bytes"),
    _Figure("atoll_manifests_stored", "Manifests in this node's index.", "manifests"),
    _Figure(
        "atoll_events_quarantined",
        "Events that made no sense here and are kept aside; anything above 0 is an alarm.",
        "quarantined",
    ),
    _Figure(
        "atoll_index_paused",
        "Whether the index takes no writes now, and tries again by itself.",
        "index_paused",
    ),
    _Figure(
        "atoll_index_failed",
        "Whether the index takes no writes until a person helps; 1 is an alarm.",
        "index_failed",
    ),
    _Figure(
        "atoll_index_recoveries",
        "Times that the index was opened again after a failed write.",
        "index_recoveries",
        total=True,
    ),
    _Figure(
        "atoll_blobs_checked",
        "Files of blobs hashed to see whether they are right.",
        "blobs_checked",
        total=True,
    ),
    _Figure(
        "atoll_blobs_damaged",
        "Copies of blobs found damaged and taken out of service; each is an alarm.",
        "blobs_damaged",
        total=True,
    ),
    _Figure(
        "atoll_blobs_restored",
        "Lost or damaged copies fetched again from other nodes.",
        "blobs_restored",
        total=True,
    ),
    _Figure(
        "atoll_blobs_not_restored",
        "Times that no node could give such a copy.",
        "blobs_not_restored",
        total=True,
    ),
    _Figure("atoll_blobs_set_aside", "Damaged copies kept in the quarantine.", "blobs_set_aside"),
    _Figure(
        "atoll_blobs_hidden",
        "Copies that cannot be read, or for which the quarantine has no room.",
        "blobs_hidden",
    ),
    _Figure(
        "atoll_blob_disk_failures", "Errors of the disk of the blobs.", "disk_failures", total=True
    ),
)
_CLUSTER: Final = (
    _Figure("atoll_cluster_members", "Members known, this node included.", "members_known"),
    _Figure("atoll_open", "Whether whoever reaches this node may do anything: 1 or 0.", "is_open"),
    _Figure("atoll_cluster_peers_connected", "Peers connected now.", "peers_connected"),
    _Figure(
        "atoll_cluster_settings_differing_members",
        "Members whose `copies` or other shared settings are not this node's.",
        "settings_differing",
    ),
    _Figure(
        "atoll_cluster_events_unpushed",
        "Own events that the slowest connected peer lacks.",
        "events_unpushed",
    ),
    _Figure("atoll_cluster_blobs_fetching", "Blobs arriving from peers now.", "blobs_fetching"),
    _Figure(
        "atoll_durability_degraded",
        "Pushes acknowledged on fewer nodes than `copies`, as no more were connected.",
        "durability_degraded",
        total=True,
    ),
    _Figure(
        "atoll_copies_repaired",
        "Copies made in the background of blobs that had fewer than `copies`.",
        "copies_repaired",
        total=True,
    ),
    _Figure(
        "atoll_reads_covered",
        "Reads answered from the own index at once, by leases.",
        "reads_covered",
        total=True,
    ),
    _Figure(
        "atoll_reads_asked",
        "Reads before which the region was asked, as no leases covered them.",
        "reads_asked",
        total=True,
    ),
    _Figure(
        "atoll_reads_unconfirmed",
        "Reads answered without a majority of the region: they may not be current.",
        "reads_unconfirmed",
        total=True,
    ),
    _Figure(
        "atoll_reads_refused",
        "Reads and writes refused, as it was not known in time whether this node is current.",
        "reads_refused",
        total=True,
    ),
    _Figure("atoll_covered", "Whether leases cover reads: 1 or 0.", "covered"),
    _Figure(
        "atoll_cluster_laggards",
        "Times a member got no further lease of this node, as it lagged.",
        "laggards",
        total=True,
    ),
    _Figure(
        "atoll_cluster_health",
        "How far this node distrusts its own probes; 0 is good.",
        "health",
    ),
    _Figure("atoll_cluster_suspicions", "Members that became suspect.", "suspicions", total=True),
    _Figure(
        "atoll_cluster_refutations",
        "Times this node had to contradict its own suspicion or death.",
        "refutations",
        total=True,
    ),
    _Figure("atoll_cluster_deaths", "Members that were declared dead.", "deaths", total=True),
    _Figure("atoll_cluster_stalls", "Times the event loop was late.", "stalls", total=True),
    _Figure(
        "atoll_restore_rows_left",
        "Rows of a peer's checkpoint that this node still has to take over.",
        "restore_rows_left",
    ),
    _Figure("atoll_restores", "Checkpoints taken over.", "restores", total=True),
    _Figure(
        "atoll_checkpoint_rows_served",
        "Rows of checkpoints sent to peers.",
        "checkpoint_rows_served",
        total=True,
    ),
    _Figure(
        "atoll_events_trimmed",
        "Events forgotten, as no member will ask for them.",
        "events_trimmed",
        total=True,
    ),
    _Figure(
        "atoll_index_damaged",
        "Whether rows are not what was written; 1 is an alarm.",
        "index_damaged",
    ),
    _Figure(
        "atoll_index_differing_members",
        "Members with the same events and other rows; anything above 0 is an alarm.",
        "index_differing",
    ),
    _Figure(
        "atoll_cluster_logs",
        "Logs that the vector names: one more with each start of a node, until it is retired.",
        "logs",
    ),
    _Figure("atoll_logs_retired", "Logs of ended runs retired.", "logs_retired", total=True),
    _Figure(
        "atoll_events_refused",
        "New events of retired logs; anything above 0 is an alarm.",
        "events_refused",
        total=True,
    ),
    _Figure(
        "atoll_cluster_logs_standing",
        "Logs whose next event needs one that nobody sends; anything above 0 is an alarm.",
        "logs_standing",
    ),
    _Figure("atoll_index_comparisons", "Comparisons of rows.", "comparisons", total=True),
    _Figure("atoll_index_differences", "Those that found some.", "differences", total=True),
    _Figure(
        "atoll_index_rows_checks",
        "Checks of all rows against their sums.",
        "rows_checks",
        total=True,
    ),
)


_HEALTH: Final = (
    _Figure("atoll_ready", "Whether `/readyz` says yes: 1 or 0.", "ready"),
    _Figure("atoll_writable", "Whether `/readyz?for=write` says yes: 1 or 0.", "writable"),
)


_RATES: Final = (
    _Figure(
        "atoll_requests_refused_address",
        "Requests refused, as one address sent too many (`address_rate`).",
        "refused_address",
        total=True,
    ),
    _Figure(
        "atoll_requests_refused_account",
        "Requests refused, as one account sent too many (`account_rate`).",
        "refused_account",
        total=True,
    ),
    _Figure(
        "atoll_requests_refused_pulls",
        "Manifests refused to addresses without an account (`anonymous_pulls`).",
        "refused_pulls",
        total=True,
    ),
)


_CONNECTIONS: Final = (
    _Figure("atoll_connections_open", "Connections of clients.", "connections_open"),
    _Figure(
        "atoll_connections_closed",
        "Connections closed to make room for others.",
        "connections_closed",
        total=True,
    ),
    _Figure(
        "atoll_connections_refused",
        "Connections answered with 503, as all others were in use.",
        "connections_refused",
        total=True,
    ),
    _Figure("atoll_descriptors_max", "Files and sockets the node may have open.", "descriptors"),
)


_REMEMBERED: Final = (
    _Figure(
        "atoll_remembered_at_once",
        "Requests answered from memory before they were parsed, their heads being known.",
        "answered_at_once",
        total=True,
    ),
    _Figure(
        "atoll_remembered_when_parsed",
        "Requests answered from memory behind the parser.",
        "answered_when_parsed",
        total=True,
    ),
    _Figure("atoll_remembered_bytes", "Memory of the answers that are remembered.", "bytes_kept"),
)


class _Snapshot(Collector):
    """Turns the figures of some part into metrics at each scrape."""

    def __init__(self, shown: tuple[_Figure, ...], figures: Callable[[], object]) -> None:
        self._shown = shown
        self._figures = figures

    def describe(self) -> Iterable[Metric]:
        # Asked for at registration, when the parts may not be running yet.
        return [figure.family() for figure in self._shown]

    def collect(self) -> Iterable[Metric]:
        figures = self._figures()
        for figure in self._shown:
            yield figure.family(float(getattr(figures, figure.field)))


class _MemberStatuses(Collector):
    """One sample for each member: 1 under the status that it has."""

    def __init__(self, figures: Callable[[], ClusterFigures]) -> None:
        self._figures = figures

    def describe(self) -> Iterable[Metric]:
        return [self._family()]

    def collect(self) -> Iterable[Metric]:
        family = self._family()
        for labels in self._figures().member_statuses:
            family.add_metric(labels, 1.0)
        yield family

    @staticmethod
    def _family() -> GaugeMetricFamily:
        return GaugeMetricFamily(
            "atoll_cluster_member_status",
            "1 for each other member, under the status it has here.",
            labels=("member", "member_region", "status"),
        )


class _Request(NamedTuple):
    """The children of one (action, method, status), looked up once and kept."""

    answered: Counter
    seconds: Histogram


class Metrics:
    """
    The metrics of one node, in a registry of its own. Safe from any thread.

    The number of time series is bounded: actions come from the route table, methods outside the
    usual ones count as "other", and statuses are HTTP's.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._requests = Counter(
            "atoll_http_requests",
            "Requests answered.",
            ("action", "method", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "atoll_http_request_seconds",
            "Time from the head of a request to the end of its answer.",
            ("action", "method"),
            registry=self._registry,
            buckets=_SECONDS_BUCKETS,
        )
        self._received = self._counter("atoll_http_received_bytes", "Request body bytes read.")
        self._sent = self._counter("atoll_http_sent_bytes", "Response body bytes written.")
        self._conflicts = Counter(
            "atoll_conflicts",
            "Times that concurrent writes of one object disagreed, by kind of object.",
            ("collection",),
            registry=self._registry,
        )
        self._children: dict[tuple[str, str, int], _Request] = {}

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(name, text, registry=self._registry)

    def request(self, action: str, method: str, status: int, seconds: float) -> None:
        """Count one answered request. *action* is a name out of the route table."""
        child = self._children.get((action, method, status)) or self._child(action, method, status)
        child.answered.inc()
        child.seconds.observe(seconds)

    def _child(self, action: str, method: str, status: int) -> _Request:
        # A stranger chooses the method, so an unusual one may become neither label nor key.
        method = method if method in _METHODS else "other"
        return self._children.setdefault(
            (action, method, status),
            _Request(
                self._requests.labels(action, method, str(status)),
                self._seconds.labels(action, method),
            ),
        )

    def received(self, count: int) -> None:
        """Count *count* bytes of a request body."""
        self._received.inc(count)

    def sent(self, count: int) -> None:
        """Count *count* bytes of a response body."""
        self._sent.inc(count)

    def conflict(self, collection: str) -> None:
        """Count a conflict that has arisen in the index."""
        self._conflicts.labels(collection).inc()

    def watch_store(self, figures: Callable[[], StoreFigures]) -> None:
        """Report what is stored. *figures* is called at each scrape and must not block."""
        self._registry.register(_Snapshot(_STORE, figures))

    def watch_connections(self, figures: Callable[[], ConnectionFigures]) -> None:
        """Report the connections of clients, likewise."""
        self._registry.register(_Snapshot(_CONNECTIONS, figures))

    def watch_remembered(self, figures: Callable[[], RememberedFigures]) -> None:
        """Report the answers that are remembered, likewise."""
        self._registry.register(_Snapshot(_REMEMBERED, figures))

    def watch_rates(self, figures: Callable[[], RateFigures]) -> None:
        """Report the requests that came too often, likewise."""
        self._registry.register(_Snapshot(_RATES, figures))

    def watch_cluster(self, figures: Callable[[], ClusterFigures]) -> None:
        """Report how the node stands with its peers, likewise."""
        self._registry.register(_Snapshot(_CLUSTER, figures))
        self._registry.register(_MemberStatuses(figures))

    def watch_health(self, readiness: Callable[[], Readiness]) -> None:
        """Report whether the node may take traffic, likewise."""
        self._registry.register(_Snapshot(_HEALTH, readiness))

    def watch_attention(self, concerns: Callable[[], Iterable[Concern]]) -> None:
        """Report what needs attention, likewise."""
        self._registry.register(ConcernCounts(concerns))

    def watch_clock(self, off_ms: Callable[[], float]) -> None:
        """Report how far this node's clock is off, likewise."""
        gauge = Gauge(
            "atoll_clock_off_milliseconds",
            "How far this node's clock is ahead of its members'; 0 while it is near enough.",
            registry=self._registry,
        )
        gauge.set_function(off_ms)

    def tally(self) -> Tally:
        """
        What the desk shows of requests: one pass over their counters, some hundred at the most.
        """
        pushes = pulls = errors = 0.0
        for sample in _totals(self._requests):
            action, method = sample.labels["action"], sample.labels["method"]
            status = int(sample.labels["status"])
            if status >= 500:
                errors += sample.value
            elif status < 300 and action == Action.MANIFEST_WRITE:
                pushes += sample.value
            elif status == 200 and action == Action.MANIFEST_READ and method == "GET":
                pulls += sample.value
        [sent] = _totals(self._sent)
        return Tally(int(pushes), int(pulls), int(errors), int(sent.value))

    def render(self) -> tuple[bytes, str]:
        """The body of `/metrics` and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4


def _totals(counter: Counter) -> Iterator[Sample]:
    """What it counts, without the times at which its children began."""
    for family in counter.collect():
        yield from (sample for sample in family.samples if sample.name.endswith("_total"))
