"""What a list shows of an image: for which platforms it is, and how many bytes."""

import re
from collections import OrderedDict
from collections.abc import Iterator
from typing import Final, NamedTuple, Protocol

import msgspec

from cluster.model import Digest
from node.registry.children import platform_name
from node.registry.values import ManifestRecord

OUTLINES_MAX: Final = 10_000
"""Outlines remembered, some 300 bytes each. They never change; more are made again."""

CHILDREN_MAX: Final = 64
"""Manifests of an index that are looked at. One that lists more has no size here."""

PLATFORMS_MAX: Final = 20
"""Platforms of one image that a list shows."""

_ATTESTATION: Final = "vnd.docker.reference.type"
"""The annotation by which BuildKit marks what is about an image and is none."""

_UNKNOWN: Final = "unknown"

_WORD: Final = re.compile(r"[\w.-]{1,64}", re.ASCII)
"""A part of the name of a platform. Strangers write them: what is no word is not shown."""

_ELSEWHERE: Final = ("nondistributable", "rootfs.foreign")
"""In the media types of layers that are not in the registry."""


class ManifestBodies(Protocol):
    """Stored manifests, deleted ones that another one names included."""

    def manifest(self, repository: str, digest: Digest) -> ManifestRecord | None: ...


class Outline(NamedTuple):
    """What is shown of an image."""

    size: int | None
    """Bytes of all that it leads to, each blob once, and of its manifests; None: not known."""

    platforms: tuple[str, ...] = ()
    """Those that an index lists, without attestations."""

    config: Digest | None = None
    """What tells the platform of an image that is in no index."""


UNKNOWN: Final = Outline(None)


class _ListedPlatform(msgspec.Struct, gc=False):
    os: str | None = None
    architecture: str | None = None
    variant: str | None = None


class _Listed(msgspec.Struct, rename="camel", gc=False):
    digest: str
    size: int = 0
    media_type: str | None = None
    platform: _ListedPlatform | None = None
    annotations: dict[str, str] | None = None


class _Body(msgspec.Struct, gc=False):
    config: _Listed | None = None
    layers: list[_Listed] | None = None
    manifests: list[_Listed] | None = None


_BODY: Final = msgspec.json.Decoder(_Body)


class Outlines:
    """Outlines of stored manifests. Belongs to one event loop."""

    def __init__(self, bodies: ManifestBodies) -> None:
        self._bodies = bodies
        self._known: OrderedDict[str, Outline] = OrderedDict()

    def of(self, repository: str, digest: Digest) -> Outline:
        """That of a manifest in *repository*; it may have been deleted in the meantime."""
        found = self._known.get(digest)
        if found is not None:
            self._known.move_to_end(digest)
            return found
        record = self._bodies.manifest(repository, digest)
        if record is None:
            return UNKNOWN
        made, is_whole = self._made(repository, record.body)
        if is_whole:  # what lacks a child may have it later
            self._known[digest] = made
            if len(self._known) > OUTLINES_MAX:
                self._known.popitem(last=False)
        return made

    def _made(self, repository: str, body: bytes) -> tuple[Outline, bool]:
        try:
            outline = _BODY.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return UNKNOWN, True
        if outline.manifests is None:
            sizes = dict(_sizes(outline))
            config = None if outline.config is None else outline.config.digest
            return Outline(len(body) + sum(sizes.values()), (), _digest(config)), True
        platforms = dict.fromkeys(filter(None, map(_platform, outline.manifests)))
        shown = tuple(platforms)[:PLATFORMS_MAX]
        if len(outline.manifests) > CHILDREN_MAX:
            return Outline(None, shown), True
        sizes = {}
        for child in outline.manifests:
            digest = _digest(child.digest)
            record = None if digest is None else self._bodies.manifest(repository, digest)
            if record is None:
                return Outline(None, shown), False
            sizes[child.digest] = len(record.body)
            try:
                sizes |= dict(_sizes(_BODY.decode(record.body)))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                return Outline(None, shown), True
        return Outline(len(body) + sum(sizes.values()), shown), True


def _sizes(body: _Body) -> Iterator[tuple[str, int]]:
    """The blobs that a manifest names, and what it says of their sizes."""
    for each in (*filter(None, (body.config,)), *(body.layers or ())):
        if not any(word in (each.media_type or "") for word in _ELSEWHERE):
            yield each.digest, each.size


def _platform(child: _Listed) -> str:
    """For which platform it is; empty: for none."""
    platform = child.platform
    if platform is None or _ATTESTATION in (child.annotations or {}):
        return ""
    return well_formed_platform(platform.os, platform.architecture, platform.variant)


def well_formed_platform(os: str | None, architecture: str | None, variant: str | None) -> str:
    """The name of a platform that strangers wrote down; empty where it is none."""
    words = (os or "", architecture or "", variant or "-")
    if _UNKNOWN in words or not all(map(_WORD.fullmatch, words)):
        return ""
    return platform_name(os, architecture, variant)


def _digest(text: str | None) -> Digest | None:
    try:
        return None if text is None else Digest.parse(text)
    except ValueError:
        return None
