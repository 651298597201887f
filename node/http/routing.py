"""
Which endpoint a request is for, by the paths that the endpoints describe.

A repository name may hold any of the words that paths have (`a/tags/list`), so it is whatever lies
before the rest, or behind it. Where that leaves two readings of a path
(`.../a/tags/tags/rollback`), the first that has the method counts. A reading that has a word where
another has a variable is the only one (`.../blobs/uploads`). A tag or a digest may stand in the
segment in which the name ends, as people write it (`/ui/i/a/b:1.0`).
"""

import re
from collections.abc import Iterable
from itertools import chain
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from node.errors import MethodNotAllowed, RouteUnknown
from node.http.endpoint import NO_REPOSITORY, REPOSITORY, Endpoint
from node.registry.names import RepositoryName

_SLASHES: Final = re.compile("//+")

_NAME_OF_REFERENCE: Final = "([^:@]+)"
"""No name has the signs that begin a tag and a digest."""

_Methods = dict[str, Endpoint[Any]]


class Target(NamedTuple):
    """What a request is aimed at. *variable* is the path's varying segment, decoded."""

    endpoint: Endpoint[Any]
    repository: RepositoryName
    variable: str


class _Shape(NamedTuple):
    """A path with variables, and who answers there."""

    pattern: re.Pattern[str]
    methods: _Methods
    depth: int
    """How many segments it has."""

    has_name: bool
    variable: int
    """The group of the other variable; 0: there is none."""


class Router:
    """Finds endpoints."""

    def __init__(self, endpoints: Iterable[Endpoint[Any]]) -> None:
        self._fixed: dict[str, _Methods] = {}
        """By the path, where nothing varies."""
        self._by_last: dict[str, list[_Shape]] = {}
        """The others by their last segment, where that is a word,"""
        self._by_next: dict[str, list[_Shape]] = {}
        """or by the one before it;"""
        self._by_start: dict[str, list[_Shape]] = {}
        """and where a name ends them, by what is in front of it."""
        varying: dict[str, _Methods] = {}
        for endpoint in endpoints:
            paths = varying if "{" in endpoint.path else self._fixed
            methods = paths.setdefault(endpoint.path, {})
            for method in endpoint.methods:
                assert method not in methods, f"{method} {endpoint.path} is described twice"
                methods[method] = endpoint
        self._fixed |= {path.rstrip("/"): methods for path, methods in self._fixed.items()}
        self._slashed = tuple(path.rpartition("}")[2] for path in varying if path.endswith("/"))
        for path, methods in varying.items():
            start, name, rest = path.partition(REPOSITORY)
            if name and "/" not in rest:
                self._by_start.setdefault(start, []).append(_shape(path, methods))
                continue
            *_, word, last = path.rstrip("/").split("/")
            if last[0] != "{":
                self._by_last.setdefault(last, []).append(_shape(path, methods))
            else:
                self._by_next.setdefault(word, []).append(_shape(path, methods))

    def resolve(self, method: str, path: str) -> Target:
        """
        Find the endpoint for a request; *path* is as the client sent it, still percent-encoded.

        Raises:
            RouteUnknown, MethodNotAllowed, NameInvalid: there is none.
        """
        fixed = self._fixed.get(path)
        if fixed is not None:
            return Target(_endpoint(fixed, method), NO_REPOSITORY, "")
        before, _, last = path.removesuffix("/").rpartition("/")
        word = before[before.rfind("/") + 1 :]
        others: dict[int, _Methods] = {}
        ending = (self._by_start.get(start) for start in self._by_start if path.startswith(start))
        for shapes in (self._by_last.get(last), self._by_next.get(word), *ending):
            for shape in shapes or ():
                found = shape.pattern.fullmatch(path)
                if found is None or shape.depth in others:
                    continue
                endpoint = shape.methods.get(method)
                if endpoint is not None:
                    return _target(endpoint, shape, found)
                others[shape.depth] = shape.methods
        if others:
            raise MethodNotAllowed(sorted({*chain.from_iterable(others.values())}))
        raise RouteUnknown

    def tidy(self, path: str) -> str:
        """*path* without slashes that say nothing: doubled ones, and one that no path ends with."""
        if "//" in path:
            path = _SLASHES.sub("/", path)
        if path.endswith("/") and path not in self._fixed and not path.endswith(self._slashed):
            path = path[:-1]
        return path


def _shape(path: str, methods: _Methods) -> _Shape:
    segments = path.strip("/").split("/")
    parts = [_pattern(segment) for segment in segments]
    if segments[-1] == REPOSITORY:
        parts[-1] = _NAME_OF_REFERENCE
    pattern = re.compile("/" + "/".join(parts) + ("/?" if path.endswith("/") else ""), re.DOTALL)
    has_name = REPOSITORY in path
    assert pattern.groups <= has_name + 1, f"{path} has too many variables"
    variable = pattern.groups if pattern.groups > has_name else 0
    return _Shape(pattern, methods, len(segments), has_name, variable)


def _pattern(segment: str) -> str:
    if segment == REPOSITORY:
        return "(.+)"
    if segment.startswith(REPOSITORY):
        return f"{_NAME_OF_REFERENCE}{re.escape(segment[len(REPOSITORY)])}([^/]+)"
    return "([^/]+)" if segment[0] == "{" else re.escape(segment)


def _endpoint(methods: _Methods, method: str) -> Endpoint[Any]:
    endpoint = methods.get(method)
    if endpoint is None:
        raise MethodNotAllowed(sorted(methods))
    return endpoint


def _target(endpoint: Endpoint[Any], shape: _Shape, found: re.Match[str]) -> Target:
    variable = unquote(found[shape.variable], errors="replace") if shape.variable else ""
    if not shape.has_name:
        return Target(endpoint, NO_REPOSITORY, variable)
    # Some clients encode the slashes of a name. Decoded once, and then held against the grammar:
    # there is no percent sign, dot segment or NUL in it, so that no second decoding can make
    # another name.
    name = RepositoryName.parse(unquote(found[1], errors="replace"))
    return Target(endpoint, name, variable)
