"""What is read whenever somebody scrapes, turned into metrics."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from node.admin import metric_tables as tables
from node.admin.figures import ClusterFigures, CountedFigures, NodeFigures
from node.admin.metric_tables import Figure, Labelled
from node.attention.codes import GRADES
from node.attention.findings import Concern
from node.attention.service import Assessment


class Snapshot(Collector):
    """The figures of some part. Where there are none, the metrics have no samples."""

    def __init__(self, shown: tuple[Figure, ...], figures: Callable[[], object | None]) -> None:
        self._shown = shown
        self._figures = figures

    def describe(self) -> Iterable[Metric]:
        # Asked for at registration, when the parts may not be running yet.
        return [figure.family() for figure in self._shown]

    def collect(self) -> Iterable[Metric]:
        if (figures := self._figures()) is not None:
            for figure in self._shown:
                yield figure.family(float(getattr(figures, figure.field)))


class Lines(Collector):
    """Gauges with labels: each is told its lines, of labels and a value."""

    def __init__(self, shown: tuple[Labelled, ...], fill: Callable[..., None]) -> None:
        """*fill* is given an empty family for each of *shown*, in order."""
        self._shown = shown
        self._fill = fill

    def describe(self) -> Iterable[Metric]:
        return [metric.family() for metric in self._shown]

    def collect(self) -> Iterable[Metric]:
        families = [metric.family() for metric in self._shown]
        self._fill(*families)
        return families


def node_lines(figures: NodeFigures) -> Lines:
    """Which node this is. It stays so."""

    def fill(build: GaugeMetricFamily, node: GaugeMetricFamily) -> None:
        build.add_metric([figures.version], 1.0)
        node.add_metric([figures.cluster, figures.node, figures.region, figures.zone], 1.0)

    return Lines((tables.BUILD, tables.NODE), fill)


def member_lines(figures: Callable[[], ClusterFigures]) -> Lines:
    """What holds for each other member."""

    def fill(status: GaugeMetricFamily, lag: GaugeMetricFamily, clock: GaugeMetricFamily) -> None:
        for member in figures().members:
            labels = [member.node, member.region]
            status.add_metric([*labels, member.status], 1.0)
            lag.add_metric(labels, member.lag_events)
            if member.clock_ahead_s is not None:
                clock.add_metric(labels, member.clock_ahead_s)

    return Lines((tables.MEMBER_STATUS, tables.MEMBER_LAG, tables.MEMBER_CLOCK), fill)


def queue_lines(lengths: Callable[[], Mapping[str, int]]) -> Lines:
    """How much waits in each queue."""

    def fill(queues: GaugeMetricFamily) -> None:
        for name, length in lengths().items():
            queues.add_metric([name], length)

    return Lines((tables.QUEUES,), fill)


class AttentionLines(Collector):
    """What needs attention, and what was counted for that: of one look at each scrape."""

    def __init__(self, see: Callable[[], Assessment]) -> None:
        self._see = see

    def describe(self) -> Iterable[Metric]:
        return [tables.ATTENTION.family(), *(figure.family() for figure in tables.COUNTED)]

    def collect(self) -> Iterable[Metric]:
        seen = self._see()
        yield _concerns(seen.concerns)
        yield from Snapshot(tables.COUNTED, lambda: CountedFigures.of(seen.facts)).collect()


def _concerns(concerns: Iterable[Concern]) -> Metric:
    """How many of each code there are, under the severity that they have now."""
    # A code that is not there is 0, so that whoever watches it sees that it is watched.
    counts = Counter({(code, grade.severity): 0 for code, grade in GRADES.items()})
    counts.update((each.finding.code, each.severity) for each in concerns)
    family = tables.ATTENTION.family()
    for labels, count in counts.items():
        family.add_metric(labels, count)
    return family
