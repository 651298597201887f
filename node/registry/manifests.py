"""
What a manifest says: parsing and the rules that need nothing but its bytes.

Known documents are OCI image manifests and indexes (image-spec 1.1) and Docker schema 2
manifests and lists. Unknown media types are stored too; if they look like one of the above, the
content that they name is required all the same.
"""

import json
from functools import lru_cache
from typing import Final

import msgspec

from cluster.model import Digest, plain
from node.errors import ManifestInvalid

OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"

_IMAGES: Final = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
_INDEXES: Final = frozenset({OCI_INDEX, DOCKER_LIST})
_SCHEMA_1: Final = frozenset(
    {
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    }
)
_FOREIGN: Final = (
    "application/vnd.oci.image.layer.nondistributable.",
    "application/vnd.docker.image.rootfs.foreign.",
)
"""Layers that live elsewhere: a registry need not have them."""

_REMEMBERED: Final = 4
"""Manifests, 4 MiB each at most; more than changes go on at once is not needed."""

NAMED_MAX: Final = 1000
"""Manifests that an index may name, and those that they name: who takes the push of the index may
have to push them all with it, in one change."""

NAMED_MAX_BYTES: Final = 16 * 1024 * 1024
"""The same, of their bytes together."""

_MEDIA_TYPE_MAX: Final = 255
"""Longest media type, in characters (RFC 6838 allows 127 on each side of the slash)."""


class _Platform(msgspec.Struct):
    os: str = ""
    architecture: str = ""


class _Descriptor(msgspec.Struct, rename="camel"):
    digest: str
    size: int
    media_type: str = ""
    platform: _Platform | None = None


class _Document(msgspec.Struct, rename="camel"):
    schema_version: int | None = None
    media_type: str | None = None
    artifact_type: str | None = None
    config: _Descriptor | None = None
    layers: list[_Descriptor] | None = None
    manifests: list[_Descriptor] | None = None
    subject: _Descriptor | None = None
    annotations: dict[str, str] | None = None


_DECODER: Final = msgspec.json.Decoder(_Document)
_KEYS: Final = frozenset(_Document.__struct_encode_fields__)
_FOLDED_KEYS: Final = frozenset(key.casefold() for key in _KEYS)


class Need(msgspec.Struct, frozen=True):
    """Content that a manifest names: it must be in the repository, with this size in bytes."""

    digest: Digest
    size: int
    may_be_manifest: bool


class Manifest(msgspec.Struct, frozen=True):
    """What the registry has to know of a manifest."""

    media_type: str
    needs: tuple[Need, ...]
    subject: Digest | None
    artifact_type: str | None
    annotations: dict[str, str] | None


@lru_cache(_REMEMBERED)
def parse_manifest(content_type: str | None, body: bytes) -> Manifest:
    """
    Read and check a manifest. The last few are remembered: one push needs its own several times.

    Args:
        content_type: the Content-Type it came with, parameters and all; None when there was none.

    Raises:
        ManifestInvalid: it cannot be stored; the message says why.
    """
    document = _decode(body)
    media_type = _media_type(content_type, document)
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
    for entry in _DECODER.decode(index).manifests or ():
        platform = entry.platform
        if platform is not None and (platform.os, platform.architecture) == (os, architecture):
            return Digest.parse(entry.digest)
    return None


def check_named(count: int, size: int) -> None:
    """
    Check that an index may name *count* manifests that have *size* bytes together.

    Raises:
        ManifestInvalid: they are too many, or too large.
    """
    if count > NAMED_MAX:
        raise ManifestInvalid(f"an index may name at most {NAMED_MAX} manifests")
    if size > NAMED_MAX_BYTES:
        raise ManifestInvalid(
            f"the manifests that an index names may have {NAMED_MAX_BYTES} bytes together"
        )


def is_image(media_type: str) -> bool:
    """Whether a manifest of this type names no other manifests; of an unknown type it may."""
    return media_type in _IMAGES


def is_index(media_type: str) -> bool:
    """Whether a manifest of this type lists other manifests."""
    return media_type in _INDEXES


