"""All pages and their forms."""

from typing import Final

from node.http.endpoint import Endpoint
from node.ui import login, overview, static_files
from node.ui.context import UiContext

ENDPOINTS: Final[tuple[Endpoint[UiContext], ...]] = (
    *overview.ENDPOINTS,
    *login.ENDPOINTS,
    *static_files.ENDPOINTS,
)
