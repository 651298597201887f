"""The edge, whole: every endpoint, and what each works with."""

from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final, NamedTuple

from node.admin.context import AdminContext
from node.admin.endpoints import ENDPOINTS as ADMIN
from node.admin.probes import BARE
from node.http.endpoint import Bound, Elsewhere, Endpoint
from node.http.json import encode_json
from node.http.openapi import describe
from node.identity.actions import RULES, Action
from node.oci.context import OciContext
from node.oci.endpoints import ENDPOINTS as OCI

ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = (*OCI, *ADMIN)
"""All that is served. What is not described here is not."""

_UNRULED: Final = [endpoint.action for endpoint in ENDPOINTS if endpoint.action not in RULES]
assert not _UNRULED, f"nobody says who may do {_UNRULED}"


@cache
def described() -> bytes:
    """The OpenAPI document of all endpoints."""
    try:
        of = version("atoll")
    except PackageNotFoundError:  # run from a source tree
        of = "0"
    return encode_json(describe(ENDPOINTS, of))


_FROM_AFAR: Final = frozenset({Action.METRICS})
"""What else a registry's port serves that is not open, to those who may: a Prometheus is seldom on
the node's machine."""


class Doors(NamedTuple):
    """What is served where."""

    registry: list[Bound]
    """At the registry's port: what clients and load balancers need, or all where that is open."""

    admin: list[Bound]
    """At the port of the admin API: all, so that a command needs to know one address."""


def bind(
    oci: OciContext, admin: AdminContext, elsewhere: Elsewhere | None = None, *, is_open: bool
) -> Doors:
    """Every endpoint with what answers it; *elsewhere* the Distribution API, while that is due."""
    distribution = [Bound(each, partial(each.handler, oci), elsewhere) for each in OCI]
    within = [Bound(each, partial(each.handler, admin)) for each in ADMIN]
    everything = [*distribution, *within]
    if is_open:
        return Doors(everything, everything)
    bare = [Bound(each, partial(BARE[each.action], admin)) for each in ADMIN if each.action in BARE]
    afar = [bound for bound in within if bound.endpoint.action in _FROM_AFAR]
    return Doors([*distribution, *bare, *afar], everything)
