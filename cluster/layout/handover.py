"""
When may the older of two live versions end? Pure: it is told what members report, and the time.

Two things have to be over. *What the old version acknowledged* is at a majority of it; so in each
region whose quorum changes, a majority of the new one has pulled from a majority of the old one,
in requests that named this stage. Who answered such a request serves the old version no more, so
that version has lost its majority as well. *What the old version lets be read* rests on leases,
which end with time alone: from then on laggard_s + lease_s, and 5 % for clocks.

Example: {a, b, c} becomes {c, d, e}. d has pulled from a and b, c from a and itself: two of three
each. Whatever was acknowledged was at two of {a, b, c}, so c and d have it.
"""

from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from cluster.freshness.drift import DRIFT
from cluster.layout.transition import Live
from cluster.messages import NO_STAGE, Stage
from cluster.model import Disk, NodeId, Region

STALLED_AFTER_S: Final = 10.0
"""Time without any progress until a change counts as stalled. Pulls take one round trip."""


class Report(NamedTuple):
    """What a member says while a change goes on."""

    disk: Disk
    epoch: int
    """Its run. A later one begins from nothing."""

    stage: Stage
    """Where it is."""

    pulled: frozenset[Disk]
    """Whom it has asked for all they have since it is at this stage, and got it."""

    continuous: bool = True
    """Its disk has what the node ever said that it has. Else its pulls count for nobody."""


class Pulls:
    """Whom this node has asked for all they have, and got it, at its present stage."""

    def __init__(self) -> None:
        self._stage = NO_STAGE
        self._from: set[Disk] = set()

    def note(self, stage: Stage, disk: Disk) -> None:
        """A pull from *disk* is complete that began at *stage*, and was served at it."""
        if stage > self._stage:
            self._stage, self._from = stage, set()
        if stage == self._stage:
            self._from.add(disk)

    def at(self, stage: Stage) -> frozenset[Disk]:
        return frozenset(self._from) if stage == self._stage else frozenset()


class Phase(StrEnum):
    PULLING = "pulling"
    """The new quorums have not got everything of the old ones, or nobody what a leaving one has."""

    STALLED = "stalled"
    """The same, and nothing has come of it for a while."""

    WAITING = "waiting"
    """Leases of the old version may be running."""

    READY = "ready"
    """The old version may end: `transition.End` can be proposed."""


class Hindrance(NamedTuple):
    """Who holds a change up, and why. *region* is the one that needs it."""

    region: Region
    node: NodeId
    why: str

    def __str__(self) -> str:
        return f"region {self.region}: {self.node} {self.why}"


class View(NamedTuple):
    phase: Phase
    hindrances: tuple[Hindrance, ...]
    wait_s: float = 0.0
    """While waiting: how much longer."""


class _Need(NamedTuple):
    """A number of *readers* who have each pulled from a majority of *givers*, themselves counted
    where they are of these."""

    region: Region
    readers: frozenset[Disk]
    number: int
    givers: frozenset[Disk]


class Handover:
    """
    Follows one change at one node; any node may, and one that starts late only ends it later.

    Times are seconds of this node's monotonic clock.
    """

    def __init__(self, live: Live, lease_s: float, laggard_s: float, now: float) -> None:
        assert live.stage.joint, "there is no change to follow"
        self._live = live
        self._wait_s = (lease_s + laggard_s) * DRIFT
        self._needs = tuple(_needs(live))
        self._reports: dict[Disk, Report] = {}
        self._heard: dict[NodeId, int] = {}
        self._progress = now
        self._met_at: float | None = None
        self._look(now)

    @property
    def stage(self) -> Stage:
        return self._live.stage

    @property
    def lost(self) -> frozenset[str]:
        return self._live.lost

    @property
    def heard(self) -> Mapping[NodeId, int]:
        """The newest version that each member has said it goes by (`removal`)."""
        return self._heard

    def forsake(self, live: Live, now: float) -> None:
        """Go on with *live*, in which more disks are lost (`transition.Forsake`)."""
        assert live.stage == self._live.stage, "another change"
        self._live, self._needs = live, tuple(_needs(live))
        self._progress = now
        self._look(now)

    def note(self, report: Report, now: float) -> None:
        """Take what a member says. What is of an earlier run or stage says nothing new."""
        node = report.disk.node
        self._heard[node] = max(report.stage.newest, self._heard.get(node, 0))
        before = self._reports.get(report.disk)
        if report.stage < self._live.stage or (before is not None and report.epoch < before.epoch):
            return
        if before is not None and report.epoch == before.epoch:
            report = report._replace(pulled=report.pulled | before.pulled)
        if report != before:
            self._reports[report.disk] = report
            self._progress = now
        self._look(now)

    def view(self, now: float) -> View:
        """How far it is, and who holds it up."""
        if self._met_at is not None:
            # Where no quorum changes, there are no leases of another one.
            wait_s = self._met_at + self._wait_s - now if self._needs else 0.0
            return View(Phase.READY, ()) if wait_s <= 0 else View(Phase.WAITING, (), wait_s)
        stalled = now - self._progress >= STALLED_AFTER_S
        found = dict.fromkeys(h for need in self._needs for h in self._hindrances(need))
        hindrances = tuple(found)
        return View(Phase.STALLED if stalled else Phase.PULLING, hindrances)

    def _look(self, now: float) -> None:
        if not all(self._met(need) for need in self._needs):
            self._met_at = None
        elif self._met_at is None:
            self._met_at = now

    def _met(self, need: _Need) -> bool:
        return sum(self._has_pulled(need, disk) for disk in need.readers) >= need.number

    def _has_pulled(self, need: _Need, disk: Disk) -> bool:
        return 2 * len(self._given(need, disk)) > len(need.givers)

    def _given(self, need: _Need, disk: Disk) -> Collection[Disk]:
        report = self._reports.get(disk)
        if report is None or not report.continuous:
            return ()
        return (report.pulled | {disk}) & need.givers

    def _hindrances(self, need: _Need) -> Iterator[Hindrance]:
        if self._met(need):
            return
        for disk in sorted(need.readers | need.givers):
            report = self._reports.get(disk)
            if report is None:
                at = self._heard.get(disk.node)
                why = "has not been heard" if at is None else f"goes by version {at}"
            elif disk not in need.readers or self._has_pulled(need, disk):
                continue
            elif not report.continuous:
                why = "has not got back what its disk lost"
            else:
                lacking = need.givers - set(self._given(need, disk))
                why = f"has not everything of {', '.join(sorted(d.node for d in lacking))}"
            yield Hindrance(need.region, disk.node, why)


def _needs(live: Live) -> Iterator[_Need]:
    remaining = live.staying
    for region in sorted({*live.oldest.regions, *live.newest.regions}):
        old = live.quorum_set(live.oldest, region)
        new = live.quorum_set(live.newest, region)
        if not old or live.oldest.quorum_set(region) == live.newest.quorum_set(region):
            # Nothing was acknowledged there; or a majority of the one is one of the other.
            continue
        if new:
            yield _Need(region, new, len(new) // 2 + 1, old)
        else:
            # Cut off as it may be, a region that is given up must not acknowledge any more.
            yield _Need(region, remaining, min(live.copies, len(remaining)), old)
    for disk in sorted(live.members - live.newest.disks):
        # An event may be on its disk and one other. That is enough while both are members, and so
        # it has to be when this one is none.
        member = live.oldest.member(disk.node)
        assert member is not None, "who leaves was there"
        number = min(live.copies, len(remaining))
        yield _Need(member.region, remaining, number, frozenset({disk}))
