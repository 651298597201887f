"""Errors that the blob store adds to those of its ports."""

from cluster.errors import StorageFailure
from cluster.model import Digest


class StagingGone(RuntimeError):
    """The ingest was committed, discarded, released, or lost its name to a newer one: a bug."""

    def __init__(self, name: str) -> None:
        super().__init__(f"staging {name!r} cannot be used any more")


class DiskFailure(StorageFailure):
    """The system refused a call; *error* is what it said."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


class BlobDamaged(StorageFailure):
    """
    The local copy is not what its name says. To whoever reads, the disk has failed; to `DiskHealth`
    it has not, as a disk that rots takes writes all the same.
    """

    def __init__(self, digest: Digest, reason: str) -> None:
        super().__init__(f"the local copy of {digest} is damaged: {reason}")
