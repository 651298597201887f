"""The heads of the columns of a table."""

from typing import NamedTuple


class ColumnHead(NamedTuple):
    """One column, as `parts/table.html` asks for it."""

    text: str
    num: bool = False
    """Numbers stand at the right."""

    hidden: bool = False
    """It is heard only."""

    href: str = ""
    """What sorts by it; empty: nothing does."""

    sorted: str = ""
    """ascending, descending, or empty."""
