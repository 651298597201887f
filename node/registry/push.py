"""Accepting manifests: the step that makes a push visible, and durable (P1)."""

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

from cluster.model import Consistency, Digest, Dot
from node.errors import (
    ManifestBlobUnknown,
    ManifestDigestMismatch,
    ManifestUnknown,
    NameUnknown,
    OutcomeUnknown,
    TooManyTags,
)
from node.registry.children import is_required
from node.registry.manifests import Manifest, check_type, parse_manifest
from node.registry.names import Reference, RepositoryName, Tag
from node.registry.policy import policy_of
from node.registry.ports import (
    BlobCopies,
    Gate,
    LinkReader,
    ListingReader,
    ManifestReader,
    MetadataWriter,
    SettingReader,
)
from node.registry.receipt import Receipt, acknowledge, logged
from node.registry.usecase import WriteUseCase
from node.registry.values import (
    DeleteManifest,
    DeleteTag,
    Deletion,
    ManifestRecord,
    PutManifest,
)

_AT_ONCE: Final = 256
"""Look-ups between two turns of the event loop: some milliseconds."""

TAGS_MAX: Final = 50
"""`tag=` parameters of one push. The specification asks for ten at least."""


NEWCOMERS_MAX: Final = 8
"""
How often a `global` push brings its blobs to members that came to life meanwhile. More wait for
more that come one after the other; where some come and go for ever, its client is told in the end.
"""


class PushedManifest(NamedTuple):
    digest: Digest
    subject: Digest | None
    tags: tuple[Tag, ...]
    receipt: Receipt


