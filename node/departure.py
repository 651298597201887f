"""How a node goes for good: it drains, ends what is running, and tells the others."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Final, Protocol

from cluster import NodeState, State
from cluster.model import NodeId
from node import shutdown
from node.errors import CopiesAtStake
from node.stakes import Stakes

DRAIN_DEFAULT_S: Final = 5.0
DRAIN_MAX_S: Final = 300.0
"""Longest time between the request to leave and the end of service. Load balancers look every few
seconds; a slip of the finger must not keep a node for days."""


class Membership(Protocol):
    """The cluster, as its members come and go."""

    async def announce_leaving(self, leaving: bool) -> Collection[NodeId]:
        """Tell the others that this node is about to leave, or is not; returns who stays."""
        ...

    def check_removable(self, node: NodeId) -> None:
        """
        Return if *node* is a dead member.

        Raises:
            MemberUnknown, MemberNotDead: it is not.
        """
        ...

    def remove(self, node: NodeId) -> None:
        """Count a dead member out."""
        ...


Count = Callable[[NodeId, Collection[NodeId] | None], Awaitable[Stakes]]
"""What is at stake when a node goes, by the copies of those that stay; `node.stakes.count`."""


class Departure:
    """
    Waits until the node is asked to leave. Belongs to one event loop.

    The others are told last, when nothing is acknowledged here any more: from then on nobody asks
    this node before reading, so what it acknowledged later could be missed.
    """

    def __init__(
        self, me: NodeId, copies: int, state: NodeState, members: Membership, count: Count
    ) -> None:
        self._me = me
        self._copies = copies
        self._state = state
        self._members = members
        self._count = count
        self._asking = asyncio.Lock()
        self._stakes = Stakes()
        self._begun = asyncio.Event()
        self._drain_s = 0.0

    @property
    def begun(self) -> bool:
        """Whether the node is leaving. That is not taken back."""
        return self._begun.is_set()

    async def begin(self, drain_s: float, *, fewer_copies: bool, force: bool) -> Stakes:
        """
        Leave: serve for *drain_s* seconds more while `/readyz` sends clients elsewhere, and stop.

        Asking again changes nothing. Returns what goes with the node.

        Raises:
            CopiesAtStake: some blobs would have no copy left on a node that is there, and it is not
                to go by *force*; or fewer than `copies`, and nobody said *fewer_copies*.
            NotCaughtUp, StorageFailure: that cannot be told.
        """
        async with self._asking:
            if self.begun:
                return self._stakes
            stays = await self._members.announce_leaving(True)
            try:
                stakes = Stakes() if force else await self._count(self._me, stays)
                if stakes.blobs_last or (stakes.blobs_short and not fewer_copies):
                    raise CopiesAtStake(self._me, stakes, self._copies)
            except BaseException:
                await self._members.announce_leaving(False)
                raise
            self._stakes, self._drain_s = stakes, drain_s
            self._state.put(State.STOPPING, "leaving")
            self._begun.set()
            return stakes

    async def remove(self, node: NodeId, *, force: bool) -> Stakes:
        """
        Count a dead member out, so that nobody waits for it; returns what it alone had.

        Raises:
            MemberUnknown, MemberNotDead: there is nothing to remove.
            CopiesAtStake: nobody who is there has some of its blobs, and there is no *force*.
            NotCaughtUp, StorageFailure: that cannot be told.
        """
        self._members.check_removable(node)
        stakes = Stakes() if force else await self._count(node, None)
        if stakes.blobs_last:
            raise CopiesAtStake(node, stakes._replace(blobs_short=0, bytes_short=0), self._copies)
        self._members.remove(node)
        return stakes

    async def run(self, stop: asyncio.Event) -> None:
        """Set *stop* once the node was asked to leave and has drained."""
        await self._begun.wait()
        await shutdown.wait(self._drain_s, stop)
        stop.set()
