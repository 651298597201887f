"""Errors that the blob store adds to those of its ports."""

from cluster.model import Digest


class StagingGone(RuntimeError):
    """The ingest was committed, discarded, released, or lost its name to a newer one: a bug."""

    def __init__(self, name: str) -> None:
        super().__init__(f"staging {name!r} cannot be used any more")


class BlobDamaged(OSError):
    """
    The local copy is not what its name says. An OSError without a number: to whoever reads, the
    disk has failed; to `DiskHealth` it has not, as a disk that rots takes writes all the same.
    """

    def __init__(self, digest: Digest, reason: str) -> None:
        super().__init__(f"the local copy of {digest} is damaged: {reason}")
