"""The layout of a registry without a cluster: changes go by the real rules, and nobody is asked."""

from collections.abc import AsyncGenerator, Collection, Sequence

import msgspec

from cluster.errors import (
    ClusterError,
    MemberNotDead,
    NewcomerAbsent,
    NotDecided,
    PlanUnknown,
    VersionTaken,
)
from cluster.layout import Change, Entry, Layout, LayoutMember, Live, Row, Verdict, View
from cluster.layout.document import Settings
from cluster.layout.plans import Plans, follows
from cluster.layout.proposal import genesis
from cluster.layout.removal import Removal
from cluster.model import NodeId
from node.copies.stakes import Shortfall
from tests.fakes.layouts import changed_by, member


class SoloLayouts:
    """What admin handlers ask of the layout, and who has which blob, as a test sets it."""

    def __init__(self, node: str) -> None:
        first = genesis([member(node, "local")], Settings(copies=1))
        self.entries: list[Entry] = [Entry(2, node, Live(first))]
        self.absent: NotDecided | None = None
        """Why there is no layout."""

        self.refused: ClusterError | None = None
        """What a change meets."""

        self.open: View | None = None
        self.silent: list[NodeId] = []
        """Voters that are not connected."""

        self.there: dict[str, LayoutMember] = {}
        """Who has come, and is no member."""

        self.alive: set[str] = {node}
        self.held: list[Row] = []
        self.shortfall = Shortfall(0, 0, 0, 0, 0, 0, ())
        self.uncounted: ClusterError | None = None
        self.survivors: list[set[str]] = []
        self._plans = Plans()

    # What `AdminContext` has beside the face.

    async def rows(self, node: NodeId) -> AsyncGenerator[Row, None]:
        for row in self.held:
            if node in row.holders:
                yield row

    async def blobs(self) -> AsyncGenerator[Row, None]:
        for row in self.held:
            yield row

    async def look(self) -> Shortfall:
        if self.uncounted is not None:
            raise self.uncounted
        return self.shortfall

    # The face.

    @property
    def live(self) -> Live:
        if self.absent is not None:
            raise self.absent
        return self.entries[-1].live

    @property
    def plans(self) -> Sequence[Live]:
        return self._plans.following(self.live)

    def view(self) -> View | None:
        return self.open

    def voters(self) -> tuple[Sequence[NodeId], Sequence[NodeId]]:
        if self.absent is not None:
            return [], []
        return [NodeId(voter.node) for voter in self.live.newest.voters], self.silent

    def newcomer(
        self, node: NodeId, *, zone: str | None = None, weight: int | None = None
    ) -> LayoutMember:
        if node not in self.there:
            raise NewcomerAbsent(node, "it is not connected")
        return msgspec.structs.replace(self.there[node], zone=zone or "", weight=weight or 100)

    def insist_lost(self, node: NodeId) -> None:
        if node in self.alive:
            raise MemberNotDead(node, "alive")

    async def begin(self) -> Layout:
        if self.absent is None:
            raise VersionTaken(self.live.newest.version, 1)
        self.absent = None
        return self.live.newest

    async def force(self, survivors: Collection[NodeId]) -> int:
        self._insist()
        self.survivors.append(set(survivors))
        return self.live.newest.version

    async def plan(self, *changes: Change, lost: Collection[NodeId] = ()) -> Layout:
        self._insist()
        live = self.live
        new = changed_by(live.newest, *changes, lost=frozenset(lost))
        stores = {m.store for m in live.newest.members if m.node in lost}
        return self._plans.keep(Live(new, live.newest, stores))

    async def apply(self, version: int, planned: str) -> None:
        self._insist()
        found = self._plans.named(version, planned)
        if found is None:
            raise PlanUnknown(version, planned)
        if not follows(self.live, found):
            raise VersionTaken(self.live.newest.version, version)
        self._take(found.newest)

    async def change(self, *changes: Change, lost: Collection[NodeId] = ()) -> int:
        self._insist()
        self._take(changed_by(self.live.newest, *changes, lost=frozenset(lost)))
        return self.live.newest.version

    async def verdict(self, node: NodeId, rows: object) -> Verdict:
        removal = Removal(self.live.newest, node)
        for row in self.held:
            removal.add(row)
        version = self.live.newest.version
        return removal.verdict({m.node: version for m in self.live.newest.members})

    def _insist(self) -> None:
        if self.refused is not None:
            raise self.refused

    def _take(self, new: Layout) -> None:
        before, author = self.live, self.entries[-1].author
        slot = self.entries[-1].slot
        self.entries.append(Entry(slot + 1, author, Live(new, before.newest), "ann"))
        self.entries.append(Entry(slot + 2, author, Live(new), f"node:{author}"))
