"""The chart of regions: each an atoll on its place, with a bead for each node. Pure.

It is no map: regions lie around by how far they are from the one that looks. What it shows is in
the table below it, too.
"""

import math
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

from node.desk.values import DeskLink, DeskRegion, NodeCondition

BEADS_MAX: Final = 12
"""Nodes drawn one by one; of more in a region there is a number."""

BEHIND_S: Final = 10.0
"""From when on a region is shown as behind, and the line there as slow: a push waits for 10 s."""

_POINTS: Final = 12

_NAME_MAX: Final = 10
"""Letters of a name that have room in a lagoon. The table has the whole."""


class Bead(NamedTuple):
    """A node. *kind*: ok, drain, dead."""

    x: float
    y: float
    kind: str
    cross: str
    """The path of the cross through one that is away."""


class Note(NamedTuple):
    """A line of text below an atoll."""

    text: str
    y: float
    slow: bool
    """It is a warning."""


class Line(NamedTuple):
    """From one region to another."""

    path: str
    x: float
    y: float
    text: str
    """Its round trip; empty where none was measured."""

    slow: bool


class Atoll(NamedTuple):
    """A region."""

    name: str
    x: float
    y: float
    """Where its name stands, by the foot of the letters."""

    depths: Sequence[str]
    reef: str
    lagoon: str
    beads: Sequence[Bead]
    """None where those are too many to draw: the notes have their number then."""

    notes: Sequence[Note]


class Chart(NamedTuple):
    """All of it, in a box of *width* by *height*."""

    width: int
    height: int
    across: Sequence[int]
    """Lines of the grid."""

    down: Sequence[int]
    lines: Sequence[Line]
    atolls: Sequence[Atoll]


def chart(
    regions: Sequence[DeskRegion],
    links: Sequence[DeskLink],
    notes: Sequence[Sequence[tuple[str, bool]]],
    width: int,
    height: int,
) -> Chart:
    """
    Draw *regions*, each with what *notes* say below it.

    The one that looks is at the left, and the others go around by how far they are from it.
    """
    order = sorted(range(len(regions)), key=lambda n: _distance(regions[n]))
    size = min(1.0, 4.6 / max(4, len(regions))) * min(width / 710, height / 470, 1.0)
    places = dict(zip(order, _around(len(regions), width, height, size), strict=True))
    by_name = {region.region: places[number] for number, region in enumerate(regions)}
    atolls = [
        _atoll(region, *places[number], size, notes[number])
        for number, region in enumerate(regions)
    ]
    lines = [
        _line(link, by_name[link.origin], by_name[link.to], (width / 2, height / 2))
        for link in links
        if link.origin in by_name and link.to in by_name
    ]
    return Chart(
        width,
        height,
        [height * part // 6 for part in (1, 3, 5)],
        [width * part // 6 for part in (1, 3, 5)],
        lines,
        atolls,
    )


def _distance(region: DeskRegion) -> tuple[bool, float, str]:
    """The own region first: it alone has no round trip, and somebody that is connected."""
    trip = region.round_trip_ms
    return (trip is None and bool(region.missing), trip or 0.0, region.region)


def _around(count: int, width: int, height: int, size: float) -> list[tuple[float, float]]:
    if count == 1:
        return [(width / 2, height / 2 - 20)]
    across, down = width / 2 - 88 * size, height / 2 - 100 * size
    angles = [math.pi + 2 * math.pi * number / count for number in range(count)]
    return [
        (width / 2 + across * math.cos(angle), height / 2 - 22 * size + down * math.sin(angle))
        for angle in angles
    ]


def _atoll(
    region: DeskRegion, x: float, y: float, size: float, notes: Sequence[tuple[str, bool]]
) -> Atoll:
    radius = 39 * size
    kinds = [_bead(condition) for condition, count in sorted(region.conditions.items())
             for _ in range(count)]  # fmt: skip
    few = len(kinds) <= BEADS_MAX
    turn = 2 * math.pi / max(1, len(kinds))
    beads = [
        _bead_at(x + radius * math.sin(turn * n), y - radius * math.cos(turn * n), kind)
        for n, kind in enumerate(kinds)
    ]
    counted = () if few else ((f"{region.serving} of {region.nodes} serve", False),)
    return Atoll(
        region.region[:_NAME_MAX],
        _tenth(x),
        _tenth(y + 6),
        [shore(region.region, x, y, 77 * size), shore(region.region, x, y, 64 * size)],
        shore(region.region, x, y, 51 * size),
        shore(region.region, x, y, 26 * size),
        beads if few else (),
        [
            Note(told, _tenth(y + 51 * size + 18 + 16.5 * n), slow)
            for n, (told, slow) in enumerate((*counted, *notes))
        ],
    )


def _bead_at(x: float, y: float, kind: str) -> Bead:
    cross = f"M{x - 4:.1f} {y - 4:.1f}l8 8m0-8-8 8"
    return Bead(_tenth(x), _tenth(y), kind, cross)


def _bead(condition: NodeCondition) -> str:
    match condition:
        case "serving" | "paused":
            return "ok"
        case "dead" | "unheard" | "left" | "outside":
            return "dead"
        case _:
            return "drain"


def _line(
    link: DeskLink, at: tuple[float, float], to: tuple[float, float], middle: tuple[float, float]
) -> Line:
    """A bow that keeps away from the middle, where others cross."""
    x, y = (at[0] + to[0]) / 2, (at[1] + to[1]) / 2
    bow = (x + (x - middle[0]) * 0.15, y + (y - middle[1]) * 0.15)
    trip = link.round_trip_ms
    return Line(
        f"M{at[0]:.1f} {at[1]:.1f}Q{bow[0]:.1f} {bow[1]:.1f} {to[0]:.1f} {to[1]:.1f}",
        _tenth((x + bow[0]) / 2),
        _tenth((y + bow[1]) / 2 - 6),
        "" if trip is None else f"{trip:.0f}\N{NO-BREAK SPACE}ms",
        (link.behind_s or 0.0) >= BEHIND_S or trip is None,
    )


def shore(name: str, x: float, y: float, radius: float) -> str:
    """A round that is no circle, always the same for a *name*: a closed path through 12 points."""
    drawn = blake2b(f"{name}/{radius:.0f}".encode(), digest_size=_POINTS).digest()
    points = []
    for number, byte in enumerate(drawn):
        far = radius * (0.95 + 0.1 * byte / 255)
        angle = 2 * math.pi * number / _POINTS
        points.append((x + far * math.cos(angle), y + far * math.sin(angle)))
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for number in range(_POINTS):
        before, here, there, after = (points[(number + n) % _POINTS] for n in (-1, 0, 1, 2))
        # Catmull and Rom's spline as Bezier's.
        path += (
            f"C{here[0] + (there[0] - before[0]) / 6:.1f} "
            f"{here[1] + (there[1] - before[1]) / 6:.1f} "
            f"{there[0] - (after[0] - here[0]) / 6:.1f} "
            f"{there[1] - (after[1] - here[1]) / 6:.1f} {there[0]:.1f} {there[1]:.1f}"
        )
    return f"{path}Z"


def _tenth(number: float) -> float:
    return round(number, 1)
