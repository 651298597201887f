"""The table of metrics: it has all that a node shows, by Prometheus' names, and so has the page."""

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from node.admin import metric_tables as tables
from node.admin.figures import ClockFigures, DiskFigures, NodeFigures
from node.admin.metric_tables import LABELS, SECTIONS, Labelled, MetricKind
from node.admin.metrics import Metrics
from node.cli import app
from node.cli.node.api import metrics_page
from tests.unit.admin.test_metrics import CLUSTER, STORE
from tests.unit.attention.snapshots import WELL, assessed

ROOT = Path(__file__).parents[3]
TABLE = [each for section in SECTIONS for each in section.described]
OF_THE_PROCESS = ("process_", "python_")


def noughts(figures: tuple[tables.Figure, ...]) -> SimpleNamespace:
    return SimpleNamespace(**{figure.field: 0 for figure in figures})


def whole() -> Metrics:
    """As a node has them, each with a sample at least."""
    metrics = Metrics()
    metrics.watch_node(NodeFigures("c", "eu-1", "eu", "", "1"))
    metrics.watch_store(lambda: STORE)
    metrics.watch_cluster(lambda: CLUSTER)
    metrics.watch_disk(lambda: DiskFigures(size_bytes=2, free_bytes=1, reserve_bytes=0))
    metrics.watch_clock(lambda: ClockFigures(clock_offset_s=0.0))
    metrics.watch_queues(lambda: {"index": 0})
    metrics.watch_health(lambda: noughts(tables.HEALTH))  # type: ignore[arg-type, return-value]
    metrics.watch_rates(lambda: noughts(tables.RATES))  # type: ignore[arg-type, return-value]
    metrics.watch_connections(lambda: noughts(tables.CONNECTIONS))  # type: ignore[arg-type, return-value]
    metrics.watch_remembered(lambda: noughts(tables.REMEMBERED))  # type: ignore[arg-type, return-value]
    metrics.watch_attention(lambda: assessed(replace(WELL, counted_at=1.0)))
    metrics.request("blob.read", "GET", 200, 0.1)
    metrics.received(1)
    metrics.sent(1)
    metrics.conflict("tag")
    metrics.lag("us", 0.1)
    return metrics


def test_the_table_has_what_is_shown():
    """Broken: somebody looks for what a number means, and finds it nowhere."""
    body, _ = whole().render()
    shown = {
        family.name: (
            family.type,
            family.documentation,
            {label for sample in family.samples for label in sample.labels} - {"le"},
        )
        for family in text_string_to_metric_families(body.decode())
        if not family.name.startswith(OF_THE_PROCESS)
    }
    assert shown == {each.name: (str(each.kind), each.text, {*each.labels}) for each in TABLE}


def test_no_series_says_when_another_one_began():
    """Broken: a third of the series are times that nobody asks for."""
    body, _ = whole().render()
    assert b"_created" not in body


@pytest.mark.parametrize("metric", TABLE, ids=[each.name for each in TABLE])
def test_names_are_as_prometheus_has_them(metric: Labelled):
    name = metric.name
    assert re.fullmatch(r"atoll(_[a-z]+)+", name)
    assert not name.endswith(("_total", "_count", "_sum", "_bucket")), "the library adds those"
    assert not re.search(r"_(ms|milliseconds|minutes|kib|mib|kilobytes|percent|ratio)\b", name)
    assert (metric.kind is MetricKind.HISTOGRAM) == name.endswith(
        ("_lag_seconds", "_duration_seconds")
    )
    assert metric.text.endswith(".")


def test_every_label_is_explained_and_there_are_few():
    """Broken: a label has names of what is stored: 100,000 repositories are as many series."""
    used = {label for each in TABLE for label in each.labels}
    assert used | {"le"} == set(LABELS)
    assert not used & {"repository", "tag", "digest", "project", "user", "account", "address"}


def test_the_page_is_current():
    page = (ROOT / "docs" / "metrics.md").read_text()
    assert page == metrics_page(), "run: atoll api --metrics > docs/metrics.md"
    assert CliRunner().invoke(app, ["api", "--metrics"]).stdout == page


def test_pages_that_name_a_metric_name_one_that_there_is():
    """Broken: a metric is renamed, and a page of the documentation tells of the one before."""
    there = {each.shown for each in TABLE}
    there |= {f"{each.name}{end}" for each in TABLE for end in ("", "_bucket", "_sum", "_count")}
    for path in sorted((ROOT / "docs").rglob("*.md")):
        if path.name == "upgrading.md":  # It has names of before.
            continue
        told = {name.rstrip("_") for name in re.findall(r"`(atoll_[a-z_]+)", path.read_text())}
        assert told - there == set(), path.name
