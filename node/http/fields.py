"""What header fields and the variables of paths mean: words for the descriptions of endpoints."""

from collections.abc import Mapping
from typing import Final

from cluster.model import NODE_ID

FIELDS: Final[Mapping[str, str]] = {
    "Accept-Ranges": "`bytes`: parts of it may be asked for.",
    "Atoll-Consistency": "`unconfirmed`: no majority of the region's nodes could be asked "
    "whether this is the latest.",
    "Atoll-Degraded": "The write is on so many nodes only, fewer than `copies`.",
    "Atoll-Event": "The event of the write, or the one that the tag has: `NODE/EPOCH/SEQUENCE`.",
    "Cache-Control": "Whether a cache has to ask again: content under a digest never changes.",
    "Content-Disposition": "`attachment`, where a browser might make more of it than data.",
    "Content-Range": "Which bytes these are, or how many there are.",
    "Docker-Content-Digest": "The digest of the content.",
    "Docker-Distribution-Api-Version": "`registry/2.0`.",
    "Docker-Upload-UUID": "The upload.",
    "ETag": "The digest, in quotes.",
    "If-None-Match": "Entity tags that the client has: 304 if this is one of them.",
    "If-Range": "The digest that `Range` is about; of other content all is sent.",
    "Link": 'The next page, where there is one: `<...>; rel="next"`.',
    "Location": "Where it can be found, or goes on.",
    "OCI-Chunk-Min-Length": "The least bytes that a chunk should have.",
    "OCI-Filters-Applied": "`artifactType`, where only some types were asked for.",
    "OCI-Subject": "The manifest that the pushed one refers to.",
    "OCI-Tag": "A tag of a parameter that points to the manifest now; once for each.",
    "RateLimit-Limit": "Manifests that an address may pull without an account: `COUNT;w=SECONDS`.",
    "RateLimit-Remaining": "How many of those are left to it now.",
    "Range": "Bytes of the content; of an upload, those that are there.",
    "Retry-After": "Seconds after which another try may go well.",
    "WWW-Authenticate": "Where a token is had, and for what: `Bearer realm=...`.",
    "X-Request-Id": "The id of the request in the logs: the client's, if it sent a plain one.",
}

ALWAYS: Final = ("Docker-Distribution-Api-Version",)
"""Fields of every answer."""

FIELDS_OF_READS: Final = ("Atoll-Consistency",)
"""Fields of answers by who reads the index."""

FIELDS_OF_ERRORS: Final[Mapping[int, tuple[str, ...]]] = {
    401: ("WWW-Authenticate",),
    416: ("Location", "Range", "Content-Range"),
    429: ("Retry-After", "RateLimit-Limit", "RateLimit-Remaining"),
    503: ("Retry-After",),
}
"""Fields of refusals, by their status."""

DIGEST: Final = "^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$"
TAG: Final = "^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$"
_PART: Final = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
NAME: Final = rf"^{_PART}(/{_PART})*$"
EVENT: Final = rf"^{NODE_ID.pattern}/[0-9]{{1,18}}/[0-9]{{1,18}}$"
"""Patterns of texts, as JSON schemas have them."""

VARIABLES: Final[Mapping[str, tuple[str, str]]] = {
    "name": (
        "The name of a repository: one component, or several with slashes between them, as they "
        "are or as `%2F`.",
        NAME,
    ),
    "reference": ("A tag, or the digest of a manifest.", f"{TAG}|{DIGEST}"),
    "digest": ("A digest.", DIGEST),
    "upload": ("An upload, as `Location` has it.", ""),
    "tag": ("A tag.", TAG),
    "project": ("The first component of names of repositories.", f"^{_PART}$"),
    "node": ("The name of a node.", ""),
    "user": ("The log-in name of a user.", ""),
    "group": ("The name of a group.", ""),
    "robot": ("The log-in name of a robot: `PROJECT+NAME`.", ""),
}
"""Variable of a path -> what it is, and the pattern of its text."""
