"""What the commands say, and what has to be typed before something is lost."""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import Final

from node.cli.errors import CommandError

Ask = Callable[[str], str]
"""Asks whoever types the command; returns what was typed."""

Tell = Callable[[str], None]
"""Shows what is waited for."""

_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def size(count: int) -> str:
    """A number of bytes, short."""
    value, unit = float(count), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.1f} {_UNITS[unit]}" if unit else f"{count} B"


def blobs(count: int, count_bytes: int) -> str:
    return f"{count} blob{'' if count == 1 else 's'} ({size(count_bytes)})"


def insist_on_word(
    lost: Collection[str], told: str, given: Collection[str], ask: Ask | None
) -> None:
    """
    Return once somebody has typed the names of those that are *lost*, who has read what is *told*.
    A script *gave* them with the command; None for *ask*: there is nobody to ask.

    Raises:
        CommandError: nobody did.
    """
    names = sorted(lost)
    if given:
        if sorted(given) != names:
            raise CommandError(
                f"--yes-i-lose names {', '.join(sorted(given))}, and {', '.join(names)} would be "
                "lost; nothing was done"
            )
        return
    options = " ".join(f"--yes-i-lose {name}" for name in names)
    if ask is None:
        raise CommandError(f"{told}; nothing was done: give {options} to do it all the same")
    typed = ask(f"{told}. Type {' '.join(names)} to do it all the same")
    if sorted(typed.replace(",", " ").split()) != names:
        raise CommandError("nothing was done")


def table(rows: Collection[Collection[str]]) -> str:
    """Columns as wide as they have to be."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "\n".join(lines)


def until(when: float) -> str:
    """A time in seconds since 1970; 0: never."""
    return f"{datetime.fromtimestamp(when, UTC):%Y-%m-%d %H:%M}Z" if when else "never"


def days_from_now(days: float | None, now: float) -> float:
    """When that is, in seconds since 1970; 0: never, as nobody said."""
    return 0.0 if days is None else now + days * 86_400


def age(seconds: float) -> str:
    """How long something is so, short."""
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


_BLOCKS: Final = "▁▂▃▄▅▆▇█"


def spark(points: Sequence[float | None]) -> str:
    """A line of blocks, each as high as its point is beside the highest; a gap for None."""
    top = max((point for point in points if point is not None), default=0.0)
    step = len(_BLOCKS) - 1
    return "".join(
        " " if point is None else _BLOCKS[round(step * point / top) if top > 0 else 0]
        for point in points
    )


def bar(share: float, width: int = 24) -> str:
    """How much of something is done, and in percent; it is full only when all is."""
    full = int(width * min(1.0, max(0.0, share)))
    return f"[{'#' * full}{'-' * (width - full)}] {int(100 * share)} %"
