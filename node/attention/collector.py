"""The facts, gathered from what the parts of a node tell of themselves."""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from cluster import ClusterStatistics
from cluster.errors import ClusterError, NotDecided, StorageFailure
from cluster.layout import Live, Phase, View, unmet
from cluster.model import NodeId
from node.attention.facts import (
    AccessFacts,
    CopyFacts,
    Facts,
    HindranceFacts,
    LayoutFacts,
    RecentReads,
    StalledChange,
    StorageFacts,
    UnmetFacts,
    VoterFacts,
)
from node.attention.members import members
from node.attention.rules.requests import RECENT_S

_SAMPLE_S: Final = 5.0
"""Time between two readings of the counters of reads that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionSources:
    """Whom the facts are asked of. What is not awaited takes microseconds and does no I/O."""

    statistics: Callable[[], ClusterStatistics]
    live: Callable[[], Live]
    """Raises `NotDecided` while there is no layout, or none that can be read."""

    change: Callable[[], View | None]
    voters: Callable[[], tuple[Sequence[NodeId], Sequence[NodeId]]]
    """All, and those that are not connected."""

    copies: Callable[[], Awaitable[CopyFacts]]
    conflicts: Callable[[], Awaitable[int]]
    """As `copies`, raises a `ClusterError` or `StorageFailure` where that cannot be told."""

    has_admin: Callable[[], bool]
    """Raises likewise."""

    can_sign: Callable[[], bool]
    """Raises likewise."""

    apart_s: Callable[[], float]
    """See `node.identity.ports.Authority`."""

    login_cutoff_s: float
    storage: Callable[[], StorageFacts]
    wall: Callable[[], float]
    """Seconds since 1970."""

    steady: Callable[[], float]
    """Seconds, of a clock that nobody sets."""


class _Reading(NamedTuple):
    at: float
    refused: int
    unconfirmed: int


class Collector:
    """Makes `Facts`. What has to be waited for is what it was at the last `count`."""

    def __init__(self, sources: AttentionSources) -> None:
        self._sources = sources
        self._copies: CopyFacts | None = None
        self._counted: float | None = None
        self._conflicts: int | None = None
        self._counted_at: float | None = None
        self._why_no_copies: str | None = None
        self._why_no_conflicts: str | None = None
        """Why that is not known: why the last count failed, where it did."""
        self._readings = deque([_Reading(sources.steady(), 0, 0)])

    async def count(self) -> None:
        """Count what takes long: the copies of all blobs, and conflicts."""
        try:
            copies = await self._sources.copies()
        except (ClusterError, StorageFailure) as exc:
            self._copies, self._why_no_copies = None, str(exc)
        else:
            self._note_copies(copies)
        await self.count_conflicts()
        self._counted_at = self._sources.wall()

    async def count_conflicts(self) -> None:
        """Count those alone: they are few, so that takes milliseconds."""
        try:
            self._conflicts = await self._sources.conflicts()
        except (ClusterError, StorageFailure) as exc:
            self._conflicts, self._why_no_conflicts = None, str(exc)

    def _note_copies(self, copies: CopyFacts) -> None:
        before, self._copies = self._copies, copies
        # Who asks often is given the same look again.
        if before is None or before.places.walk != copies.places.walk or not copies.places.walk:
            self._counted = self._sources.wall()

    def facts(self) -> Facts:
        """What is so now."""
        sources = self._sources
        statistics = sources.statistics()
        try:
            live, why = sources.live(), None
        except NotDecided as exc:
            live, why = None, str(exc)
        voters, silent = sources.voters()
        return Facts(
            node=statistics.node,
            region=statistics.region,
            now=sources.wall(),
            layout=None if live is None else _layout(live),
            no_layout=why,
            stalled=None if live is None else _stalled(live, sources.change()),
            voters=VoterFacts(tuple(voters), tuple(silent)),
            members=members(statistics, live),
            seeds_missing=statistics.seeds_missing if statistics.joined else {},
            copies=self._copies,
            counted=None if self._copies is None else self._counted,
            conflicts=self._conflicts,
            counted_at=self._counted_at,
            uncounted=self._why_uncounted(),
            storage=sources.storage(),
            access=AccessFacts(
                is_open=statistics.settings.get("auth") == "open",
                has_admin=_told(sources.has_admin),
                can_sign=_told(sources.can_sign),
                apart_s=sources.apart_s(),
                cutoff_s=sources.login_cutoff_s,
            ),
            reads=self._recent_reads(statistics),
            clock_off_ms=statistics.clock_off_ms,
            damaged=statistics.damaged,
            differing=tuple(statistics.differing),
            logs=statistics.logs,
            logs_standing=statistics.logs_standing,
        )

    def _why_uncounted(self) -> dict[str, str]:
        counts = (
            ("copies of blobs", self._copies, self._why_no_copies),
            ("conflicts", self._conflicts, self._why_no_conflicts),
        )
        return {what: why for what, found, why in counts if found is None and why is not None}

    def _recent_reads(self, statistics: ClusterStatistics) -> RecentReads:
        now, readings, totals = self._sources.steady(), self._readings, statistics.totals
        while len(readings) > 1 and readings[1].at <= now - RECENT_S:
            readings.popleft()
        first = readings[0]
        if now - readings[-1].at >= _SAMPLE_S:
            readings.append(_Reading(now, totals.reads_refused, totals.reads_unconfirmed))
        return RecentReads(
            totals.reads_refused - first.refused, totals.reads_unconfirmed - first.unconfirmed
        )


def _layout(live: Live) -> LayoutFacts:
    return LayoutFacts(live.newest.version, tuple(UnmetFacts(*each) for each in unmet(live.newest)))


def _stalled(live: Live, view: View | None) -> StalledChange | None:
    if view is None or view.phase is not Phase.STALLED:
        return None
    hindrances = tuple(HindranceFacts(each.node, str(each)) for each in view.hindrances)
    return StalledChange(live.newest.version, hindrances)


def _told(question: Callable[[], bool]) -> bool | None:
    """The answer; None where the index, or its disk, gives none."""
    try:
        return question()
    except (ClusterError, StorageFailure):
        return None
