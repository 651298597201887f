"""Reading content: manifests by reference and blobs by digest, from here or from a peer."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import NamedTuple

from cluster.model import Digest, Dot
from cluster.ports import BlobReader
from node.errors import BlobNotFound, ManifestUnknown
from node.registry.manifests import platform_manifest
from node.registry.names import Reference, RepositoryName
from node.registry.ports import (
    BlobCopies,
    Gate,
    LinkReader,
    LocalBlobs,
    ManifestReader,
    RemoteBlob,
    ServedBlob,
    SettingReader,
)
from node.registry.usecase import UseCase


class FoundManifest(NamedTuple):
    digest: Digest
    media_type: str
    body: bytes
    event: Dot | None = None
    """What pointed the tag here, when it was found by one."""


class Pull(UseCase):
    """The read side."""

    def __init__(
        self,
        manifests: ManifestReader,
        links: LinkReader,
        settings: SettingReader,
        blobs: LocalBlobs,
        gate: Gate,
        copies: BlobCopies,
        on_missing: Callable[[Digest], None] = lambda digest: None,
    ) -> None:
        """*on_missing* hears of each blob that is not here when somebody wants it."""
        super().__init__(settings, gate)
        self._manifests = manifests
        self._links = links
        self._copies = copies
        self._blobs = blobs
        self._on_missing = on_missing

    async def manifest(self, repository: RepositoryName, reference: Reference) -> FoundManifest:
        """
        Find a manifest by tag or digest.

        Raises:
            ManifestUnknown: nobody who is connected knows it.
            NotCaughtUp, ClockOff: see `UseCase`.
        """
        found = await self._look_up(repository, partial(self._find_manifest, repository, reference))
        if found is None:
            raise ManifestUnknown(repository, reference)
        return found

    def event_of(self, repository: RepositoryName, digest: Digest) -> Dot | None:
        """The latest push of a manifest that was found here."""
        return self._manifests.manifest_event(repository, digest)

    def for_old_client(self, repository: RepositoryName, index: FoundManifest) -> FoundManifest:
        """
        The linux/amd64 manifest of an image index, for a client that cannot read indexes.

        The index itself when it has none. (distribution-spec, content-negotiation.md)
        """
        digest = platform_manifest(index.body, os="linux", architecture="amd64")
        found = None if digest is None else self._find_manifest(repository, digest)
        return index if found is None else found

    async def blob_size(
        self, repository: RepositoryName, digest: Digest, *, near: bool = False
    ) -> int:
        """
        Size in bytes of a blob of this repository. *near*: whoever wants to know would bring it
        otherwise, as a push does; other regions are not asked for what nobody here knows of.

        The pair (repository, digest) is what counts: knowing a digest gives no access to another
        repository's blob.

        Raises:
            BlobNotFound: nobody who is connected knows it in this repository.
        """
        here = partial(self._links.blob, repository, digest)
        size = await self._look_up(repository, here, near=near)
        if size is None:
            raise BlobNotFound(repository, digest)
        return size

    @asynccontextmanager
    async def open_blob(
        self, digest: Digest, size: int, *, whole: bool = True
    ) -> AsyncIterator[BlobReader | RemoteBlob]:
        """
        Open a blob that `blob_size` has found, all of it or a part: the local copy, or a peer's.

        A local copy that is damaged is taken out of service and passed over (P6): the copy fetched
        in its place is verified.

        Raises:
            BlobUnavailable: there is no copy that could be read now.
        """
        local = await self._open_here(digest, size, whole)
        if local is None:
            async with self._copies.fetch(digest, size) as remote:
                yield remote
            return
        try:
            yield local
        finally:
            local.close()

    async def _open_here(self, digest: Digest, size: int, whole: bool) -> ServedBlob | None:
        if self._links.size_here(digest) is None:
            return None
        found = await self._blobs.serve(digest, whole=whole)
        if found is None:
            self._on_missing(digest)
        elif found.size != size:
            found.close()
            await self._blobs.doubt(digest)
            return None
        return found

    def _find_manifest(
        self, repository: RepositoryName, reference: Reference
    ) -> FoundManifest | None:
        event: Dot | None = None
        if isinstance(reference, Digest):
            digest = reference
        else:
            tagged = self._manifests.tagged(repository, reference)
            if tagged is None:
                return None
            digest, event = tagged
        record = self._manifests.manifest(repository, digest)
        return None if record is None else FoundManifest(digest, *record, event)
