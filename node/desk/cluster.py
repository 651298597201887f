"""The cluster as the desk shows it: who looks, takes samples, and has copies counted."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cluster import ClusterStatistics
from cluster.errors import MemberMissing, NotDecided
from cluster.layout import Entry, Live, View, fingerprint
from cluster.model import NodeId
from node.attention.facts import Facts
from node.attention.service import Attention
from node.desk.layouts import DeskLayout, decisions, planned
from node.desk.looks import ClusterLook, nodes_of, regions_of
from node.desk.plans import PlanBook
from node.desk.series import POINTS, STEP_S, History, Tally
from node.desk.stops import stop_verdict
from node.desk.values import (
    DeskNodes,
    DeskRegions,
    DeskSeriesDocument,
    SeriesName,
    StopVerdict,
    WorkDocument,
)
from node.desk.work import Circumstances, Restoring, WorkLog

_COUNT_S: Final = 10.0
"""Between two looks whether the copies have to be counted anew. A count looks at all blobs, and is
not repeated before ten times as long as it took (`node.copies.stakes`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSources:
    """Whom the desk asks. Nothing of it waits."""

    attention: Attention
    statistics: Callable[[], ClusterStatistics]
    live: Callable[[], Live]
    """Raises `NotDecided` while there is no layout, or none that can be read."""

    change: Callable[[], View | None]
    entries: Callable[[], Sequence[Entry]]
    """The decisions about the layout, the first one first."""

    planned: Callable[[], Sequence[Live]]
    """What was planned here and can still be applied; raises as `live` does."""

    round_trips_s: Callable[[], Mapping[str, float]]
    """To each connected node, as far as it was measured."""

    written_at: Callable[[int], float | None]
    """When the first of so many events, the last that this node wrote, was written: seconds since
    1970. None: it is not known any more."""

    tally: Callable[[], Tally]
    steady: Callable[[], float]
    """Seconds of a clock that nobody sets."""


class ClusterDesk:
    """
    Regions, nodes, what goes on, and the figures of this node.

    Belongs to one event loop. What takes long to count is told as it was at the last count, with
    the time of that.
    """

    def __init__(self, sources: ClusterSources) -> None:
        self._sources = sources
        self._history = History()
        self._work = WorkLog()
        self.plans = PlanBook()
        self._counted_for: object = None

    def look(self) -> ClusterLook:
        """One look at all, in memory but for some rows of this node's log: of the first event that
        each member lacks."""
        return self._look_by(self._sources.attention.see().facts)

    def nodes(self) -> DeskNodes:
        """The nodes."""
        return nodes_of(self.look())

    def regions(self) -> DeskRegions:
        """The regions."""
        return regions_of(self.look())

    def series(self, points: int = POINTS, name: SeriesName | None = None) -> DeskSeriesDocument:
        """The latest *points* of a figure of this node, or of each."""
        facts = self._sources.attention.see().facts
        others = [m.node for m in facts.members if m.availability is not None]
        return DeskSeriesDocument(
            facts.node,
            facts.region,
            round(facts.now, 3),
            STEP_S,
            self._history.latest,
            (facts.node,),
            [node for node in others if node != facts.node],
            [each for each in self._history.series(points) if name in (None, each.name)],
        )

    def work(self) -> WorkDocument:
        """What goes on."""
        facts = self._sources.attention.see().facts
        work = self._work.look(self._circumstances(facts))
        return WorkDocument(facts.node, facts.region, round(facts.now, 3), facts.counted, work)

    def layout(self) -> DeskLayout:
        """The layout, what was planned here, and how it came to be."""
        sources, voters = self._sources, self._sources.attention.see().facts.voters
        live = self._live()
        return DeskLayout(
            None if live is None else live.newest.version,
            voters.voters,
            voters.silent,
            []
            if live is None
            else [
                planned(each, self.plans.of(fingerprint(each.newest))) for each in sources.planned()
            ],
            list(decisions(sources.entries()))[::-1],
        )

    async def safe_to_stop(self, node: NodeId) -> StopVerdict:
        """
        Whether *node* may be stopped, with the copies counted now, or a moment ago.

        Raises:
            MemberMissing: it is no member.
            NotDecided: there is no layout.
        """
        live = self._sources.live()
        if all(layout.member(node) is None for layout in live.layouts):
            raise MemberMissing(node)
        seen = await self._sources.attention.look()
        return stop_verdict(node, self._live(), seen.facts)

    async def run(self) -> None:
        """Take samples, and have copies counted while they change, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._sample(), name="samples")
            tasks.create_task(self._count(), name="counts")

    def sample(self) -> None:
        """Take one sample of this node's figures, and look at what goes on."""
        look = self.look()
        steady, wall = self._sources.steady(), look.facts.now
        self._history.note(steady, wall, self._sources.tally(), look.lag_s)
        self._work.look(self._circumstances(look.facts))

    async def _sample(self) -> None:
        while True:
            self.sample()
            await asyncio.sleep(STEP_S)

    async def _count(self) -> None:
        while True:
            await asyncio.sleep(_COUNT_S)
            await self.count_if_due()

    async def count_if_due(self) -> None:
        """Have the copies counted, if blobs lack some, or who could have them is another one."""
        facts = self._sources.attention.see().facts
        present = self._present(facts)
        copies = facts.copies
        lack = copies is not None and bool(copies.short or copies.gone)
        if present is not None and (lack or present != self._counted_for):
            self._counted_for = present
            await self._sources.attention.look()

    def _present(self, facts: Facts) -> object:
        """By what copies lack or do not; None while nothing can be counted."""
        me = facts.member(facts.node)
        if facts.layout is None or me is None or me.state != "alive" or self._restoring():
            return None
        there = frozenset((m.node, m.connected, m.availability) for m in facts.members)
        return facts.layout.version, there

    def _look_by(self, facts: Facts) -> ClusterLook:
        lags = {m.lag_events for m in facts.members}
        behind = {lag: self._behind_s(facts.now, lag) for lag in lags}
        return ClusterLook(
            facts=facts,
            live=self._live(),
            round_trips_s=self._sources.round_trips_s(),
            behind_s={m.node: behind[m.lag_events] for m in facts.members},
        )

    def _behind_s(self, now: float, lag_events: int | None) -> float | None:
        if not lag_events:
            return None if lag_events is None else 0.0
        written = self._sources.written_at(lag_events)
        return None if written is None else max(0.0, now - written)

    def _circumstances(self, facts: Facts) -> Circumstances:
        change = None if facts.layout is None else self._sources.change()
        return Circumstances(facts, self._live(), change, self._restoring(), self._sources.steady())

    def _restoring(self) -> Restoring | None:
        told = self._sources.statistics().restoring
        return None if told is None else Restoring(*told)

    def _live(self) -> Live | None:
        try:
            return self._sources.live()
        except NotDecided:
            return None
