"""
What a manifest says: parsing and the rules that need nothing but its bytes.

Known documents are OCI image manifests and indexes (image-spec 1.1) and Docker schema 2
manifests and lists. Unknown media types are stored too; if they look like one of the above, the
content that they name is required all the same.
"""

import operator
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Final

import msgspec

from cluster.model import Digest, plain
from node.errors import ManifestInvalid
from node.registry.children import platform_name
from node.registry.media_types import (
    IMAGES,
    INDEXES,
    MEDIA_TYPE_MAX,
    OWN_TYPES,
    SCHEMA_1,
    is_media_type,
    media_type_of,
)
from node.registry.structure import TooMuch, check_bounds

_FOREIGN: Final = (
    "application/vnd.oci.image.layer.nondistributable.",
    "application/vnd.docker.image.rootfs.foreign.",
)
"""Layers that live elsewhere: a registry need not have them."""

_UNTELLING: Final = frozenset({"", "application/json", "application/octet-stream", "text/plain"})
"""What clients send that do not think of a type; it says nothing of the manifest."""

_SMALL_BYTES: Final = 64 << 10
_SMALL_REMEMBERED: Final = 256
_LARGE_REMEMBERED: Final = 4
"""Manifests parsed last, by the size of their text: 16 MiB of each kind at most. A push waits for
the copies of its blobs between two looks at its manifest, and so many others come meanwhile."""

_SIZE_MAX: Final = 2**63 - 1
"""image-spec, descriptor.md: an int64."""


class _Platform(msgspec.Struct, gc=False):
    os: str | None = None
    architecture: str | None = None
    variant: str | None = None


class _Descriptor(msgspec.Struct, rename="camel", gc=False):
    digest: str
    size: Annotated[int, msgspec.Meta(ge=0, le=_SIZE_MAX)]
    media_type: str | None = None
    platform: _Platform | None = None


class _Document(msgspec.Struct, rename="camel"):
    """What is read of a manifest. As Go's decoder has it, null is a field that is not there."""

    schema_version: int | None = None
    media_type: str | None = None
    artifact_type: str | None = None
    config: _Descriptor | None = None
    layers: list[_Descriptor] | None = None
    manifests: list[_Descriptor] | None = None
    subject: _Descriptor | None = None
    annotations: dict[str, str] | None = None


class _Key(str):
    """A key that equals itself only: a mapping keeps both of two that read the same."""

    __slots__ = ()
    __eq__ = object.__eq__
    __hash__ = object.__hash__


class _Referring(msgspec.Struct):
    subject: _Descriptor | None = None


_TOP: Final = msgspec.json.Decoder(dict[_Key, msgspec.Raw], dec_hook=operator.call)
_DOCUMENT: Final = msgspec.json.Decoder(_Document)
_REFERRING: Final = msgspec.json.Decoder(_Referring)
_KEYS: Final = {key.casefold(): key for key in _Document.__struct_encode_fields__}

_DESCRIPTORS: Final = {"config", "subject"}
_LISTS: Final = {"layers", "manifests"}

_Entry = dict[str, msgspec.Raw]
_ONE: Final = msgspec.json.Decoder(_Entry | None)
_SEVERAL: Final = msgspec.json.Decoder(list[_Entry | None] | None)
_DESCRIPTOR_KEYS: Final = {key.casefold(): key for key in _Descriptor.__struct_encode_fields__}
_PLATFORM_KEYS: Final = {key.casefold(): key for key in _Platform.__struct_encode_fields__}


class Need(msgspec.Struct, frozen=True, gc=False):
    """Content that a manifest names: it must be in the repository, with this size in bytes."""

    digest: Digest
    size: int
    may_be_manifest: bool
    listed_for: tuple[str, ...] | None = None
    """Of a manifest that an index lists: for which platforms, empty for none. The project may do
    without such a one (`node.registry.children`)."""


class Manifest(msgspec.Struct, frozen=True):
    """What the registry has to know of a manifest."""

    media_type: str
    needs: tuple[Need, ...]
    subject: Digest | None
    artifact_type: str | None
    annotations: dict[str, str] | None


@dataclass(frozen=True, slots=True)
class _Stored:
    """A manifest's bytes, as the key of a cache: known by their digest, so that nobody hashes them
    again or compares them."""

    digest: Digest
    body: bytes = field(compare=False)


