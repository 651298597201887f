"""
Pages of other sites: which of them may read what this node answers (the Fetch standard's CORS).

A browser asks before it lets a page of another origin read an answer, or send what a form could
not. Unless the operator lists its origin, a page is told nothing, and so can do neither.
"""

from collections.abc import Collection, Mapping
from typing import Final

from aiohttp import hdrs, web

from node.http.endpoint import METHODS

ANY: Final = "*"
"""Stands for every origin. Their pages may read what anybody may: no credentials are let along."""

SENT: Final = (
    "Accept, Authorization, Cache-Control, Content-Range, Content-Type, If-Match, If-None-Match, "
    "If-Range, Range, X-Request-Id"
)
"""Fields of requests that handlers look at."""

SHOWN: Final = (
    "Accept-Ranges, Atoll-Consistency, Atoll-Degraded, Atoll-Event, Content-Disposition, "
    "Content-Length, Content-Range, Docker-Content-Digest, Docker-Distribution-Api-Version, "
    "Docker-Upload-UUID, ETag, Link, Location, OCI-Chunk-Min-Length, OCI-Filters-Applied, "
    "OCI-Subject, OCI-Tag, Range, RateLimit-Limit, RateLimit-Remaining, Retry-After, "
    "WWW-Authenticate, X-Request-Id"
)
"""Fields of answers that clients of a registry need. A page sees none that is not listed."""

_PREFLIGHT_S: Final = 3600
"""How long a browser remembers the answer to its question. Longer spares it round trips; shorter
takes back an origin sooner."""


class Cors:
    """Says to browsers what pages of *origins* may do. Without any it says nothing."""

    def __init__(self, origins: Collection[str] = ()) -> None:
        self._origins = frozenset(origins)

    def fields(self, request: web.BaseRequest) -> Mapping[str, str]:
        """What the answer to *request* says, be it what it may."""
        if not self._origins:
            return {}
        if ANY in self._origins:
            return {
                hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: ANY,
                hdrs.ACCESS_CONTROL_EXPOSE_HEADERS: SHOWN,
            }
        # Said to everybody: a cache must not give one origin what another one was told.
        vary: dict[str, str] = {hdrs.VARY: "Origin"}
        origin = request.headers.get(hdrs.ORIGIN)
        if origin not in self._origins:
            return vary
        return {
            **vary,
            hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: origin,
            hdrs.ACCESS_CONTROL_ALLOW_CREDENTIALS: "true",
            hdrs.ACCESS_CONTROL_EXPOSE_HEADERS: SHOWN,
        }

    def preflight(self, request: web.BaseRequest) -> web.Response | None:
        """The answer to a browser that asks before it sends; None if this is no such question."""
        if request.method != hdrs.METH_OPTIONS or hdrs.ORIGIN not in request.headers:
            return None
        if hdrs.ACCESS_CONTROL_REQUEST_METHOD not in request.headers:
            return None
        if hdrs.ACCESS_CONTROL_ALLOW_ORIGIN not in self.fields(request):
            return None
        return web.Response(
            status=204,
            headers={
                hdrs.ACCESS_CONTROL_ALLOW_METHODS: ", ".join(METHODS),
                hdrs.ACCESS_CONTROL_ALLOW_HEADERS: SENT,
                hdrs.ACCESS_CONTROL_MAX_AGE: str(_PREFLIGHT_S),
            },
        )
