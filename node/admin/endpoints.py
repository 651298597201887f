"""All of the admin API, and what is asked about this node alone."""

from typing import Final

from node.admin import (
    access,
    accounts,
    activity,
    attention,
    images,
    layout,
    members,
    probes,
    projects,
    robots,
    status,
    tags,
    wait,
)
from node.admin.context import AdminContext
from node.http.endpoint import Endpoint

ENDPOINTS: Final[tuple[Endpoint[AdminContext], ...]] = (
    *tags.ENDPOINTS,
    *images.ENDPOINTS,
    *activity.ENDPOINTS,
    *projects.ENDPOINTS,
    *status.ENDPOINTS,
    *attention.ENDPOINTS,
    *layout.ENDPOINTS,
    *members.ENDPOINTS,
    *wait.ENDPOINTS,
    *accounts.ENDPOINTS,
    *access.ENDPOINTS,
    *robots.ENDPOINTS,
    *probes.ENDPOINTS,
)