def parse_manifest(digest: Digest, body: bytes) -> Manifest:
    """
    Read and check a manifest. The last ones are remembered: one push needs its own several times,
    before its blobs have their copies and when it is written.

    Args:
        digest: that of *body*, which the caller has verified.

    Raises:
        ManifestInvalid: it cannot be stored; the message says why.
    """
    parse = _parse_small if len(body) <= _SMALL_BYTES else _parse_large
    return parse(_Stored(digest, body))


def _parse(stored: _Stored) -> Manifest:
    document, media_type = _decode(stored.body), media_type_of(stored.body)
    _check_shape(media_type, document)
    artifact_type = document.artifact_type or None
    if artifact_type is None and document.config is not None:
        # distribution-spec, "Listing Referrers": an image manifest without one uses its config's.
        artifact_type = document.config.media_type or None
    return Manifest(
        media_type=media_type,
        needs=_needs(document),
        subject=None if document.subject is None else _digest("subject", document.subject),
        artifact_type=artifact_type,
        annotations=document.annotations,
    )


_parse_small: Final = lru_cache(_SMALL_REMEMBERED)(_parse)
_parse_large: Final = lru_cache(_LARGE_REMEMBERED)(_parse)


def check_type(media_type: str, content_type: str | None) -> None:
    """
    Hold what a manifest is against the Content-Type that it comes with, parameters and all.

    Raises:
        ManifestInvalid: they are two; or it is of a type that is for nodes alone. One that is
            stored may be of such a type, as earlier versions have taken it.
    """
    if media_type.lower().startswith(OWN_TYPES):
        raise ManifestInvalid(f"no client's manifest may be of the type {media_type!r}")
    # distribution-spec, "Pushing Manifests": parameters on Content-Type are to be ignored.
    stated = (content_type or "").partition(";")[0].strip()
    # CVE-2021-41190: two parties that read the type from two places see two documents.
    if stated.lower() not in _UNTELLING and stated.lower() != media_type.lower():
        raise ManifestInvalid(
            f"the Content-Type is {stated[:MEDIA_TYPE_MAX]!r}, but by its mediaType or its "
            f"fields the manifest is {media_type!r}"
        )


def stored_subject(body: bytes) -> Digest | None:
    """
    The subject of a stored manifest, be it one that would not be taken any more: whatever is
    stored can be deleted.
    """
    try:
        subject = _REFERRING.decode(body).subject
        return None if subject is None else Digest.parse(subject.digest)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def stored_needs(digest: Digest, body: bytes) -> tuple[Need, ...]:
    """What a stored manifest names, be it one that would not be taken any more."""
    with suppress(ManifestInvalid):
        return parse_manifest(digest, body).needs
    try:
        return _needs(_DOCUMENT.decode(body))
    except (msgspec.MsgspecError, ManifestInvalid, ValueError, RecursionError):
        return ()


def referrer_descriptor(manifest: Manifest, digest: Digest, size: int) -> bytes:
    """The entry for this manifest in its subject's list of referrers, as JSON."""
    descriptor: dict[str, object] = {
        "mediaType": manifest.media_type,
        "digest": digest,
        "size": size,
    }
    if manifest.artifact_type is not None:
        descriptor["artifactType"] = manifest.artifact_type
    if manifest.annotations:
        descriptor["annotations"] = manifest.annotations
    return msgspec.json.encode(descriptor, enc_hook=plain)


def platform_manifest(index: bytes, *, os: str, architecture: str) -> Digest | None:
    """The manifest for one platform in a stored image index; None when it lists none."""
    for entry in _DOCUMENT.decode(index).manifests or ():
        platform = entry.platform
        if platform is not None and (platform.os, platform.architecture) == (os, architecture):
            return Digest.parse(entry.digest)
    return None


