"""The pages that are looked at in a browser. A new page is one line here."""

from typing import Final, NamedTuple


class LookedAt(NamedTuple):
    """A page, by its address, in the registry that `tests.desk.conftest` fills."""

    name: str
    path: str
    logged_in: bool = True
    """Whether somebody looks who may do everything; else a stranger."""


PAGES: Final = (
    LookedAt("overview", "/ui/"),
    LookedAt("cluster", "/ui/cluster"),
    LookedAt("log-in", "/ui/login", logged_in=False),
    LookedAt("logged out", "/ui/logout", logged_in=False),
    LookedAt("a stranger", "/ui/", logged_in=False),
    LookedAt("nothing there", "/ui/nothing"),
)

WIDTHS: Final = (320, 360, 768, 1280)

LOOKS: Final = ("light", "dark", "forced")
"""Themes, and colours that the system forces upon the page."""
