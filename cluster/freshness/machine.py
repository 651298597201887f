"""
One node's part in it, on both sides, as one machine: events in, judgements and grants out. Pure.

`driver.freshness` feeds it. It stands beside the failure detector and does not ask it: who is dead,
suspected or away makes no difference to what may be read or acknowledged.
"""

import math
from collections.abc import Callable, Collection, Mapping, Set
from enum import Enum, auto
from functools import partial
from typing import Final, NamedTuple

from cluster.freshness.confirmations import Confirmations, Epochs, Told
from cluster.freshness.continuity import OwnDisk
from cluster.freshness.drift import DRIFT
from cluster.freshness.grants import Grant, Grants
from cluster.freshness.leases import Leases
from cluster.freshness.moments import Moments
from cluster.gossip.progress import News
from cluster.layout.transition import Live
from cluster.messages import Confirmation, Stage
from cluster.model import Disk, NodeId, Region, Run, Vector

Has = Callable[[Run, int], bool]
"""Whether a run has told this node itself that it has an event of its log."""

Matters = Callable[[Region, NodeId], bool]
"""Whether the readers of a region have to have what a node wrote."""


class Durations(NamedTuple):
    """In seconds."""

    lease_s: float
    laggard_s: float
    """How far behind a reader of the granter's region may be."""

    laggard_remote_s: float
    """The same of another region: two round trips at least."""

    trust_s: float
    """After which a node relies on its disk, if nobody who could know better was reached."""


class Coverage(Enum):
    """What an answer from this node's own index would be worth."""

    COVERED = auto()
    """It has everything that its region has acknowledged."""

    ASK_FIRST = auto()
    """It may lack some."""


class Backing(NamedTuple):
    """How an event of this node stands in its region's quorum."""

    confirmed: frozenset[Disk]
    """Who counts for it, this node included."""

    wake_at: float
    """When it may stand otherwise though nobody says a word."""


