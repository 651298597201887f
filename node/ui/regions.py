"""Regions and figures, as the first page and that of the cluster draw them."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from node.desk.series import STEP_S
from node.desk.values import DeskRegion, DeskRegions, DeskSeries, DeskSeriesDocument, DiskUse
from node.ui import text
from node.ui.chart import BEHIND_S, Chart, chart
from node.ui.columns import ColumnHead

_WIDE: Final = (710, 500)
_NARROW: Final = (336, 400)


class DiskShown(NamedTuple):
    """How full a disk is."""

    percent: float
    label: str
    """What it is, for who hears the page."""

    text: str
    """Beside it."""


class RegionRow(NamedTuple):
    """A region, as the table has it."""

    name: str
    href: str
    nodes: str
    kind: str
    state: str
    stored: str
    disk: DiskShown | None
    behind: str
    is_behind: bool
    trip: str
    short: str
    is_short: bool
    may_stop: str
    mark: str


class FigureShown(NamedTuple):
    """A figure with its last readings."""

    name: str
    value: str
    unit: str
    note: str
    points: Sequence[float]
    kind: str


class RegionsShown(NamedTuple):
    """All of it."""

    rows: Sequence[RegionRow]
    wide: Chart
    narrow: Chart
    title: str
    """What the chart shows, in a sentence, for who hears the page."""

    aside: str
    missing: str
    """Whose figures are not in it, in a sentence; empty: nobody's."""


COLUMNS: Final = (
    ColumnHead("Region"),
    ColumnHead("Nodes", num=True),
    ColumnHead("State"),
    ColumnHead("Stored", num=True),
    ColumnHead("Fullest disk"),
    ColumnHead("Behind", num=True),
    ColumnHead("Round trip", num=True),
    ColumnHead("Short of copies", num=True),
    ColumnHead("May be stopped"),
)

_FIGURES: Final = {
    "pulls": "Manifests pulled",
    "pushes": "Manifests pushed",
    "errors": "Errors",
    "bytes_out": "Sent",
    "lag": "Furthest behind",
}


def regions_shown(found: DeskRegions) -> RegionsShown:
    """The chart and the table."""
    notes = [list(_notes(region)) for region in found.regions]
    serving = sum(region.serving for region in found.regions)
    nodes = sum(region.nodes for region in found.regions)
    return RegionsShown(
        [_row(region) for region in found.regions],
        chart(found.regions, found.links, notes, *_WIDE),
        chart(found.regions, found.links, notes, *_NARROW),
        _title(found.regions, nodes),
        f"{serving} of {nodes} nodes serve; round trips from {found.region}",
        f"without {', '.join(found.missing)}: not heard now" if found.missing else "",
    )


def _row(region: DeskRegion) -> RegionRow:
    kind, state = _state(region)
    return RegionRow(
        region.region,
        "/ui/cluster#nodes",
        str(region.nodes),
        kind,
        state,
        text.byte_count(region.blob_bytes),
        None if region.fullest is None else disk_shown(region.fullest, region.fullest.node),
        behind(region.behind_events, region.behind_s),
        _is_behind(region),
        milliseconds(region.round_trip_ms),
        "not counted" if region.short is None else text.count(region.short),
        bool(region.short),
        ", ".join(region.may_stop) or "none",
        "alert" if kind == "bad" else "",
    )


def disk_shown(disk: DiskUse, beside: str) -> DiskShown:
    """That of a node, with a word *beside* it."""
    return DiskShown(100 * disk.used_share, f"Disk of {disk.node}", beside)


def _state(region: DeskRegion) -> tuple[str, str]:
    if region.nodes and not region.serving:
        return "bad", "nobody serves"
    away = region.nodes - region.serving
    if away:
        return "warn", f"{away} of {region.nodes} do not serve"
    return ("warn", "behind") if _is_behind(region) else ("ok", "serving")


def _is_behind(region: DeskRegion) -> bool:
    return (region.behind_s or 0.0) >= BEHIND_S


def _notes(region: DeskRegion) -> Iterator[tuple[str, bool]]:
    yield text.byte_count(region.blob_bytes), False
    if region.behind_events is not None:
        told = behind(region.behind_events, region.behind_s)
        yield (f"{told} behind" if region.behind_events else "has all"), _is_behind(region)


def _title(regions: Sequence[DeskRegion], nodes: int) -> str:
    told = [f"Chart of {len(regions)} regions and {nodes} nodes."]
    for region in regions:
        if region.serving < region.nodes:
            told.append(f"In {region.region} {region.serving} of {region.nodes} serve.")
        if _is_behind(region):
            told.append(f"{region.region} is {text.duration(region.behind_s or 0)} behind.")
    return " ".join([*told, "The table below it has every number."])


def figures_shown(found: DeskSeriesDocument) -> list[FigureShown]:
    """The figures of one node."""
    return [_figure(each) for each in found.series]


def _figure(series: DeskSeries) -> FigureShown:
    points = [point for point in series.points if point is not None]
    value, unit = _value(series)
    minutes = max(1, round(len(series.points) * STEP_S / 60))
    note = f"most in {minutes} min: {_most(series, points)}" if points else "no reading yet"
    is_bad = series.name == "errors" and any(points)
    return FigureShown(_FIGURES[series.name], value, unit, note, points, "warn" if is_bad else "")


def _value(series: DeskSeries) -> tuple[str, str]:
    now = series.now
    if now is None:
        return "not known", ""
    if series.name == "bytes_out":
        return text.byte_count(now), "/s"
    if series.name == "lag":
        return text.duration(now) if now else "0", "" if now else "s"
    return rate(now), "/s"


def _most(series: DeskSeries, points: Sequence[float]) -> str:
    most = max(points)
    if series.name == "bytes_out":
        return f"{text.byte_count(most)}/s"
    return text.duration(most) if series.name == "lag" else f"{rate(most)}/s"


def rate(number: float) -> str:
    """So many a second, with 3 digits at the most."""
    return text.count(number) if number >= 100 else f"{number:.3g}"


def behind(events: int | None, seconds: float | None) -> str:
    """How far somebody is behind; a dash where nobody is to be."""
    if events is None:
        return "\N{EN DASH}"
    if not events:
        return "0 s"
    return f"{text.count(events)} events" if seconds is None else text.duration(seconds)


def milliseconds(number: float | None) -> str:
    """A round trip; a dash where none was measured."""
    if number is None:
        return "\N{EN DASH}"
    return f"{number:.1f}{text.SPACE}ms" if number < 10 else f"{number:.0f}{text.SPACE}ms"


def values(regions: DeskRegions, series: DeskSeriesDocument) -> dict[str, Any]:
    """What the first page has of them."""
    return {
        "regions": regions_shown(regions),
        "region_columns": COLUMNS,
        "figures": figures_shown(series),
        "figures_node": series.node,
        "figures_missing": ", ".join(series.missing),
    }
