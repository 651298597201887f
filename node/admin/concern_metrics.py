"""What needs attention, as a metric."""

from collections import Counter
from collections.abc import Callable, Iterable

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from node.attention.codes import GRADES
from node.attention.findings import Concern


class ConcernCounts(Collector):
    """How many of each code there are, under the severity that they have now."""

    def __init__(self, concerns: Callable[[], Iterable[Concern]]) -> None:
        self._concerns = concerns

    def describe(self) -> Iterable[Metric]:
        return [self._family()]

    def collect(self) -> Iterable[Metric]:
        # A code that is not there is 0, so that whoever watches it sees that it is watched.
        counts = Counter({(code, grade.severity): 0 for code, grade in GRADES.items()})
        counts.update((each.finding.code, each.severity) for each in self._concerns())
        family = self._family()
        for labels, count in counts.items():
            family.add_metric(labels, count)
        yield family

    @staticmethod
    def _family() -> GaugeMetricFamily:
        return GaugeMetricFamily(
            "atoll_attention",
            "What needs attention, as this node sees it, and nothing else explains.",
            labels=("code", "severity"),
        )
