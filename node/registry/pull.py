"""Reading content: manifests by reference and blobs by digest, from here or from a peer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from cluster.errors import BlobUnknown
from cluster.model import Digest, Dot
from node.errors import BlobNotFound, ManifestUnknown
from node.registry.manifests import platform_manifest
from node.registry.names import Reference, RepositoryName
from node.registry.ports import BlobReader, BlobStore, MetadataIndex, RemoteBlob, Replicator


class FoundManifest(NamedTuple):
    digest: Digest
    media_type: str
    body: bytes
    event: Dot | None = None
    """What pointed the tag here, when it was found by one."""


class Pull:
    """The read side. Nothing is "not found" before the connected peers were asked (P2)."""

    def __init__(self, index: MetadataIndex, blobs: BlobStore, replicator: Replicator) -> None:
        self._index = index
        self._blobs = blobs
        self._replicator = replicator

    async def manifest(self, repository: RepositoryName, reference: Reference) -> FoundManifest:
        """
        Find a manifest by tag or digest.

        Raises:
            ManifestUnknown: nobody who is connected knows it.
            NotCaughtUp, ClockOff: it is not known whether that is so, or whether what is here is
                the latest.
        """
        await self._replicator.ensure_current()
        found = self._find_manifest(repository, reference)
        if found is None:
            await self._replicator.catch_up()
            found = self._find_manifest(repository, reference)
        if found is None:
            raise ManifestUnknown(repository, reference)
        return found

    def event_of(self, repository: RepositoryName, digest: Digest) -> Dot | None:
        """The latest push of a manifest that was found here."""
        return self._index.manifest_event(repository, digest)

    def for_old_client(self, repository: RepositoryName, index: FoundManifest) -> FoundManifest:
        """
        The linux/amd64 manifest of an image index, for a client that cannot read indexes.

        The index itself when it has none. (distribution-spec, content-negotiation.md)
        """
        digest = platform_manifest(index.body, os="linux", architecture="amd64")
        found = None if digest is None else self._find_manifest(repository, digest)
        return index if found is None else found

    async def blob_size(self, repository: RepositoryName, digest: Digest) -> int:
        """
        Size in bytes of a blob of this repository.

        The (repository, digest) link is what counts: knowing a digest gives no access to another
        repository's blob.

        Raises:
            BlobNotFound: nobody who is connected knows it in this repository.
        """
        await self._replicator.ensure_current()
        size = self._index.blob(repository, digest)
        if size is None:
            await self._replicator.catch_up()
            size = self._index.blob(repository, digest)
        if size is None:
            raise BlobNotFound(repository, digest)
        return size

    @asynccontextmanager
    async def open_blob(self, digest: Digest, size: int) -> AsyncIterator[BlobReader | RemoteBlob]:
        """
        Open a blob that `blob_size` has found: the local copy, or else a peer's.

        A local copy of another size than the index says is damaged and passed over (P6): the
        copy fetched in its place is verified and replaces it.

        Raises:
            BlobUnavailable: there is no copy that could be read now.
        """
        if self._blobs.size(digest) == size:
            try:
                async with self._blobs.open(digest) as reader:
                    yield reader
                    return
            except BlobUnknown:
                pass  # removed since; a peer may have it
        async with self._replicator.fetch(digest, size) as remote:
            yield remote

    def _find_manifest(
        self, repository: RepositoryName, reference: Reference
    ) -> FoundManifest | None:
        event: Dot | None = None
        if isinstance(reference, Digest):
            digest = reference
        else:
            tagged = self._index.tagged(repository, reference)
            if tagged is None:
                return None
            digest, event = tagged
        record = self._index.manifest(repository, digest)
        return None if record is None else FoundManifest(digest, *record, event)
