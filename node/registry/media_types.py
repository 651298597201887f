"""
What type a manifest has.

The media type is a function of the bytes: what somebody says beside them, in a header or in an
event of a peer, is compared with it or left aside.
"""

import re
from typing import Final

import msgspec

OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"

IMAGES: Final = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
INDEXES: Final = frozenset({OCI_INDEX, DOCKER_LIST})
SCHEMA_1: Final = frozenset(
    {
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    }
)

OWN_TYPES: Final = "application/vnd.atoll."
"""What begins like this is kept for nodes: as such a type they push what is an index by its bytes
(`node.index.references`)."""

MEDIA_TYPE_MAX: Final = 255
"""Longest media type, in characters (RFC 6838 allows 127 on each side of the slash)."""

_MEDIA_TYPE: Final = re.compile(r"[\w!#$%&'*+.^`|~-]+/[\w!#$%&'*+.^`|~-]+", re.ASCII)
"""Two tokens of RFC 9110: it is served as a header."""


class _Outline(msgspec.Struct, rename="camel"):
    """What the type of a manifest depends on."""

    schema_version: int | None = None
    media_type: str | None = None
    config: msgspec.Raw = msgspec.Raw()
    layers: msgspec.Raw = msgspec.Raw()
    manifests: msgspec.Raw = msgspec.Raw()


_ABSENT: Final = msgspec.Raw()
_NOTHING: Final = (_ABSENT, msgspec.Raw(b"null"))
_OUTLINE: Final = msgspec.json.Decoder(_Outline)


def is_media_type(text: str) -> bool:
    return len(text) <= MEDIA_TYPE_MAX and _MEDIA_TYPE.fullmatch(text) is not None


def is_index(media_type: str) -> bool:
    """Whether a manifest of this type lists other manifests."""
    return media_type.lower() in INDEXES


def media_type_of(body: bytes) -> str:
    """
    The media type of a manifest: its mediaType, or that of its fields; empty if it has neither.

    A field that is null is not there, but that an index may have null for `manifests`.
    """
    outline = _OUTLINE.decode(body)
    if outline.media_type or outline.schema_version != 2:
        return outline.media_type or ""
    if outline.config not in _NOTHING:
        return OCI_MANIFEST
    lists = outline.manifests != _ABSENT and outline.layers in _NOTHING
    return OCI_INDEX if lists else ""
