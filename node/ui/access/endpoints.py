"""All pages of access, and their forms."""

from typing import Final

from node.http.endpoint import Endpoint
from node.ui.access import account, front, groups, projects, robots, users, why
from node.ui.context import UiContext

ENDPOINTS: Final[tuple[Endpoint[UiContext], ...]] = (
    *front.ENDPOINTS,
    *account.ENDPOINTS,
    *users.ENDPOINTS,
    *groups.ENDPOINTS,
    *projects.ENDPOINTS,
    *robots.ENDPOINTS,
    *why.ENDPOINTS,
)