class Push(WriteUseCase):
    """The write side of manifests, and deleting."""

    def __init__(
        self,
        manifests: ManifestReader,
        links: LinkReader,
        listings: ListingReader,
        settings: SettingReader,
        writer: MetadataWriter,
        gate: Gate,
        copies: BlobCopies,
    ) -> None:
        super().__init__(settings, writer, gate)
        self._manifests = manifests
        self._links = links
        self._listings = listings
        self._copies = copies

    async def put_manifest(
        self,
        repository: RepositoryName,
        reference: Reference,
        content_type: str | None,
        body: bytes,
        tags: Sequence[Tag] = (),
        *,
        only_over: tuple[Dot, ...] | None = None,
    ) -> PushedManifest:
        """
        Store a manifest, point the tags at it, and return once that is durable, as far as the
        project's policy asks. With *only_over*, if those are the heads that each tag has.

        Raises:
            TagMoved: a tag has others. Nothing has changed.
            ManifestInvalid, ManifestDigestMismatch, TooManyTags: the request is wrong.
            ManifestBlobUnknown: it names content that the repository does not have.
            NotCaughtUp, ClockOff, NotEnoughNodes: this node may not write; see `UseCase`.
            BlobUnavailable, StorageFull, CopiesUnfinished: its blobs could not be brought to enough
                nodes, or not in time.
            StorageFailure: it could not be written.
            OutcomeUnknown: it was written, and too few nodes confirmed it in time. It stands here,
                and the others may get it yet.
        """
        consistency = await self._prepare_write(repository)
        if isinstance(reference, Tag):
            tags = (reference, *tags)
        if len(tags) > TAGS_MAX:
            raise TooManyTags(TAGS_MAX)
        digest = _digest_of(reference, body)
        manifest = parse_manifest(digest, body)
        check_type(manifest.media_type, content_type)
        may_lack = self._may_lack(repository, manifest)
        named = await self._named_blobs(repository, manifest, may_lack)
        copies = await self._copies.ensure_copies(named, consistency)
        record = ManifestRecord(manifest.media_type, body)
        event = await self._writer.put(
            PutManifest(repository, digest, record, tags, may_lack, only_over)
        )
        receipt = await acknowledge(self._gate, event, consistency)
        if consistency is Consistency.GLOBAL:
            copies, receipt = await self._reach_newcomers(named, copies, receipt)
        if copies is not None and copies < receipt.acknowledged.nodes:
            receipt = Receipt(receipt.event, receipt.acknowledged._replace(nodes=copies))
        return PushedManifest(digest, manifest.subject, tuple(tags), receipt)

    async def _reach_newcomers(
        self, named: Sequence[tuple[Digest, int]], copies: int | None, receipt: Receipt
    ) -> tuple[int | None, Receipt]:
        """
        The copies, and the receipt, once every living member has the blobs and the event.

        Who counted as dead when the blobs were copied may live now, and has the event. While it
        gets the blobs another one may come, that has neither.

        Raises:
            OutcomeUnknown: they could not be brought there, or members came `NEWCOMERS_MAX` times.
        """
        event, everywhere = receipt.event, Consistency.GLOBAL
        for _ in range(NEWCOMERS_MAX):
            if not await self._copies.lacks_copies(named, everywhere):
                return copies, receipt
            with logged(event):
                copies = await self._copies.ensure_copies(named, everywhere)
            receipt = await acknowledge(self._gate, event, everywhere)
        if await self._copies.lacks_copies(named, everywhere):
            raise OutcomeUnknown(event, f"members without its blobs came {NEWCOMERS_MAX} times")
        return copies, receipt

    async def delete(self, repository: RepositoryName, reference: Reference) -> Receipt:
        """
        Delete a tag, or a manifest with every tag that points to it.

        Raises:
            NameUnknown, ManifestUnknown: there is no such thing.
            OutcomeUnknown: it is deleted here; see `UseCase`.
        """
        if isinstance(reference, Digest):
            deletion: Deletion = DeleteManifest(repository, reference)
        else:
            deletion = DeleteTag(repository, reference)
        receipt = await self._delete(repository, deletion)
        if receipt is None:
            if not self._listings.repository_exists(repository):
                raise NameUnknown(repository)
            raise ManifestUnknown(repository, reference)
        return receipt

    def _may_lack(self, repository: RepositoryName, manifest: Manifest) -> frozenset[Digest]:
        """The manifests it names that the project does without."""
        children = policy_of(self._settings, repository).children
        return frozenset(
            need.digest
            for need in manifest.needs
            if need.listed_for is not None and not is_required(need.listed_for, children)
        )

    async def _named_blobs(
        self, repository: RepositoryName, manifest: Manifest, may_lack: frozenset[Digest]
    ) -> list[tuple[Digest, int]]:
        """The blobs that must be safe before this manifest may be. Sizes are checked later."""
        named, missing = await self._named(repository, manifest)
        for near in (True, False):
            if may_lack.issuperset(missing):
                break
            # They may have come in through another node a moment ago, mostly of this region: then
            # no other one has to be waited for.
            await self._gate.catch_up(near=near)
            named, missing = await self._named(repository, manifest)
        if not may_lack.issuperset(missing):
            raise ManifestBlobUnknown([digest for digest in missing if digest not in may_lack])
        return named

    async def _named(
        self, repository: RepositoryName, manifest: Manifest
    ) -> tuple[list[tuple[Digest, int]], list[Digest]]:
        """The named blobs that the repository has, and the content that it does not have."""
        named: list[tuple[Digest, int]] = []
        missing: list[Digest] = []
        has_manifest = self._manifests.has_manifest
        for number, need in enumerate(manifest.needs, 1):
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
            size = self._links.blob(repository, need.digest)
            if size is not None:
                named.append((need.digest, size))
            elif not (need.may_be_manifest and has_manifest(repository, need.digest)):
                missing.append(need.digest)
        return named, missing


def _digest_of(reference: Reference, body: bytes) -> Digest:
    if isinstance(reference, Tag):
        return Digest.of(body)
    got = Digest.of(body, reference.algorithm)
    if got != reference:
        raise ManifestDigestMismatch(reference, got)
    return got
