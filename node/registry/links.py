"""Which repository may see which blob: mounting and unlinking. No bytes move here."""

from cluster.model import Digest, Dot
from node.errors import BlobNotFound
from node.registry.names import RepositoryName
from node.registry.ports import MetadataIndex, Replicator
from node.registry.projects import prepare_write
from node.registry.writing import Receipt, acknowledge


class Links:
    """The (repository, digest) links that every access to a blob is checked against."""

    def __init__(self, index: MetadataIndex, replicator: Replicator) -> None:
        self._index = index
        self._replicator = replicator

    async def mount(
        self, repository: RepositoryName, digest: Digest, source: RepositoryName | None
    ) -> Dot:
        """
        Make a blob of another repository visible here, without moving any bytes; returns the
        event that says so.

        Raises:
            BlobNotFound: the source does not have it; no repository has it, if none is named.
        """
        await prepare_write(self._index, self._replicator, repository)
        size = self._mountable(digest, source)
        if size is None and source is not None:
            await self._replicator.catch_up()
            size = self._mountable(digest, source)
        if size is None:
            raise BlobNotFound(source or "*", digest)
        return await self._index.link_blob(repository, digest, size, held=False, upload_id=None)

    async def unlink(self, repository: RepositoryName, digest: Digest) -> Receipt:
        """
        Unlink a blob from a repository. Its bytes stay until they are collected.

        Raises:
            BlobNotFound: it is not there.
        """
        consistency = await prepare_write(self._index, self._replicator, repository)
        dot = await self._index.delete_blob(repository, digest)
        if dot is None:
            await self._replicator.catch_up()
            dot = await self._index.delete_blob(repository, digest)
        if dot is None:
            raise BlobNotFound(repository, digest)
        return await acknowledge(self._replicator, dot, consistency)

    def _mountable(self, digest: Digest, source: RepositoryName | None) -> int | None:
        if source is not None:
            return self._index.blob(source, digest)
        for repository in self._index.repositories_linking(digest):
            return self._index.blob(repository, digest)
        return None
