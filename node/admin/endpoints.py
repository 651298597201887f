"""All of the admin API, and what is asked about this node alone."""

from typing import Final

from node.admin import layout, members, probes, projects, status, tags, wait
from node.admin.context import AdminContext
from node.http.endpoint import Endpoint

ENDPOINTS: Final[tuple[Endpoint[AdminContext], ...]] = (
    *tags.ENDPOINTS,
    *projects.ENDPOINTS,
    *status.ENDPOINTS,
    *layout.ENDPOINTS,
    *members.ENDPOINTS,
    *wait.ENDPOINTS,
    *probes.ENDPOINTS,
)
