"""All pages and their forms."""

from typing import Final

from node.http.endpoint import Endpoint
from node.ui import cluster, login, overview, static_files
from node.ui.context import UiContext

ENDPOINTS: Final[tuple[Endpoint[UiContext], ...]] = (
    *overview.ENDPOINTS,
    *cluster.ENDPOINTS,
    *login.ENDPOINTS,
    *static_files.ENDPOINTS,
)
