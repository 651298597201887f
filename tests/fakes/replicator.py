"""A `Replicator` for a node without peers."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from cluster.errors import BlobUnavailable, ClockOff, NotCaughtUp
from cluster.model import Digest, Dot
from node.registry.ports import RemoteBlob


class SoloReplicator:
    """Nobody to ask and nobody to wait for. Counts how often it was asked."""

    def __init__(self) -> None:
        self.caught_up = 0
        self.not_writable: ClockOff | None = None
        self.not_current: NotCaughtUp | None = None

    def check_writable(self) -> None:
        if self.not_writable is not None:
            raise self.not_writable

    async def ensure_current(self) -> None:
        if self.not_current is not None:
            raise self.not_current

    async def catch_up(self) -> None:
        self.caught_up += 1

    def replicate(self, digest: Digest, size: int) -> None:
        """There is no other holder."""

    async def ensure_copies(self, blobs: Sequence[tuple[Digest, int]]) -> None:
        """One node, one copy."""

    async def wait_durable(self, dot: Dot) -> None:
        """Durable here is durable everywhere."""

    def fetch(self, digest: Digest, size: int) -> AbstractAsyncContextManager[RemoteBlob]:
        raise BlobUnavailable(digest, "there are no peers")
