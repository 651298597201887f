"""
Every endpoint, in one table: what is not in it is not served.

A repository name may hold any of the words used here (`a/tags/list`), so paths are read from
their end.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple
from urllib.parse import unquote

from node.errors import MethodNotAllowed, NameInvalid, RouteUnknown
from node.registry.names import RepositoryName


class Action(StrEnum):
    """What a request wants to do; permissions and metrics go by these."""

    PING = "ping"
    CATALOG = "catalog"
    TAGS = "tags.list"
    REFERRERS = "referrers.list"
    MANIFEST_READ = "manifest.read"
    MANIFEST_WRITE = "manifest.write"
    MANIFEST_DELETE = "manifest.delete"
    BLOB_READ = "blob.read"
    BLOB_DELETE = "blob.delete"
    UPLOAD_START = "upload.start"
    UPLOAD_STATUS = "upload.status"
    UPLOAD_APPEND = "upload.append"
    UPLOAD_FINISH = "upload.finish"
    UPLOAD_CANCEL = "upload.cancel"


VAR: Final = ""
"""Stands in a route for the one segment that varies."""

_READ_MANIFEST: Final = {"GET": Action.MANIFEST_READ, "HEAD": Action.MANIFEST_READ}
_READ_BLOB: Final = {"GET": Action.BLOB_READ, "HEAD": Action.BLOB_READ}

ROUTES: Final[tuple[tuple[tuple[str, ...], Mapping[str, Action]], ...]] = (
    (
        ("manifests", VAR),
        {**_READ_MANIFEST, "PUT": Action.MANIFEST_WRITE, "DELETE": Action.MANIFEST_DELETE},
    ),
    (
        ("blobs", "uploads", VAR),
        {
            "GET": Action.UPLOAD_STATUS,
            "PATCH": Action.UPLOAD_APPEND,
            "PUT": Action.UPLOAD_FINISH,
            "DELETE": Action.UPLOAD_CANCEL,
        },
    ),
    (("blobs", "uploads"), {"POST": Action.UPLOAD_START}),
    (("blobs", VAR), {**_READ_BLOB, "DELETE": Action.BLOB_DELETE}),
    (("tags", "list"), {"GET": Action.TAGS}),
    (("referrers", VAR), {"GET": Action.REFERRERS}),
)
"""(the path behind /v2/<name>/) -> method -> action. The first that fits counts."""

_PING: Final = {"GET": Action.PING, "HEAD": Action.PING}
_CATALOG: Final = {"GET": Action.CATALOG}


class Target(NamedTuple):
    """What a request is aimed at. *variable* is the path's varying segment, decoded."""

    action: Action
    repository: RepositoryName
    variable: str


_NO_REPOSITORY: Final = RepositoryName("")


def resolve(method: str, path: str) -> Target:
    """
    Find the action for a request; *path* is as the client sent it, still percent-encoded.

    Raises:
        RouteUnknown, MethodNotAllowed, NameInvalid: there is none.
    """
    if path in ("/v2/", "/v2"):
        return Target(_action(method, _PING), _NO_REPOSITORY, "")
    if path == "/v2/_catalog":
        return Target(_action(method, _CATALOG), _NO_REPOSITORY, "")
    if not path.startswith("/v2/"):
        raise RouteUnknown
    segments = path[4:].split("/")
    if segments[-3:] == ["blobs", "uploads", ""]:
        segments.pop()  # POST /v2/<name>/blobs/uploads/ has a slash at its end
    for tail, methods in ROUTES:
        depth = len(tail)
        if len(segments) > depth and _fits(segments[-depth:], tail):
            action = _action(method, methods)
            name = "/".join(segments[:-depth])
            variable = unquote(segments[-1], errors="replace") if tail[-1] == VAR else ""
            if "%" in name:
                # No name needs encoding; %2f and %00 are only ever tricks.
                raise NameInvalid("repository names are not percent-encoded")
            return Target(action, RepositoryName.parse(name), variable)
    raise RouteUnknown


def _fits(segments: list[str], tail: tuple[str, ...]) -> bool:
    return all(
        bool(segment) if part == VAR else segment == part
        for segment, part in zip(segments, tail, strict=True)
    )


def _action(method: str, methods: Mapping[str, Action]) -> Action:
    action = methods.get(method)
    if action is None:
        raise MethodNotAllowed(sorted(methods))
    return action
