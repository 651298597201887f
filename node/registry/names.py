"""
Names from the outside, parsed once. Past this module nobody checks them again.

What is none raises `NameInvalid`, `TagInvalid` or `DigestInvalid`. Grammar: OCI distribution-spec,
"Pulling manifests".
"""

import re
from typing import Final, Self

from cluster.model import Digest
from node.errors import DigestInvalid, NameInvalid, TagInvalid

REPOSITORY_MAX: Final = 255
"""Longest repository name, in characters. Clients refuse host/name above 255 altogether."""

_COMPONENT: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY: Final = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG: Final = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")


class RepositoryName(str):
    """A well-formed repository name."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        if len(text) > REPOSITORY_MAX:
            raise NameInvalid(f"repository names have at most {REPOSITORY_MAX} characters")
        if _REPOSITORY.fullmatch(text) is None:
            raise NameInvalid(
                "repository names are path components of lower-case letters and digits, "
                "separated by '/', with single '.', '_', '__' or dashes inside a component"
            )
        return cls(text)


class Tag(str):
    """A well-formed tag."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        if _TAG.fullmatch(text) is None:
            raise TagInvalid(
                "tags are 1 to 128 letters, digits, '_', '.' and '-', "
                "and start with a letter, a digit or '_'"
            )
        return cls(text)


Reference = Tag | Digest


def parse_digest(text: str) -> Digest:
    """A digest of an algorithm that is stored here."""
    try:
        return Digest.parse(text)
    except ValueError as exc:
        raise DigestInvalid(str(exc)) from exc


def parse_reference(text: str) -> Reference:
    """A digest or a tag: only digests have a colon."""
    return parse_digest(text) if ":" in text else Tag.parse(text)
