"""How a node goes for good: others get its copies, it drains, and is no member any more."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Literal, NamedTuple, Protocol

from cluster import NodeState, Rows, State, Verdict
from cluster.errors import ClusterError, StorageFailure
from cluster.model import NodeId
from node.lifetime import shutdown

DRAIN_DEFAULT_S: Final = 5.0
DRAIN_MAX_S: Final = 300.0
"""Longest time between the request to leave and the end of service. Load balancers look every few
seconds; a slip of the finger must not keep a node for days."""

FAREWELL_MAX_S: Final = 200.0
"""Longest wait of who asked it to leave, beside the draining: with that and `PATIENCE_S` less than
the time in which a change has to be answered."""

PATIENCE_S: Final = 30.0
"""How long leaving goes on while no blob more gets its copies."""


class Farewell(NamedTuple):
    """How far leaving is."""

    state: Literal["draining", "left", "failed"]
    noted_by: Sequence[NodeId] = ()
    """Who has said that it counts this node no more."""

    why: str | None = None
    """Why it stops without having left."""


class Membership(Protocol):
    """The cluster, as its members come and go."""

    async def drain(self, node: NodeId, rows: Rows, *, patience_s: float) -> Verdict: ...

    async def verdict(self, node: NodeId, rows: Rows) -> Verdict: ...

    async def dismiss(self, node: NodeId, rows: Rows) -> None: ...

    async def remove_lost(self, node: NodeId) -> None: ...

    async def leave(self, rows: Rows, *, lost: bool) -> Sequence[NodeId]: ...


class Departure:
    """
    Waits until the node is asked to leave. Belongs to one event loop.

    While its copies are made elsewhere it serves as before. Then clients are sent elsewhere, what
    is running ends, and the last that it does is to have itself taken out of the layout.
    """

    def __init__(self, me: NodeId, state: NodeState, members: Membership, rows: Rows) -> None:
        self._me = me
        self._state = state
        self._members = members
        self._rows = rows
        self._asking = asyncio.Lock()
        self._begun = asyncio.Event()
        self._farewell = Farewell("draining")
        self._ended = asyncio.Event()
        self._waiting = 0
        self._all_told = asyncio.Event()
        self._all_told.set()
        self._verdict: Verdict | None = None
        self._drain_s = 0.0
        self._lost = False

    @property
    def begun(self) -> bool:
        """Whether the node is leaving. That is not taken back."""
        return self._begun.is_set()

    async def begin(self, drain_s: float, *, lost: bool) -> Verdict:
        """
        Leave: once others have its copies, serve for *drain_s* seconds more while `/readyz` sends
        clients elsewhere, and stop. Asking again changes nothing. Returns what goes with the node.

        Raises:
            CopiesAtStake: nothing has come of that for `PATIENCE_S`, and it is not to go with what
                only it has, as if it were *lost*.
            LayoutRefused, NotDecided: the layout cannot do without it, or is not changed now.
            NotCaughtUp, StorageFailure: what it has cannot be told.
        """
        async with self._asking:
            if self._verdict is not None:
                return self._verdict
            if lost:
                verdict = await self._members.verdict(self._me, self._rows)
            else:
                verdict = await self._members.drain(self._me, self._rows, patience_s=PATIENCE_S)
            self._verdict, self._drain_s, self._lost = verdict, drain_s, lost
            self._state.put(State.STOPPING, "leaving")
            self._begun.set()
            return verdict

    async def remove(self, node: NodeId, *, lost: bool) -> None:
        """
        Take a member out of the layout: one that has drained, or one that is dead and *lost* with
        all that only it has.

        Raises:
            MemberUnknown, MemberNotDead: it is not dead, so it is not lost.
            CopiesAtStake, NotDrained: it has to drain first.
            MemberSilent: it does not answer, and nobody said that it is lost.
            LayoutRefused, NotDecided: the layout cannot do without it, or is not changed now.
            NotCaughtUp, StorageFailure: what it has cannot be told.
        """
        if lost:
            await self._members.remove_lost(node)
        else:
            await self._members.dismiss(node, self._rows)

    async def go(self) -> Farewell:
        """Be no member any more, now that no client is served. Who fails needs an operator."""
        try:
            noted_by = await self._members.leave(self._rows, lost=self._lost)
            self._farewell = Farewell("left", noted_by)
        except (ClusterError, StorageFailure) as exc:
            self._farewell = Farewell("failed", why=str(exc))
        self._ended.set()
        return self._farewell

    async def farewell(self, timeout_s: float) -> Farewell:
        """How leaving went, as soon as that is over; or how far it is, in *timeout_s*."""
        self._waiting += 1
        self._all_told.clear()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._ended.wait()
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._all_told.set()
        return self._farewell

    async def wait_told(self) -> None:
        """Return once all who waited for it know how it went."""
        await self._all_told.wait()

    async def run(self, stop: asyncio.Event) -> None:
        """Set *stop* once the node was asked to leave and has drained."""
        await self._begun.wait()
        await shutdown.wait(self._drain_s, stop)
        stop.set()
