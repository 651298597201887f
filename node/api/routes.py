"""
Every endpoint, in one table: what is not in it is not served.

A repository name may hold any of the words used here (`a/tags/list`), so paths are read from
their end.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple
from urllib.parse import unquote

from node.errors import MethodNotAllowed, RouteUnknown
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
    TAG_READ = "tag.read"
    TAG_ROLLBACK = "tag.rollback"
    CONFLICTS = "conflicts.list"
    PROJECTS = "projects.list"
    PROJECT_READ = "project.read"
    PROJECT_WRITE = "project.write"
    PROJECT_DELETE = "project.delete"
    CLUSTER = "cluster.read"
    WAIT = "wait"
    MEMBER_REMOVE = "member.remove"
    LEAVE = "cluster.leave"


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
            "HEAD": Action.UPLOAD_STATUS,
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

ADMIN: Final = "/atoll/v1/"
"""Where the admin API is."""

ADMIN_REPOSITORY_ROUTES: Final[tuple[tuple[tuple[str, ...], Mapping[str, Action]], ...]] = (
    (("tags", VAR, "rollback"), {"POST": Action.TAG_ROLLBACK}),
    (("tags", VAR), {"GET": Action.TAG_READ}),
)
"""
(the path behind /atoll/v1/repositories/<name>/) -> method -> action. The first that fits and has
the method counts: `a/tags` is a repository name, and `rollback` a tag.
"""

ADMIN_ROUTES: Final[tuple[tuple[tuple[str, ...], Mapping[str, Action]], ...]] = (
    (("conflicts",), {"GET": Action.CONFLICTS}),
    (("projects",), {"GET": Action.PROJECTS}),
    (
        ("projects", VAR),
        {
            "GET": Action.PROJECT_READ,
            "PUT": Action.PROJECT_WRITE,
            "DELETE": Action.PROJECT_DELETE,
        },
    ),
    (("cluster",), {"GET": Action.CLUSTER}),
    (("members", VAR), {"DELETE": Action.MEMBER_REMOVE}),
    (("wait",), {"GET": Action.WAIT}),
    (("leave",), {"POST": Action.LEAVE}),
)
"""(the path behind /atoll/v1/) -> method -> action."""

_SLASHES: Final = re.compile("//+")

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
    if path.startswith(ADMIN):
        return _resolve_admin(method, path[len(ADMIN) :].split("/"))
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
            return Target(action, _repository(name), _variable(segments[-depth:], tail))
    raise RouteUnknown


def tidy(path: str) -> str:
    """*path* without slashes that say nothing: doubled ones, and one that no route ends with."""
    if "//" in path:
        path = _SLASHES.sub("/", path)
    if path.endswith("/") and path not in ("/", "/v2/") and not path.endswith("/blobs/uploads/"):
        path = path[:-1]
    return path


def _resolve_admin(method: str, segments: list[str]) -> Target:
    if segments[0] == "repositories":
        return _resolve_admin_repository(method, segments[1:])
    for pattern, methods in ADMIN_ROUTES:
        if len(segments) == len(pattern) and _fits(segments, pattern):
            variable = _variable(segments, pattern)
            return Target(_action(method, methods), _NO_REPOSITORY, variable)
    raise RouteUnknown


def _resolve_admin_repository(method: str, segments: list[str]) -> Target:
    allowed: set[str] = set()
    for tail, methods in ADMIN_REPOSITORY_ROUTES:
        depth = len(tail)
        if len(segments) > depth and _fits(segments[-depth:], tail):
            if method in methods:
                repository = _repository("/".join(segments[:-depth]))
                return Target(methods[method], repository, _variable(segments[-depth:], tail))
            allowed |= methods.keys()
    if allowed:
        raise MethodNotAllowed(sorted(allowed))
    raise RouteUnknown


def _repository(name: str) -> RepositoryName:
    # Some clients encode the slashes. Decoded once, and then held against the grammar: there is
    # no percent sign, dot segment or NUL in it, so that no second decoding can make another name.
    return RepositoryName.parse(unquote(name, errors="replace"))


def _variable(segments: list[str], pattern: tuple[str, ...]) -> str:
    return unquote(segments[pattern.index(VAR)], errors="replace") if VAR in pattern else ""


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