class Freshness:
    """Times are seconds of this node's monotonic clock."""

    def __init__(
        self, me: Run, region: Region, start: Vector, durations: Durations, now: float
    ) -> None:
        """*start* is what the disk has as the run begins."""
        self._me: Final = me
        self._region: Final = region
        self._durations: Final = durations
        self._live: Live | None = None
        self._united: dict[Region, frozenset[Disk]] = {}
        """Of each region all who are in a quorum of it. Each greeting asks."""

        self._grants: dict[Region, tuple[Moments, Grants]] = {}
        self._leases = Leases(durations.lease_s)
        self._confirmations = Confirmations()
        self._muted_until = now + durations.lease_s * DRIFT
        """The run before this one may have granted leases, of which nothing is known here."""
        trust_at = max(self._muted_until, now + durations.trust_s)
        self._disk = OwnDisk(me.disk, start, trust_at)
        self._is_whole = False
        """Whether this node has what its disk ever said that it has; looked at until it has."""

        self._covered_until = 0.0
        """When the leases that it has cover no read any more. Each read asks."""

    # What happens.

    def begin(self, live: Live | None, matters: Matters, vector: Vector, now: float) -> None:
        """Note what is live of the layout, and whose logs matter to the readers of a region."""
        self._live = live
        quorums = {} if live is None else live.quorums
        self._united = {region: frozenset[Disk]().union(*q) for region, q in quorums.items()}
        self._confirmations.begin(self._stage)
        for region in self._regions():
            if region not in self._grants:
                self._grants[region] = self._new_grants(region, matters)
        for moments, _ in self._grants.values():
            moments.begin(vector, now)
        self._look_at_leases()

    def note_synced(self, news: News, now: float) -> None:
        """More of some logs is durable here."""
        for moments, _ in self._grants.values():
            moments.note(news, now)

    def greet(self, run: Run, region: Region, have: Vector, now: float) -> Grant:
        """
        The answer to a greeting of *run*, which serves in *region*, goes by the same stage, and has
        *have* by its own word in this run.
        """
        granting = self._grants.get(region)
        if granting is None or not self.may_speak(now) or not self._reads(run.disk, region):
            return Grant.LAGS
        return granting[1].greet(run, have, now)

    def take(self, disk: Disk, asked_at: float) -> None:
        """*disk* has answered, at the same stage, that this node may read."""
        self._leases.take(disk, asked_at)
        self._look_at_leases()

    def hear(self, run: Run, stage: Stage, said: Confirmation) -> Told:
        """*run*, a member of a quorum, says how far it has this node's present log."""
        return self._confirmations.note(run, stage, said)

    def hear_of_before(self, disk: Disk, said: Vector) -> None:
        """What *disk* heard this node say in earlier runs, or has of its earlier logs."""
        self._disk.hear(disk, said)
        if self._is_whole and self._disk.is_set_back:
            self._is_whole = False
            self._look_at_leases()

    def note_pulled(self, disk: Disk) -> None:
        """All that *disk* has is here, by a pull of this run; its own disk forgot nothing."""
        self._disk.note_pulled(disk)

    def forget_runs(self, epochs: Epochs) -> None:
        self._confirmations.forget_runs(epochs)

    # What follows from it.

    def is_continuous(self, now: float) -> bool:
        """Whether this node has what its disk ever said that it has."""
        if self._live is None or self._is_whole:
            return True
        quorums = [q for region in self._regions() for q in self._quorums(region)]
        others = self._live.staying
        self._is_whole = self._disk.holds(quorums, others - {self._me.disk}, now)
        self._look_at_leases()
        return self._is_whole

    def awaits(self, disk: Disk, now: float) -> bool:
        """Whether a pull from *disk* may give back what this node's own disk lost."""
        return not self.is_continuous(now) and self._disk.awaits(disk)

    def may_speak(self, now: float) -> bool:
        """Whether this node confirms and grants: no lease that it cannot know of is running."""
        return now >= self._muted_until and self.is_continuous(now)

    def coverage(self, now: float) -> Coverage:
        """To be asked after the request came, and before the index is read."""
        return Coverage.COVERED if now < self.covered_until(now) else Coverage.ASK_FIRST

    def covered_until(self, now: float) -> float:
        """Until when it is covered, as things stand: by the leases that it has."""
        if not self._is_whole:
            self.is_continuous(now)
        return self._covered_until

    def suffice(self, disks: Collection[Disk], now: float) -> bool:
        """
        Whether *disks*, by whose word or of whom this node has everything, and this node itself are
        a majority of the region's quorum, in each version that is live.
        """
        self.is_continuous(now)
        return self._is_majority(disks)

    def quorum(self, region: Region | None = None) -> frozenset[Disk]:
        """Of whom majorities are counted in *region*, by any live version; None: in this one."""
        return self._united.get(self._region if region is None else region, frozenset())

    def lacking_leases(self, now: float) -> frozenset[Disk]:
        """The others of this region's quorum whose leases are not running."""
        return self.quorum() - self._leases.granters(now) - {self._me.disk}

    def readers(self, region: Region, now: float) -> Mapping[Disk, int]:
        """Who of *region* may read by this node's word: the epochs of their runs."""
        granting = self._grants.get(region)
        return {} if granting is None else granting[1].holders(now)

    def regions_of(self, disk: Disk) -> Set[Region]:
        """Those in whose quorums *disk* is."""
        quorums = {} if self._live is None else self._live.quorums
        return {region for region, found in quorums.items() if any(disk in q for q in found)}

    def speaks_for(self, region: Region) -> bool:
        """Whether this node is of the quorum of *region*."""
        return self._me.disk in self.quorum(region)

    def backing(self, seq: int, epochs: Epochs, has: Has, now: float) -> Backing:
        """
        How the event *seq* of this node's log, which is durable here, stands. *epochs* are the runs
        of the members that this node knows of.
        """
        confirmed = set(self._confirmations.confirmed(seq, epochs, has))
        wake_at = math.inf
        if now < self._muted_until:
            wake_at = self._muted_until
        elif self.is_continuous(now):
            lacking = self._lacking_here(seq, has, now)
            if not lacking:
                confirmed.add(self._me.disk)
            wake_at = min(lacking.values(), default=wake_at)
        return Backing(frozenset(confirmed), wake_at)

    def _lacking_here(self, seq: int, has: Has, now: float) -> Mapping[Run, float]:
        """The readers by this node's own word that lack an event, and until when they may read."""
        _, grants = self._grants[self._region]
        found = {}
        for disk, epoch in grants.holders(now).items():
            run = Run(disk, epoch)
            if not has(run, seq) and not self._confirmations.has(run, seq):
                found[run] = grants.over_at(disk, now)
        return found

    def _is_majority(self, disks: Collection[Disk]) -> bool:
        mine = {self._me.disk} if self._is_whole else frozenset[Disk]()
        return self._live is not None and self._live.majority(self._region, {*disks, *mine})

    def _look_at_leases(self) -> None:
        """Find how long the leases that this node has are those of a majority."""
        self._covered_until = math.inf if self._is_majority(()) else 0.0
        granters = set[Disk]()
        for disk, until in self._leases.latest_first():
            if self._covered_until:
                return
            granters.add(disk)
            if self._is_majority(granters):
                self._covered_until = until

    @property
    def _stage(self) -> Stage:
        return Stage(0, 0) if self._live is None else self._live.stage

    def _regions(self) -> Set[Region]:
        """Those in whose quorums this node is, in a live version, and its own."""
        return self.regions_of(self._me.disk) | {self._region}

    def _quorums(self, region: Region) -> Collection[frozenset[Disk]]:
        return () if self._live is None else self._live.quorums.get(region, ())

    def _reads(self, disk: Disk, region: Region) -> bool:
        """Whether *disk* serves in *region*, by a live version."""
        if self._live is None or disk not in self._live.members:
            return False
        stores = (store for layout in self._live.layouts for store in layout.stores(region))
        return disk != self._me.disk and any(store.disk == disk for store in stores)

    def _new_grants(self, region: Region, matters: Matters) -> tuple[Moments, Grants]:
        durations = self._durations
        near = region == self._region
        laggard_s = durations.laggard_s if near else durations.laggard_remote_s
        moments = Moments(laggard_s, partial(matters, region))
        return moments, Grants(durations.lease_s, laggard_s, moments)
