"""All pages and their forms."""

from typing import Final

from node.http.endpoint import Endpoint
from node.ui import (
    activity,
    cluster,
    images,
    login,
    overview,
    project,
    repositories,
    repository,
    search,
    settings,
    static_files,
)
from node.ui.access.endpoints import ENDPOINTS as ACCESS
from node.ui.context import UiContext

ENDPOINTS: Final[tuple[Endpoint[UiContext], ...]] = (
    *overview.ENDPOINTS,
    *repositories.ENDPOINTS,
    *repository.ENDPOINTS,
    *project.ENDPOINTS,
    *search.ENDPOINTS,
    *images.ENDPOINTS,
    *activity.ENDPOINTS,
    *cluster.ENDPOINTS,
    *settings.ENDPOINTS,
    *ACCESS,
    *login.ENDPOINTS,
    *static_files.ENDPOINTS,
)
