"""docs/monitoring/dashboard.json: what Grafana needs, and metrics that there are."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest

from node.admin.metric_tables import SECTIONS, MetricKind

FILE = Path(__file__).parents[3] / "docs" / "monitoring" / "dashboard.json"
DASHBOARD = json.loads(FILE.read_text())
PANELS = DASHBOARD["panels"]
SHOWN = [panel for panel in PANELS if panel["type"] != "row"]
VARIABLES = {each["name"] for each in DASHBOARD["templating"]["list"]}

THERE = {
    name
    for section in SECTIONS
    for each in section.described
    for name in (
        [f"{each.name}_{end}" for end in ("bucket", "sum", "count")]
        if each.kind is MetricKind.HISTOGRAM
        else [each.shown]
    )
}


def test_it_can_be_imported_anywhere():
    """Broken: it is bound to the Grafana that it was made with."""
    assert DASHBOARD["id"] is None
    assert DASHBOARD["uid"] == "atoll"
    assert DASHBOARD["schemaVersion"] >= 36
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    sources = [each["datasource"] for p in SHOWN for each in (p, *p["targets"])]
    assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)


def test_no_panel_covers_another_one():
    places = [panel["gridPos"] for panel in PANELS]
    assert all(place["x"] >= 0 and place["x"] + place["w"] <= 24 for place in places)
    for one, other in itertools.combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)


@pytest.mark.parametrize("panel", SHOWN, ids=[panel["title"] for panel in SHOWN])
def test_a_panel_asks_for_what_there_is(panel: dict[str, Any]):
    """Broken: a metric is renamed, and a panel is empty for ever."""
    assert panel["targets"]
    for target in panel["targets"]:
        assert set(re.findall(r"\batoll_\w+", target["expr"])) <= THERE
        variables = set(re.findall(r"\$(\w+)", target["expr"]))
        assert variables <= {*VARIABLES, "__rate_interval"}
        assert "$job" in target["expr"], "one Prometheus may watch several clusters"
