"""What is attached to an image: signatures, bills of material, provenance, scans, and the rest."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Final, Literal, NamedTuple, Protocol

import msgspec

from cluster.model import Digest
from cluster.objects import Live
from node.desk.images import (
    BESIDE_BYTES_MAX,
    PLATFORMS_MAX,
    REFERENCE_DIGEST,
    is_attestation,
)
from node.desk.moments import moment
from node.desk.outline import Described, ManifestOutline, outline
from node.desk.text import VALUE_MAX
from node.registry.names import Reference, RepositoryName
from node.registry.pull import Pull
from node.registry.values import ManifestRecord, Tagged

ATTACHED_MAX: Final = 100
"""Things that are shown; the Distribution API lists all referrers."""

_OF_ONE_MAX: Final = 20
"""Of one manifest: a page of referrers that is read together."""

_BYTES_MAX: Final = 8 << 20
"""Descriptors read for one answer. They have a few hundred bytes, and may have megabytes."""

AttachedKind = Literal["signature", "sbom", "provenance", "scan", "other"]
AttachedBy = Literal["referrer", "index", "tag"]

_PREDICATE: Final = (
    "in-toto.io/predicate-type",
    "dev.sigstore.bundle.predicateType",
    "predicateType",
)
_WORDS: Final[Sequence[tuple[AttachedKind, tuple[str, ...]]]] = (
    ("sbom", ("spdx", "cyclonedx", "sbom", "syft")),
    ("provenance", ("provenance", "slsa")),
    ("scan", ("sarif", "vuln", "scan", "trivy", "grype")),
    ("signature", ("signature", "cosign.artifact.sig", "simplesigning", "sigstore.bundle")),
)
"""What is in the type of a kind; the first that fits. A bundle of sigstore that says what it states
is of that kind."""

_SUFFIXES: Final[Mapping[str, AttachedKind]] = {
    ".sig": "signature",
    ".att": "provenance",
    ".sbom": "sbom",
}
"""What cosign appends to the tag that it makes of a digest."""


class AttachedThing(msgspec.Struct, frozen=True):
    """Something that is attached to an image, or to one of those that it lists."""

    kind: AttachedKind
    """What it is, by its type."""

    type: str
    """That type: of the artifact, or of what it states."""

    digest: str
    """That of its manifest."""

    bytes: int
    """The size of what it carries; of one that is too large to be looked at, of its manifest."""

    to: str
    """The digest of the manifest that it is attached to."""

    platform: str
    """For which platform that is; empty: it is the image that was asked for."""

    pushed: str | None
    """When it was pushed last; null where only an index names it."""

    by: AttachedBy
    """How it is attached: as a `referrer`, by an entry of the `index`, or by a `tag` made of the
    digest."""


class AttachedList(msgspec.Struct, frozen=True):
    """What is attached to an image."""

    repository: str
    """Whose it is."""

    digest: str
    """That of the image."""

    attached: Annotated[Sequence[AttachedThing], msgspec.Meta(max_length=ATTACHED_MAX)]
    """The first of it: of the image itself, then of those that it lists."""

    is_partial: bool
    """Whether there is more, or was too much to be looked at."""


class AttachedIndex(Protocol):
    """What is asked of the index."""

    def manifest(self, repository: str, digest: Digest) -> ManifestRecord | None: ...

    def last_push(self, repository: str, digest: Digest) -> Live | None: ...

    def tagged(self, repository: str, tag: str) -> Tagged | None: ...

    def referrers(
        self,
        repository: str,
        subject: Digest,
        artifact_types: frozenset[str],
        last: str,
        limit: int,
    ) -> tuple[list[bytes], str | None]:
        """Encoded descriptors; and where the next page starts after."""
        ...


class _Referrer(msgspec.Struct, rename="camel"):
    digest: str
    size: int
    artifact_type: str = ""
    annotations: msgspec.Raw = msgspec.Raw()


class _To(NamedTuple):
    """What something may be attached to."""

    digest: Digest
    platform: str


_REFERRER: Final = msgspec.json.Decoder(_Referrer)


class AttachedThings:
    """Finds what is attached. Belongs to one event loop."""

    def __init__(self, index: AttachedIndex, pull: Pull) -> None:
        self._index = index
        self._pull = pull

    async def look(self, repository: RepositoryName, reference: Reference) -> AttachedList:
        """
        What is attached to an image.

        Raises:
            ManifestUnknown: there is no such image.
            NotCaughtUp, ClockOff, Unconfirmed: see `UseCase`.
        """
        found = await self._pull.manifest(repository, reference)
        listed = outline(found.digest, found.body)
        targets = [_To(found.digest, "")]
        targets += [
            _To(child.digest, child.platform or "unnamed")
            for child in listed.children
            if not is_attestation(child)
        ]
        things: list[AttachedThing] = []
        left, more = _BYTES_MAX, len(targets) > PLATFORMS_MAX + 1
        for to in targets[: PLATFORMS_MAX + 1]:
            await asyncio.sleep(0)
            if left <= 0 or len(things) > ATTACHED_MAX:
                more = True
                break
            descriptors, after = self._index.referrers(
                repository, to.digest, frozenset(), "", _OF_ONE_MAX
            )
            left -= sum(map(len, descriptors))
            more = more or after is not None
            things += (self._referrer(repository, to, each) for each in descriptors)
            things += self._by_tags(repository, to)
        stated = list(self._stated(repository, listed, {to.digest: to for to in targets}))
        things += stated
        return AttachedList(
            str(repository),
            str(found.digest),
            things[:ATTACHED_MAX],
            more or len(things) > ATTACHED_MAX,
        )

    def _referrer(self, repository: str, to: _To, descriptor: bytes) -> AttachedThing:
        read = _REFERRER.decode(descriptor)
        digest = Digest(read.digest)
        inner = self._small(repository, digest, read.size)
        said = Described(digest, read.size, "", "", bytes(read.annotations)).annotations
        type_ = _predicate(said) or read.artifact_type
        return AttachedThing(
            kind_of(type_),
            type_[:VALUE_MAX],
            str(digest),
            read.size if inner is None else sum(layer.size for layer in inner.layers),
            str(to.digest),
            to.platform,
            self._pushed(repository, digest),
            "referrer",
        )

    def _by_tags(self, repository: str, to: _To) -> Iterator[AttachedThing]:
        base = to.digest.replace(":", "-")
        for suffix, kind in _SUFFIXES.items():
            tagged = self._index.tagged(repository, base + suffix)
            record = None if tagged is None else self._index.manifest(repository, tagged.digest)
            if tagged is None or record is None:
                continue
            inner = None
            if len(record.body) <= BESIDE_BYTES_MAX:
                inner = outline(tagged.digest, record.body)
            layers = () if inner is None else inner.layers
            type_ = next((layer.media_type for layer in layers), record.media_type)
            yield AttachedThing(
                kind,
                type_[:VALUE_MAX],
                str(tagged.digest),
                sum(layer.size for layer in layers) or len(record.body),
                str(to.digest),
                to.platform,
                self._pushed(repository, tagged.digest),
                "tag",
            )

    def _stated(
        self, repository: str, listed: ManifestOutline, targets: Mapping[Digest, _To]
    ) -> Iterator[AttachedThing]:
        """What the attestations in an index state, each by itself."""
        there = [child for child in listed.children if is_attestation(child)]
        for child in there[:PLATFORMS_MAX]:
            about = child.annotations.get(REFERENCE_DIGEST, "")
            to = targets.get(Digest(about))
            inner = self._small(repository, child.digest, child.size)
            if to is None or inner is None:
                continue
            for layer in inner.layers[:_OF_ONE_MAX]:
                type_ = _predicate(layer.annotations) or layer.media_type
                yield AttachedThing(
                    kind_of(type_),
                    type_[:VALUE_MAX],
                    str(child.digest),
                    layer.size,
                    str(to.digest),
                    to.platform,
                    self._pushed(repository, child.digest),
                    "index",
                )

    def _small(self, repository: str, digest: Digest, size: int) -> ManifestOutline | None:
        """What a manifest lists; None: it is not here, or too large."""
        record = None if size > BESIDE_BYTES_MAX else self._index.manifest(repository, digest)
        return None if record is None else outline(digest, record.body)

    def _pushed(self, repository: str, digest: Digest) -> str | None:
        push = self._index.last_push(repository, digest)
        return None if push is None else moment(push.stamp)


def kind_of(type_: str) -> AttachedKind:
    """What something is, by the type of the artifact, or of what it states."""
    lower = type_.lower()
    found = (kind for kind, words in _WORDS if any(word in lower for word in words))
    return next(found, "other")


def _predicate(annotations: Mapping[str, str]) -> str:
    """What a statement is about, as annotations say; empty: they do not."""
    return next((annotations[name] for name in _PREDICATE if name in annotations), "")
