"""Which repository has which blob: mounts and deletions. No bytes move here."""

from itertools import islice
from typing import Final

from cluster.model import Digest, Dot
from node.errors import BlobNotFound
from node.registry.access import Access
from node.registry.names import RepositoryName
from node.registry.ports import Gate, LinkReader, MetadataWriter, SettingReader
from node.registry.receipt import Receipt
from node.registry.usecase import WriteUseCase
from node.registry.values import AddBlob, DeleteBlob

MOUNT_SOURCES_MAX: Final = 1000
"""Repositories looked at for a mount that names none. More find a blob that the caller may pull
where thousands of others have it; fewer are quicker to say that it has to be uploaded."""


class RepositoryBlobs(WriteUseCase):
    """The pairs of repository and digest that every access to a blob is checked against."""

    def __init__(
        self, links: LinkReader, settings: SettingReader, writer: MetadataWriter, gate: Gate
    ) -> None:
        super().__init__(settings, writer, gate)
        self._links = links

    async def mount(
        self,
        repository: RepositoryName,
        digest: Digest,
        source: RepositoryName | None,
        access: Access,
    ) -> Dot:
        """
        Make a blob of another repository visible here, without moving any bytes; returns the
        event that says so. The other repository is one that the caller may pull from: else a
        digest would be enough to read what is in it.

        Raises:
            BlobNotFound: the source does not have it, or may not be pulled from; no repository
                has it that may be, if none is named.
        """
        await self._prepare_write(repository)
        size = self._mountable(digest, source, access)
        if size is None and source is not None and access.may_pull(source):
            await self._gate.catch_up(near=True)
            size = self._mountable(digest, source, access)
        if size is None:
            raise BlobNotFound(source or "*", digest)
        return await self._writer.put(AddBlob(repository, digest, size, held=False))

    async def delete(self, repository: RepositoryName, digest: Digest) -> Receipt:
        """
        Take a blob out of a repository. Its bytes stay until they are collected.

        Raises:
            BlobNotFound: it is not there.
        """
        receipt = await self._delete(repository, DeleteBlob(repository, digest))
        if receipt is None:
            raise BlobNotFound(repository, digest)
        return receipt

    def _mountable(
        self, digest: Digest, source: RepositoryName | None, access: Access
    ) -> int | None:
        having = self._links.repositories_with(digest) if source is None else iter([source])
        for repository in islice(having, MOUNT_SOURCES_MAX):
            if access.may_pull(repository):
                return self._links.blob(repository, digest)
        return None
