"""
Metrics in the Prometheus text format.

Counters of what passes through are kept here; the figures of what exists (`node.admin.figures`) are
read when somebody scrapes, so that keeping them costs nothing in between.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.samples import Sample

from node.admin import metric_tables as tables
from node.admin.figures import (
    ClockFigures,
    ClusterFigures,
    ConnectionFigures,
    DiskFigures,
    NodeFigures,
    RateFigures,
    RememberedFigures,
    StoreFigures,
)
from node.admin.metric_collectors import (
    AttentionLines,
    Snapshot,
    member_lines,
    node_lines,
    queue_lines,
)
from node.admin.metric_tables import Labelled
from node.attention.service import Assessment
from node.desk.series import Tally
from node.identity.actions import Action
from node.lifetime.readiness import Readiness

# A second series for each counter and bucket, with the time when it began: nobody asks for them,
# and in this format they look like gauges. The library has one switch for the whole process.
disable_created_metrics()  # type: ignore[no-untyped-call]

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_SECONDS_BUCKETS: Final = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 120.0, 600.0),
)
"""From a manifest out of memory to a large layer over a poor link."""

_LAG_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0, 600.0, 3600.0)
"""From two nodes of a machine to a region that was cut off for an hour."""

OTHER_REGION: Final = "unknown"
"""The origin region of a node that nobody knows any more."""


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
        self._requests = self._counter(tables.REQUESTS)
        self._seconds = self._histogram(tables.REQUEST_SECONDS, _SECONDS_BUCKETS)
        self._received = self._counter(tables.RECEIVED)
        self._sent = self._counter(tables.SENT)
        self._conflicts = self._counter(tables.CONFLICTS)
        self._lag = self._histogram(tables.LAG, _LAG_BUCKETS)
        self._children: dict[tuple[str, str, int], _Request] = {}
        self._lags: dict[str, Histogram] = {}

    def _counter(self, metric: Labelled) -> Counter:
        return Counter(metric.name, metric.text, metric.labels, registry=self._registry)

    def _histogram(self, metric: Labelled, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(
            metric.name, metric.text, metric.labels, registry=self._registry, buckets=buckets
        )

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

    def lag(self, origin_region: str, seconds: float) -> None:
        """Count an event of another node that became durable here *seconds* after it was made."""
        lags = self._lags.get(origin_region)
        if lags is None:
            lags = self._lags[origin_region] = self._lag.labels(origin_region)
        lags.observe(max(0.0, seconds))

    def watch_node(self, figures: NodeFigures) -> None:
        """Report which node this is, and its version."""
        self._registry.register(node_lines(figures))

    def watch_store(self, figures: Callable[[], StoreFigures]) -> None:
        """Report what is stored. *figures* is called at each scrape and must not block."""
        self._registry.register(Snapshot(tables.STORE, figures))

    def watch_disk(self, figures: Callable[[], DiskFigures | None]) -> None:
        """Report the disk of the data directory, likewise; None where it does not say."""
        self._registry.register(Snapshot(tables.DISK, figures))

    def watch_connections(self, figures: Callable[[], ConnectionFigures]) -> None:
        """Report the connections of clients, likewise."""
        self._registry.register(Snapshot(tables.CONNECTIONS, figures))

    def watch_remembered(self, figures: Callable[[], RememberedFigures]) -> None:
        """Report the answers that are remembered, likewise."""
        self._registry.register(Snapshot(tables.REMEMBERED, figures))

    def watch_rates(self, figures: Callable[[], RateFigures]) -> None:
        """Report the requests that came too often, likewise."""
        self._registry.register(Snapshot(tables.RATES, figures))

    def watch_cluster(self, figures: Callable[[], ClusterFigures]) -> None:
        """Report how the node stands with its peers, likewise."""
        self._registry.register(Snapshot(tables.CLUSTER, figures))
        self._registry.register(member_lines(figures))

    def watch_health(self, readiness: Callable[[], Readiness]) -> None:
        """Report whether the node may take traffic, likewise."""
        self._registry.register(Snapshot(tables.HEALTH, readiness))

    def watch_attention(self, see: Callable[[], Assessment]) -> None:
        """Report what needs attention, and what was counted for it, likewise."""
        self._registry.register(AttentionLines(see))

    def watch_clock(self, figures: Callable[[], ClockFigures]) -> None:
        """Report how far this node's clock is off, likewise."""
        self._registry.register(Snapshot(tables.CLOCK, figures))

    def watch_queues(self, lengths: Callable[[], Mapping[str, int]]) -> None:
        """Report how much waits in each queue, by its name, likewise."""
        self._registry.register(queue_lines(lengths))

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
