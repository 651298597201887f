"""All pages and their forms."""

from typing import Final

from node.http.endpoint import Endpoint
from node.ui import activity, images, login, overview, static_files
from node.ui.context import UiContext

ENDPOINTS: Final[tuple[Endpoint[UiContext], ...]] = (
    *overview.ENDPOINTS,
    *images.ENDPOINTS,
    *activity.ENDPOINTS,
    *login.ENDPOINTS,
    *static_files.ENDPOINTS,
)
