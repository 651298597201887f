"""Planning a change of the layout: which version it would make, and what that would move."""

from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing
from typing import Final, NamedTuple, Protocol

from cluster import ClusterStatistics
from cluster.errors import (
    ChangeOpen,
    CopiesAtStake,
    CopiesUnmet,
    LayoutInvalid,
    MemberKnown,
    MemberMissing,
    MemberSilent,
    NotCaughtUp,
    NotDecided,
    NotDrained,
    QuorumSilent,
    RegionFixed,
    VersionTaken,
    VotersUnfit,
    WitnessUnfit,
)
from cluster.layout import (
    Change,
    Layout,
    LayoutMember,
    Live,
    Movement,
    Plan,
    Remove,
    Replace,
    Row,
)
from cluster.model import NodeId
from node.attention.service import Attention
from node.desk.plans import BYTES_PER_S, PlanBook, plan_moves
from node.desk.values import PlanMoves

CHANGING: Final = (
    LayoutInvalid,
    MemberKnown,
    MemberMissing,
    MemberSilent,
    RegionFixed,
    CopiesUnmet,
    CopiesAtStake,
    NotDrained,
    VotersUnfit,
    QuorumSilent,
    WitnessUnfit,
    ChangeOpen,
    VersionTaken,
    NotDecided,
    NotCaughtUp,
)
"""What a change of the layout may be refused with."""


class PlannedLayout(NamedTuple):
    """What was planned. Nothing has changed."""

    before: Layout
    after: Layout
    plan: Plan
    moves: PlanMoves
    """The plan in short."""


class PlanFace(Protocol):
    """The layout, as far as a plan takes it (`cluster.Layouts`)."""

    @property
    def live(self) -> Live: ...

    def insist_lost(self, node: NodeId) -> None: ...

    def newcomer(
        self, node: NodeId, *, zone: str | None = None, weight: int | None = None
    ) -> LayoutMember: ...

    async def plan(self, *changes: Change, lost: Collection[NodeId] = ()) -> Layout: ...

    async def apply(self, version: int, planned: str) -> None: ...


class Planner:
    """Plans, and keeps in a book what each plan would move. Belongs to one event loop."""

    def __init__(
        self,
        layouts: PlanFace,
        statistics: Callable[[], ClusterStatistics],
        blobs: Callable[[], AsyncGenerator[Row, None]],
        attention: Attention,
        book: PlanBook,
    ) -> None:
        """*blobs* gives all of them, with who said to hold them."""
        self._layouts = layouts
        self._statistics = statistics
        self._blobs = blobs
        self._attention = attention
        self._book = book

    @property
    def live(self) -> Layout:
        """The layout that a plan follows; raises `NotDecided` while there is none."""
        return self._layouts.live.newest

    async def plan(
        self,
        *changes: Change,
        lost: Collection[NodeId] = (),
        bytes_per_s: float = BYTES_PER_S,
    ) -> PlannedLayout:
        """
        What *changes* would make, and move: looks at each blob. It can be applied afterwards.

        Raises:
            One of `CHANGING`: they are refused.
        """
        before = self.live
        after = await self._layouts.plan(*changes, lost=lost)
        statistics = self._statistics()
        there = {m.node for m in statistics.members if m.connected}
        movement = Movement(before, after, {*there, statistics.node})
        async with aclosing(self._blobs()) as rows:
            async for row in rows:
                movement.add(row)
        plan, facts = movement.plan(), self._attention.see().facts
        moves = plan_moves(facts.now, plan, (before, after), facts.members, bytes_per_s)
        self._book.keep(plan.fingerprint, moves)
        return PlannedLayout(before, after, plan, moves)

    async def apply(self, version: int, fingerprint: str) -> None:
        """
        Bring about what was planned here, by its version and its fingerprint.

        Raises:
            PlanUnknown, ChangeOpen, VersionTaken, NotDecided: it cannot be, now.
        """
        await self._layouts.apply(version, fingerprint)

    async def plan_lost(self, node: NodeId, by: NodeId | None) -> PlannedLayout:
        """
        What it would make, and move, to go on without a member that is lost; *by* comes in its
        place, if anybody.

        Raises:
            MemberUnknown, MemberNotDead: it is not lost.
            NewcomerAbsent: nobody of that name is there who could come.
            One of `CHANGING`: it is refused.
        """
        self._layouts.insist_lost(node)
        change = (
            Remove(node, None) if by is None else Replace(node, self._layouts.newcomer(by), None)
        )
        return await self.plan(change, lost={node})
