"""A `Gate`, `BlobCopies` and a `ClusterView` for a node without peers."""

import asyncio
import math
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from cluster.errors import BlobUnavailable, ClusterError, NotCaughtUp, NotDurable, UnknownRegion
from cluster.layout import Verdict
from cluster.model import (
    Acknowledged,
    Consistency,
    Digest,
    Dot,
    NodeId,
    Region,
    Spread,
    SpreadNode,
    Vitals,
)
from cluster.statistics import (
    ClusterStatistics,
    Counters,
    MemberStatistics,
    RestoreStatistics,
)
from node.desk.series import Tally
from node.lifetime.departure import Farewell
from node.registry.ports import RemoteBlob


class SoloReplicator:
    """Nobody to ask and nobody to wait for. Counts how often it was asked."""

    def __init__(self) -> None:
        self.caught_up = 0
        self.caught_up_near = 0
        """Those times at which the own region was enough."""

        self.covered = 0
        """Answers that were given again."""

        self.not_writable: ClusterError | None = None
        self.not_durable = False
        self.acknowledged = Acknowledged(1, 1)
        self.waited_with: list[Consistency] = []
        self.not_current: NotCaughtUp | None = None
        self.confirmed = True
        self.waits = False
        """Whether who asks if this node is current waits for ever."""
        self.not_joined: NotCaughtUp | None = None

    def check_writable(self, consistency: Consistency = Consistency.REGION) -> None:
        if self.not_writable is not None:
            raise self.not_writable

    async def ensure_joined(self) -> None:
        if self.not_joined is not None:
            raise self.not_joined

    async def ensure_current(self, *, patient: bool = False) -> bool:
        if self.not_current is not None:
            raise self.not_current
        if self.waits:
            await asyncio.Event().wait()
        return self.confirmed

    def covered_until(self) -> float:
        """Nobody else writes: for ever, unless a test says otherwise."""
        return math.inf if self.not_current is None and self.confirmed else 0.0

    def count_covered(self) -> None:
        self.covered += 1

    async def catch_up(self, *, near: bool = False) -> None:
        self.caught_up += 1
        self.caught_up_near += near

    def replicate(self, digest: Digest, size: int) -> None:
        """There is no other holder."""

    async def ensure_copies(
        self,
        blobs: Sequence[tuple[Digest, int]],
        consistency: Consistency = Consistency.REGION,
    ) -> int | None:
        """One node, one copy."""
        return 1 if blobs else None

    async def lacks_copies(
        self, blobs: Sequence[tuple[Digest, int]], consistency: Consistency
    ) -> bool:
        """Nobody comes, unless a test says otherwise."""
        return False

    async def wait_durable(
        self, dot: Dot, consistency: Consistency = Consistency.REGION
    ) -> Acknowledged:
        """Durable here is durable everywhere, unless a test says otherwise."""
        self.waited_with.append(consistency)
        if self.not_durable:
            raise NotDurable(dot)
        return self.acknowledged

    def fetch(self, digest: Digest, size: int) -> AbstractAsyncContextManager[RemoteBlob]:
        raise BlobUnavailable(digest, "there are no peers")


class SoloView:
    """A `ClusterView` whose answers a test sets."""

    def __init__(self) -> None:
        self.nodes = (SpreadNode(NodeId("solo"), Region("local"), True, True),)
        self.asked: list[tuple[Dot, Sequence[Region] | None, float]] = []
        self.released = asyncio.Event()
        self.released.set()
        self.members: tuple[MemberStatistics, ...] = ()
        self.departures: list[float] = []
        """Requests to leave: the seconds to serve on."""
        self.verdict = Verdict(NodeId("solo"), 1, 0, 0, 0, 0, (), True, ())
        """What goes with it."""
        self.removed: list[tuple[NodeId, bool]] = []
        """Each with whether it was said to be lost."""
        self.not_removed: ClusterError | None = None
        self.not_left: ClusterError | None = None
        self.went = Farewell("draining")
        """How far leaving is."""
        self.vitals = Vitals("1.2.3", 1000, 400, 7, 70)
        self.logs = 2
        self.restoring: RestoreStatistics | None = None
        self.round_trips_s: dict[str, float] = {}
        self.written_at: dict[int, float] = {}
        """When the first of so many events, the last ones, was written."""
        self.tally = Tally()

    def statistics(self) -> ClusterStatistics:
        return ClusterStatistics(
            node=NodeId("solo"),
            region=Region("local"),
            joined=True,
            current=True,
            clock_off_ms=0.0,
            damaged=False,
            differing=(),
            members=self.members,
            http="127.0.0.1:5000",
            vitals=self.vitals,
            logs=self.logs,
            health=0,
            restoring=self.restoring,
            fetches_running=0,
            fetches_waiting=0,
            replications_running=0,
            replications_waiting=0,
            totals=Counters(),
        )

    async def begin(self, drain_s: float, *, lost: bool) -> Verdict:
        """As `node.lifetime.departure.Departure`, as a test sets it."""
        if self.not_left is not None:
            raise self.not_left
        if not lost:
            self.verdict.insist()
        self.departures.append(drain_s)
        return self.verdict

    async def farewell(self, timeout_s: float) -> Farewell:
        return self.went

    async def remove(self, node: NodeId, *, lost: bool) -> None:
        if self.not_removed is not None:
            raise self.not_removed
        self.removed.append((node, lost))

    async def wait_for(
        self, dot: Dot, regions: Sequence[Region] | None, timeout_s: float
    ) -> Spread:
        self.asked.append((dot, regions, timeout_s))
        await self.released.wait()
        for region in regions or ():
            if region not in {state.region for state in self.nodes}:
                raise UnknownRegion(region)
        return Spread.of(self.nodes, regions)