def _decode(body: bytes) -> _Document:
    try:
        document = _DECODER.decode(body)
        _check_keys(body)
        return document
    except msgspec.ValidationError as exc:
        raise ManifestInvalid(f"the manifest does not follow its schema: {exc}") from exc
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise ManifestInvalid(f"the manifest is not valid JSON: {exc}") from exc
    except RecursionError as exc:
        raise ManifestInvalid("the manifest is nested too deeply") from exc


def _check_keys(body: bytes) -> None:
    """
    Refuse a document that parsers may read in two ways (CVE-2021-41190).

    Some take the first of two equal keys and some the last; Go's match keys without case.
    """
    top: list[tuple[str, object]] = []

    def keep(pairs: list[tuple[str, object]]) -> None:
        top[:] = pairs  # the outermost object is the last to be complete

    json.loads(body, object_pairs_hook=keep)
    seen: set[str] = set()
    for key, _ in top:
        folded = key.casefold()
        if folded in seen or (folded in _FOLDED_KEYS and key not in _KEYS):
            raise ManifestInvalid(f"the key {key[:40]!r} is ambiguous")
        if folded in _FOLDED_KEYS:
            seen.add(folded)


def _media_type(content_type: str | None, document: _Document) -> str:
    # distribution-spec, "Pushing Manifests": parameters on Content-Type are to be ignored.
    announced = (content_type or "").partition(";")[0].strip().lower()
    declared = document.media_type or ""
    if announced in ("", "application/json", "application/octet-stream"):
        announced = declared or _guess(document)
    # CVE-2021-41190: two parties that read the type from two places see two documents.
    if declared and declared.lower() != announced:
        raise ManifestInvalid(
            f"mediaType is {declared[:_MEDIA_TYPE_MAX]!r} but the Content-Type is {announced!r}"
        )
    if len(announced) > _MEDIA_TYPE_MAX or not announced.isprintable() or "/" not in announced:
        raise ManifestInvalid("the Content-Type is not a media type")
    return announced


def _guess(document: _Document) -> str:
    if document.manifests is not None:
        return OCI_INDEX
    if document.config is not None:
        return OCI_MANIFEST
    raise ManifestInvalid("the manifest has neither a Content-Type nor a mediaType")


def _check_shape(media_type: str, document: _Document) -> None:
    if media_type in _SCHEMA_1 or document.schema_version == 1:
        raise ManifestInvalid(
            "Docker schema 1 manifests are not supported; push with Docker 1.10 or later"
        )
    image_like = document.layers is not None or document.config is not None
    if image_like and document.manifests is not None:
        raise ManifestInvalid("a manifest has layers and config, an index has manifests; not both")
    if media_type in _IMAGES | _INDEXES and document.schema_version != 2:
        raise ManifestInvalid("schemaVersion must be 2")
    if media_type in _IMAGES and (document.config is None or document.layers is None):
        raise ManifestInvalid("an image manifest needs config and layers")
    if media_type in _INDEXES and document.manifests is None:
        raise ManifestInvalid("an image index needs manifests")


def _needs(document: _Document) -> tuple[Need, ...]:
    needs: dict[Digest, Need] = {}
    named = [("config", document.config, False)]
    named += [("layers", layer, False) for layer in document.layers or ()]
    named += [("manifests", entry, True) for entry in document.manifests or ()]
    for field, descriptor, may_be_manifest in named:
        if descriptor is None:
            continue
        digest = _digest(field, descriptor)
        if descriptor.media_type.startswith(_FOREIGN):
            continue
        need = Need(digest, descriptor.size, may_be_manifest)
        if needs.setdefault(digest, need).size != need.size:
            raise ManifestInvalid(f"{digest} is named with two different sizes")
    return tuple(needs.values())


def _digest(field: str, descriptor: _Descriptor) -> Digest:
    if descriptor.size < 0:
        raise ManifestInvalid(f"a descriptor in {field} has a negative size")
    try:
        return Digest.parse(descriptor.digest)
    except ValueError as exc:
        raise ManifestInvalid(f"a descriptor in {field} has a bad digest: {exc}") from exc
