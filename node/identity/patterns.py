"""
Patterns of repository names: `lib/app`, `lib/*`, `lib/team/**`.

`*` stands for one component of a name and `**`, which is the last one, for one or more. Nothing
else is special, so that no name of a repository is a pattern by accident (CVE-2026-110697).
"""

import re
from functools import lru_cache
from typing import Final

from node.errors import NameInvalid
from node.identity.errors import SecurityDocumentInvalid
from node.registry.names import REPOSITORY_MAX, RepositoryName

PATTERNS_MAX: Final = 64
"""Patterns in one grant or rule: each is tried at a request's first decision."""

_ANY: Final = "*"
_REST: Final = "**"


def parse_pattern(text: str, project: str | None = None) -> str:
    """
    Check one; it is about *project* where that is named.

    Raises:
        SecurityDocumentInvalid: it is none, or about another project.
    """
    parts = text.split("/")
    wild = [part in (_ANY, _REST) for part in parts]
    sample = "/".join("x" if is_wild else part for part, is_wild in zip(parts, wild, strict=True))
    problem = SecurityDocumentInvalid(f"{text[:80]!r} is no pattern of repositories")
    if len(text) > REPOSITORY_MAX or _REST in parts[:-1]:
        raise problem
    try:
        RepositoryName.parse(sample)
    except NameInvalid as exc:
        raise problem from exc
    if project is not None and parts[0] != project:
        raise SecurityDocumentInvalid(f"{text[:80]!r} is not about project {project!r}")
    return text


def matches(pattern: str, repository: str) -> bool:
    """Whether the name of the *repository* is one of those that *pattern* stands for."""
    return _compiled(pattern).fullmatch(repository) is not None


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    *before, last = pattern.split("/")
    parts = ["[^/]+" if part == _ANY else re.escape(part) for part in before]
    parts.append({_ANY: "[^/]+", _REST: ".+"}.get(last, re.escape(last)))
    return re.compile("/".join(parts))
