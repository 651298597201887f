"""The edge, whole: every endpoint, and what each works with."""

from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from node.admin.context import AdminContext
from node.admin.endpoints import ENDPOINTS as ADMIN
from node.http.endpoint import Bound, Elsewhere, Endpoint
from node.http.json import encode_json
from node.http.openapi import describe
from node.identity.actions import RULES
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


def bind(oci: OciContext, admin: AdminContext, elsewhere: Elsewhere | None = None) -> list[Bound]:
    """Every endpoint with what answers it; *elsewhere* the Distribution API, while that is due."""
    return [
        *(Bound(endpoint, partial(endpoint.handler, oci), elsewhere) for endpoint in OCI),
        *(Bound(endpoint, partial(endpoint.handler, admin)) for endpoint in ADMIN),
    ]