def _decode(body: bytes) -> _Document:
    """
    What is read of the document.

    One is refused that parsers may read in two ways (CVE-2021-41190): some take the first of
    two equal keys and some the last; Go's match keys without case.
    """
    try:
        check_bounds(body)
        if not body.isascii():
            body.decode()  # what is skipped is not looked at
        top, document = _TOP.decode(body), _DOCUMENT.decode(body)
    except TooMuch as exc:
        raise ManifestInvalid(f"the manifest is too complicated: {exc}") from exc
    except msgspec.ValidationError as exc:
        raise ManifestInvalid(f"the manifest does not follow its schema: {exc}") from exc
    except (msgspec.DecodeError, ValueError) as exc:
        # A ValueError: bytes that are no UTF-8; Python reads no integers of more than 4,300 digits.
        raise ManifestInvalid(f"the manifest cannot be read: {exc}") from exc
    except RecursionError as exc:  # of a text that is no JSON, or it would have been too much
        raise ManifestInvalid("the manifest is nested too deeply") from exc
    keys = set[str]()
    for key in map(str, top):
        known = _KEYS.get(key.casefold())
        if known is not None and (key != known or key in keys):
            raise ManifestInvalid(f"the key {key[:40]!r} is ambiguous")
        keys.add(key)
    for key, value in top.items():
        if str(key) in _DESCRIPTORS:
            _check_entries([_ONE.decode(value)])
        elif str(key) in _LISTS:
            _check_entries(_SEVERAL.decode(value) or ())
    return document


def _check_entries(entries: Sequence[_Entry | None]) -> None:
    """Refuse descriptors that name other content to who matches keys without case."""
    there = [entry for entry in entries if entry]
    _check_keys(there, _DESCRIPTOR_KEYS)
    platforms = [entry["platform"] for entry in there if "platform" in entry]
    if platforms:
        given = _SEVERAL.decode(b"[%s]" % b",".join(platforms)) or ()
        _check_keys([platform for platform in given if platform], _PLATFORM_KEYS)


def _check_keys(entries: Sequence[_Entry], keys: Mapping[str, str]) -> None:
    for key in set[str]().union(*entries):
        if key != keys.get(key.casefold(), key):
            raise ManifestInvalid(f"the key {key[:40]!r} of a descriptor is ambiguous")


def _check_shape(media_type: str, document: _Document) -> None:
    known = media_type.lower()
    if media_type and not is_media_type(media_type):
        raise ManifestInvalid(f"{media_type[:MEDIA_TYPE_MAX]!r} is not a media type")
    if known in SCHEMA_1 or document.schema_version == 1:
        raise ManifestInvalid(
            "Docker schema 1 manifests are not supported; push with Docker 1.10 or later"
        )
    image_like = document.layers is not None or document.config is not None
    if image_like and document.manifests is not None:
        raise ManifestInvalid("a manifest has layers and config, an index has manifests; not both")
    if known in IMAGES | INDEXES and document.schema_version != 2:
        raise ManifestInvalid("schemaVersion must be 2")
    if known in IMAGES and document.config is None:
        raise ManifestInvalid("an image manifest needs a config")
    if not media_type:
        raise ManifestInvalid(
            "the manifest has no mediaType, and neither the fields of an OCI image manifest "
            "(schemaVersion 2, config) nor those of an image index (schemaVersion 2, manifests)"
        )


def _needs(document: _Document) -> tuple[Need, ...]:
    needs: dict[Digest, Need] = {}
    named = [] if document.config is None else [("config", document.config)]
    named += [("layers", layer) for layer in document.layers or ()]
    named += [("manifests", entry) for entry in document.manifests or ()]
    for where, descriptor in named:
        digest = _digest(where, descriptor)
        if (descriptor.media_type or "").startswith(_FOREIGN):
            continue
        listed = where == "manifests"
        need = Need(digest, descriptor.size, listed, _listed_for(descriptor) if listed else None)
        before = needs.setdefault(digest, need)
        if before.size != need.size:
            raise ManifestInvalid(f"{digest} is named with two different sizes")
        if before is not need:
            needs[digest] = _both(before, need)
    return tuple(needs.values())


def _listed_for(entry: _Descriptor) -> tuple[str, ...] | None:
    if (entry.media_type or "").lower() not in IMAGES | INDEXES:
        return None
    platform = entry.platform
    if platform is None:
        return ()
    return (platform_name(platform.os, platform.architecture, platform.variant),)


def _both(one: Need, other: Need) -> Need:
    """Content that is named twice."""
    if one.listed_for is None or other.listed_for is None:
        return one if one.listed_for is None else other
    listed_for = one.listed_for + other.listed_for
    return Need(one.digest, one.size, one.may_be_manifest, listed_for)


def _digest(where: str, descriptor: _Descriptor) -> Digest:
    try:
        return Digest.parse(descriptor.digest)
    except ValueError as exc:
        raise ManifestInvalid(f"a descriptor in {where} has a bad digest: {exc}") from exc
