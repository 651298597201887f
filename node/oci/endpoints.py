"""All of the Distribution API."""

from typing import Final

from node.http.endpoint import Endpoint
from node.oci import blobs, listings, manifests, token, uploads
from node.oci.context import OciContext

ENDPOINTS: Final[tuple[Endpoint[OciContext], ...]] = (
    *manifests.ENDPOINTS,
    *blobs.ENDPOINTS,
    *uploads.ENDPOINTS,
    *listings.ENDPOINTS,
    *token.ENDPOINTS,
)
