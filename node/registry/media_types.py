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
_NULL: Final = msgspec.Raw(b"null")
_OUTLINE: Final = msgspec.json.Decoder(_Outline)


def is_media_type(text: str) -> bool:
    return len(text) <= MEDIA_TYPE_MAX and _MEDIA_TYPE.fullmatch(text) is not None


def is_image(media_type: str) -> bool:
    """Whether a manifest of this type names no other manifests; of an unknown type it may."""
    return media_type.lower() in IMAGES


def is_index(media_type: str) -> bool:
    """Whether a manifest of this type lists other manifests."""
    return media_type.lower() in INDEXES


def served_type(body: bytes, pushed_as: str) -> str:
    """
    The media type of a stored manifest.

    Args:
        pushed_as: what whoever pushed it said it was; earlier versions took their word for it. It
            counts only where the bytes do not say.
    """
    try:
        outline = _OUTLINE.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return pushed_as  # an earlier version stored it, within other bounds
    return (
        outline.media_type
        or type_by_shape(
            outline.schema_version,
            config=_is_given(outline.config),
            layers=_is_given(outline.layers),
            lists=outline.manifests != _ABSENT,
        )
        or pushed_as
    )


def type_by_shape(version: int | None, *, config: bool, layers: bool, lists: bool) -> str | None:
    """
    The type that a document without a mediaType has by its fields; None if by them it has none.

    Args:
        config, layers: whether the field has a value.
        lists: whether there is a field `manifests`, be it null.
    """
    if version != 2:
        return None
    if config:
        return OCI_MANIFEST
    return OCI_INDEX if lists and not layers else None


def _is_given(value: msgspec.Raw) -> bool:
    return value not in (_ABSENT, _NULL)
