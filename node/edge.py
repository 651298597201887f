"""The edge, whole: every endpoint, and what each works with."""

from functools import cache, partial
from typing import Any, Final, NamedTuple

from node.admin.context import AdminContext
from node.admin.endpoints import ENDPOINTS as ADMIN
from node.admin.probes import BARE
from node.http.endpoint import Bound, Elsewhere, Endpoint
from node.http.json import encode_json
from node.http.openapi import describe
from node.http.release import own_version
from node.identity.actions import RULES, Action
from node.oci.context import OciContext
from node.oci.endpoints import ENDPOINTS as OCI
from node.ui.context import UiContext
from node.ui.endpoints import ENDPOINTS as UI
from node.ui.references import met

ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = (*OCI, *ADMIN)
"""The API: all that programs are served."""

PAGES: Final[tuple[Endpoint[Any], ...]] = UI
"""What people with a browser are served. It is in no description of the API: pages change."""

SERVED: Final[tuple[Endpoint[Any], ...]] = (*ENDPOINTS, *PAGES)
"""All that is served. What is not described here is not."""

_UNRULED: Final = [endpoint.action for endpoint in SERVED if endpoint.action not in RULES]
assert not _UNRULED, f"nobody says who may do {_UNRULED}"


@cache
def described() -> bytes:
    """The OpenAPI document of the API."""
    return encode_json(describe(ENDPOINTS, own_version()))


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
    oci: OciContext,
    admin: AdminContext,
    ui: UiContext,
    elsewhere: Elsewhere | None = None,
    *,
    is_open: bool,
    has_pages: bool,
) -> Doors:
    """
    Every endpoint with what answers it; *elsewhere* the Distribution API, while that is due.
    *has_pages*: whether pages are served at the registry's port, too.
    """
    distribution = [Bound(each, partial(each.handler, oci), elsewhere) for each in OCI]
    operators = [Bound(each, partial(each.handler, admin)) for each in ADMIN]
    pages = [Bound(each, partial(each.handler, ui)) for each in PAGES]
    shown = [each._replace(run=partial(met, each.run)) if each.endpoint.action is Action.FRONT
             else each for each in operators]  # fmt: skip
    inner = [*distribution, *shown, *pages]
    if is_open:
        return Doors(inner if has_pages else [*distribution, *operators], inner)
    bare = [Bound(each, partial(BARE[each.action], admin)) for each in ADMIN if each.action in BARE]
    afar = [bound for bound in operators if bound.endpoint.action in _FROM_AFAR]
    return Doors([*distribution, *bare, *afar, *(pages if has_pages else ())], inner)
