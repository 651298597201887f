"""The parts of the page that each page leads to."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from node.http.endpoint import Rights
from node.identity.actions import Action


class Tab(NamedTuple):
    """A link at the head of each page."""

    text: str
    href: str
    action: Action
    """Who may not do it is not shown the tab."""


HOME: Final = "/ui/"

REPOSITORIES: Final = "/ui/repos"

SEARCH: Final = "/ui/search"
"""The address of the search page."""

CLUSTER: Final = "/ui/cluster"

SETTINGS: Final = "/ui/settings"

ACCESS: Final = "/ui/access"

TABS: Final[tuple[Tab, ...]] = (
    Tab("Overview", HOME, Action.PAGE_OVERVIEW),
    Tab("Repositories", REPOSITORIES, Action.PAGE_REPOSITORIES),
    Tab("Cluster", CLUSTER, Action.PAGE_CLUSTER),
    Tab("Activity", "/ui/activity", Action.PAGE_ACTIVITY),
    Tab("Access", ACCESS, Action.PAGE_ACCESS),
    Tab("Settings", SETTINGS, Action.PAGE_SETTINGS),
)


def tabs_for(rights: Rights) -> Sequence[Tab]:
    """Those that somebody with *rights* may open."""
    return [tab for tab in TABS if rights.may(tab.action)]
