"""All of the admin API, and what is asked about this node alone."""

from typing import Final

from node.admin import (
    access,
    accounts,
    activity,
    attention,
    desk,
    images,
    layout,
    members,
    probes,
    projects,
    repositories,
    robots,
    search,
    settings,
    status,
    tags,
    wait,
)
from node.admin.context import AdminContext
from node.http.endpoint import Endpoint

ENDPOINTS: Final[tuple[Endpoint[AdminContext], ...]] = (
    *repositories.ENDPOINTS,
    *search.ENDPOINTS,
    *tags.ENDPOINTS,
    *images.ENDPOINTS,
    *activity.ENDPOINTS,
    *projects.ENDPOINTS,
    *status.ENDPOINTS,
    *attention.ENDPOINTS,
    *desk.ENDPOINTS,
    *layout.ENDPOINTS,
    *settings.ENDPOINTS,
    *members.ENDPOINTS,
    *wait.ENDPOINTS,
    *accounts.ENDPOINTS,
    *access.ENDPOINTS,
    *robots.ENDPOINTS,
    *probes.ENDPOINTS,
)
