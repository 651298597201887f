"""Lines and bars, as attributes of SVG: no page has a `style`."""

from collections.abc import Sequence
from typing import Final, NamedTuple

_WIDTH: Final = 96.0
_TOP: Final = 3.0
_BOTTOM: Final = 23.0

POINTS_MAX: Final = 240
"""Readings that one line is drawn of."""

_BAR: Final = 1000.0
_BARS_MAX: Final = 100
"""Layers drawn of one image."""

_SHADES: Final = 5


class Bar(NamedTuple):
    """One rectangle of a bar."""

    x: str
    width: str
    shade: int


def spark(points: Sequence[float]) -> str:
    """The path of a line through *points*, in a box of 96 by 26; empty for fewer than two."""
    values = [float(each) for each in list(points)[-POINTS_MAX:]]
    if len(values) < 2:
        return ""
    least, most = min(values), max(values)
    span = most - least
    step = _WIDTH / (len(values) - 1)
    heights = [
        (_TOP + _BOTTOM) / 2 if not span else _BOTTOM - (each - least) / span * (_BOTTOM - _TOP)
        for each in values
    ]
    return "M" + " L".join(f"{number * step:.1f} {y:.1f}" for number, y in enumerate(heights))


def bars(sizes: Sequence[float]) -> list[Bar]:
    """A rectangle for each of *sizes*, together 1000 wide; at most 100 of them."""
    values = [max(0.0, float(each)) for each in list(sizes)[:_BARS_MAX]]
    whole = sum(values)
    found, x = [], 0.0
    for number, value in enumerate(values):
        width = _BAR * value / whole if whole else 0.0
        found.append(Bar(f"{x:.1f}", f"{width:.1f}", number % _SHADES + 1))
        x += width
    return found
