"""What would be lost with a node that goes: counted from the index and who is there."""

import asyncio
import time
from collections.abc import Collection, Iterator, Sequence
from typing import Final, NamedTuple, Protocol

from cluster.model import Digest, NodeId

_ROWS: Final = 128
"""Holder rows looked at between two turns of the event loop: some milliseconds."""


class Stakes(NamedTuple):
    """Blobs that some repository has, by what becomes of their copies; sizes are bytes."""

    blobs_last: int = 0
    """Those that no other node has which is there."""

    bytes_last: int = 0
    blobs_short: int = 0
    """Those that some other node has, but fewer than `copies`."""

    bytes_short: int = 0


class Rows(Protocol):
    """The holder rows of the index."""

    def held_by_after(
        self, node: NodeId, after: Digest | None, looked_at_max: int
    ) -> tuple[Sequence[tuple[Digest, int]], Digest | None]:
        """
        Blobs that *node* said it holds, with their sizes, and the blob to go on after: those of the
        next *looked_at_max* rows, whoever made them, the last blob's rows all included.

        Raises:
            NotCaughtUp: the index does not say.
        """
        ...


class Repositories(Protocol):
    def repositories_with(self, digest: Digest) -> Iterator[str]:
        """The repositories that have the blob."""
        ...


class Present(Protocol):
    """The cluster, as far as it is connected."""

    def holding(self, digest: Digest) -> Sequence[NodeId]:
        """The connected nodes that durably have the blob."""
        ...


async def count(
    rows: Rows,
    repositories: Repositories,
    present: Present,
    node: NodeId,
    copies: int,
    stays: Collection[NodeId] | None = None,
) -> Stakes:
    """
    Count what is at stake when *node* goes; only the copies of those who *stay* count (None: of
    everybody else).

    A holder row of a member that is not connected is no copy: it may be gone for good. Blobs that
    no repository has any more are nobody's loss.

    Raises:
        NotCaughtUp, StorageFailure: the index does not say, or the disk.
    """
    after: Digest | None = None
    last, short = (0, 0), (0, 0)
    while True:
        begun = time.monotonic()
        held, after = rows.held_by_after(node, after, _ROWS)
        for digest, size in held:
            holding = present.holding(digest)
            others = sum(n != node and (stays is None or n in stays) for n in holding)
            if others >= copies or next(repositories.repositories_with(digest), None) is None:
                continue
            if others:
                short = (short[0] + 1, short[1] + size)
            else:
                last = (last[0] + 1, last[1] + size)
        if after is None:
            return Stakes(*last, *short)
        # As long as the look itself took: others get half of the loop's time at least.
        await asyncio.sleep(time.monotonic() - begun)
