"""What a manifest lists: its descriptors with what the desk shows of them. Stored ones alone."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Literal, NamedTuple

import msgspec

from cluster.model import Digest
from node.desk.text import VALUE_MAX, NamedText, cut
from node.registry.children import platform_name
from node.registry.media_types import INDEXES, media_type_of

ANNOTATIONS_MAX: Final = 30
"""Annotations of a manifest, or labels, that are shown."""

_SMALL_BYTES: Final = 16 << 10
_SMALL_REMEMBERED: Final = 256
_LARGE_REMEMBERED: Final = 4
"""Manifests outlined last, by the size of their text: a few MiB of each kind. One page looks at its
own several times."""

_IMAGE_CONFIGS: Final = frozenset(
    {
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.docker.container.image.v1+json",
    }
)

ImageKind = Literal["image", "index", "artifact"]


class _PlatformText(msgspec.Struct, gc=False):
    os: str | None = None
    architecture: str | None = None
    variant: str | None = None


class _Entry(msgspec.Struct, rename="camel", gc=False):
    digest: str = ""
    size: int = 0
    media_type: str | None = None
    platform: _PlatformText | None = None
    annotations: msgspec.Raw = msgspec.Raw()


class _Listing(msgspec.Struct, rename="camel"):
    artifact_type: str | None = None
    config: _Entry | None = None
    layers: list[_Entry] | None = None
    manifests: list[_Entry | None] | None = None
    subject: _Entry | None = None
    annotations: dict[str, str] | None = None


_LISTING: Final = msgspec.json.Decoder(_Listing)
_TEXTS: Final = msgspec.json.Decoder(dict[str, str])


@dataclass(frozen=True, slots=True)
class _Body:
    """A manifest's bytes, known by their digest: nobody hashes or compares them again."""

    digest: Digest
    body: bytes = field(compare=False)


class Described(NamedTuple):
    """One descriptor of a manifest."""

    digest: Digest
    size: int
    """In bytes."""

    media_type: str
    platform: str
    """`OS/ARCHITECTURE` or `OS/ARCHITECTURE/VARIANT`; empty: it states none."""

    raw_annotations: bytes

    @property
    def annotations(self) -> Mapping[str, str]:
        """Those that are text; nobody has checked them."""
        with suppress(msgspec.MsgspecError, ValueError, RecursionError):
            return _TEXTS.decode(self.raw_annotations)
        return {}


class ManifestOutline(NamedTuple):
    """What a manifest is, and what it lists."""

    kind: ImageKind
    media_type: str
    artifact_type: str
    """Empty where there is none."""

    subject: str
    """The digest of the manifest that it is attached to; empty: none."""

    annotations: Mapping[str, str]
    config: Described | None
    layers: Sequence[Described]
    children: Sequence[Described]

    @property
    def has_image_config(self) -> bool:
        """Whether its config is that of an image."""
        return self.config is not None and self.config.media_type in _IMAGE_CONFIGS


_NOTHING: Final = ManifestOutline("artifact", "", "", "", {}, None, (), ())


def outline(digest: Digest, body: bytes) -> ManifestOutline:
    """
    What the stored manifest *body* lists; *digest* is its own. Of what is no manifest any more by
    the rules of today nothing.
    """
    read = _small if len(body) <= _SMALL_BYTES else _large
    return read(_Body(digest, body))


def _outline(stored: _Body) -> ManifestOutline:
    body = stored.body
    try:
        listing, media_type = _LISTING.decode(body), media_type_of(body)
        described = [_described(each) for each in listing.layers or ()]
        children = [_described(each) for each in listing.manifests or () if each is not None]
        config = None if listing.config is None else _described(listing.config)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _NOTHING
    artifact_type = listing.artifact_type or ""
    if media_type.lower() in INDEXES:
        kind: ImageKind = "index"
    elif artifact_type or config is None or config.media_type not in _IMAGE_CONFIGS:
        kind = "artifact"
    else:
        kind = "image"
    if not artifact_type and kind == "artifact" and config is not None:
        artifact_type = config.media_type
    return ManifestOutline(
        kind,
        media_type,
        artifact_type,
        "" if listing.subject is None else listing.subject.digest,
        listing.annotations or {},
        config,
        described,
        children,
    )


_small: Final = lru_cache(_SMALL_REMEMBERED)(_outline)
_large: Final = lru_cache(_LARGE_REMEMBERED)(_outline)


def _described(entry: _Entry) -> Described:
    platform, named = entry.platform, ""
    if platform is not None:
        named = platform_name(platform.os, platform.architecture, platform.variant)
    digest = Digest.parse(entry.digest)
    return Described(digest, entry.size, entry.media_type or "", named, bytes(entry.annotations))


def shown_texts(texts: Mapping[str, str]) -> tuple[NamedText, ...]:
    """The first annotations or labels, cut to what is shown."""
    first = sorted(texts.items())[:ANNOTATIONS_MAX]
    return tuple(NamedText(name[:VALUE_MAX], cut(value, VALUE_MAX)) for name, value in first)
