"""
A small world in which layouts change while nodes write, read, lag and are cut off.

No messages on their way and no disks that forget, only what the layout is about: who has learnt
which slot, who confirmed what, which leases run. What must never be is raised as `Violation`.
Writers wait for the holders of leases that confirms name, as with majority leases. The steps are a
test's, or chance's (`layout_chance`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from cluster.layout import document
from cluster.layout.changes import Change, Circumstances
from cluster.layout.handover import DRIFT, Handover, Phase, Report
from cluster.layout.proposal import changed
from cluster.layout.rules import COPIES_MAX
from cluster.layout.transition import Begin, End, Forsake, Heed, Live
from cluster.model import Disk, NodeId, Region
from tests.fakes.layouts import layout

LEASE_S: Final = 1.0
LAGGARD_S: Final = 0.2

View = Callable[[Live, Disk], Live]


class Violation(Exception):
    """What must never be."""


class Confirm(NamedTuple):
    at: float
    readers: frozenset[Disk]
    """Who held a lease of the one that confirmed."""

    slots: int
    """How many were decided then, whoever has learnt them."""


@dataclass
class Pending:
    """A write on its way."""

    event: int
    confirms: dict[Disk, Confirm] = field(default_factory=dict)


@dataclass
class Node:
    disk: Disk
    region: Region
    slots: int
    """The last one that it has learnt."""

    events: set[int] = field(default_factory=set)
    granted: dict[Disk, float] = field(default_factory=dict)
    held: dict[Disk, float] = field(default_factory=dict)
    pulled: set[Disk] = field(default_factory=set)
    pending: Pending | None = None

    def leases(self, now: float) -> frozenset[Disk]:
        """Who may read by this node's word."""
        return frozenset(reader for reader, until in self.granted.items() if until > now)


class World:
    def __init__(self, first: str, view: View = lambda live, _: live) -> None:
        self.now = 0.0
        self.lives = [Live(layout(first))]
        """What is live after each slot."""

        self.nodes: dict[Disk, Node] = {}
        self.off: set[Disk] = set()
        """Who was switched off, by an operator's word."""

        self.acknowledged: dict[Region, set[int]] = {}
        self.handover: Handover | None = None
        self.events = self.ended = self.reads = 0
        self._view = view
        self._start_nodes()

    @property
    def live(self) -> Live:
        return self.lives[-1]

    def node(self, name: str) -> Node:
        """The latest of that name."""
        return [node for disk, node in self.nodes.items() if disk.node == name][-1]

    # What nodes do.

    def of(self, node: Node) -> Live:
        """What is live as far as *node* knows."""
        return self._view(self.lives[node.slots], node.disk)

    def takes_part(self, node: Node) -> bool:
        return node.disk in self.of(node).members

    def learn(self, node: Node, slots: int) -> None:
        """Take slots of the control log."""
        if slots <= node.slots:
            return
        if self.lives[slots].stage != self.lives[node.slots].stage:
            node.pulled.clear()
            node.held.clear()
            if node.pending is not None:
                node.pending.confirms = {node.disk: self._confirmed(node)}
        node.slots = slots

    def asked(self, asker: Node, other: Node) -> bool:
        """Whether *other* serves a request of *asker*; if not, one of them has learnt."""
        match self.of(other).heed(self.of(asker).stage):
            case Heed.SERVE:
                return True
            case Heed.LEARN:
                self.learn(other, asker.slots)
                return self.of(other).stage == self.of(asker).stage
            case Heed.REFUSE:
                self.learn(asker, other.slots)
                return False

    def write(self, node: Node) -> None:
        if node.pending is None and self.takes_part(node):
            self.events += 1
            node.events.add(self.events)
            node.pending = Pending(self.events, {node.disk: self._confirmed(node)})

    def confirm(self, writer: Node, other: Node) -> None:
        """*other* gets the event that *writer* has on its way, and says so."""
        pending = writer.pending
        if pending is not None and (other is writer or self.asked(writer, other)):
            other.events.add(pending.event)
            pending.confirms[other.disk] = self._confirmed(other)

    def _confirmed(self, node: Node) -> Confirm:
        return Confirm(self.now, node.leases(self.now), len(self.lives))

    def acknowledge(self, node: Node) -> None:
        """Tell the client, if it may be told."""
        pending, live = node.pending, self.of(node)
        if pending is None or not self.takes_part(node):
            return
        confirms = pending.confirms
        if not live.suffice(node.region, confirms.keys()):
            return
        over = (LEASE_S + LAGGARD_S) * DRIFT
        for confirm in confirms.values():
            lacking = (r for r in confirm.readers if pending.event not in self.nodes[r].events)
            if self.now < confirm.at + over and any(lacking):
                return
        node.pending = None
        self._check_stage(node, confirms)
        # Else it counts on somebody who was switched off meanwhile: see `_excuse`.
        if live.suffice(node.region, confirms.keys() - self.off):
            self._check_known(node.region, pending.event)
            self.acknowledged.setdefault(node.region, set()).add(pending.event)

    def pull(self, reader: Node, giver: Node) -> None:
        """*reader* gets all that *giver* has, and reports it."""
        if not self.asked(reader, giver):
            return
        reader.events |= giver.events
        reader.pulled.add(giver.disk)
        if self.handover is not None:
            report = Report(reader.disk, 1, self.of(reader).stage, frozenset(reader.pulled))
            self.handover.note(report, self.now)

    def grant(self, reader: Node, granter: Node) -> None:
        """A lease, if *reader* has all that *granter* has."""
        if self.asked(reader, granter) and reader.events >= granter.events:
            granter.granted[reader.disk] = self.now + LEASE_S * DRIFT
            reader.held[granter.disk] = self.now + LEASE_S

    def read(self, node: Node) -> bool:
        """Answer from the own index, if leases allow it."""
        running = {granter for granter, until in node.held.items() if until > self.now}
        if not self.takes_part(node) or not self.of(node).covers(node.region, node.disk, running):
            return False
        self.reads += 1
        if lacking := self.acknowledged.get(node.region, set()) - node.events:
            raise Violation(f"{node.disk.store} reads without {sorted(lacking)}")
        return True

    # What operators and the control log do.

    def begin(self, *changes: Change) -> None:
        # Who was forsaken is removed by the next change, or stays away.
        lost = frozenset(NodeId(disk.node) for disk in self.off)
        known = Circumstances(lost=lost)
        new = changed(self.live.newest, *changes, circumstances=known)
        self.lives.append(self.live.after(Begin(document.encode(new))))
        self._start_nodes()
        self.handover = Handover(self.live, LEASE_S, LAGGARD_S, self.now)

    def forsake(self, lost: Disk) -> None:
        """Somebody is switched off while a change goes on, and an operator says so."""
        assert self.handover is not None
        self.lives.append(self.live.after(Forsake(self.live.newest.version, (lost.store,))))
        self.off.add(lost)
        self.handover.forsake(self.live, self.now)
        self._excuse()
        self._forget_empty_regions()

    def end(self) -> bool:
        """Let the old version end, if it may."""
        if self.handover is None or self.handover.view(self.now).phase is not Phase.READY:
            return False
        self.handover = None
        self.lives.append(self.live.after(End(self.live.newest.version)))
        self.ended += 1
        self._check_ended()
        self._forget_empty_regions()
        return True

    def _start_nodes(self) -> None:
        for made in self.live.newest.members:
            if made.disk not in self.nodes:
                self.nodes[made.disk] = Node(made.disk, made.region, len(self.lives) - 1)

    def _forget_empty_regions(self) -> None:
        """
        Where nobody is left, all of them lost or removed, whoever comes has never heard of what the
        region acknowledged. It joins as any new disk does, by asking everybody; not told here.
        """
        for region in list(self.acknowledged):
            if not any(self.live.quorums.get(region, ())):
                del self.acknowledged[region]

    def _excuse(self) -> None:
        """What was acknowledged and had its majority, or second copy, with who is lost."""
        for region, events in self.acknowledged.items():
            for event in list(events):
                having = {d for d, n in self.nodes.items() if event in n.events} - self.off
                if not self.live.suffice(region, having):
                    events.discard(event)

    # What must never be.

    def _check_stage(self, node: Node, confirms: Mapping[Disk, Confirm]) -> None:
        """
        Who acknowledges by an early version has a majority that confirmed while it was live, or
        does as the versions since would (I4). The answers may have come late.
        """
        its = self.lives[node.slots].newest.version
        versions = {live.newest.version: live.newest for live in self.lives}
        early = set()
        for disk, confirm in confirms.items():
            decided = self.lives[confirm.slots - 1].oldest.version
            since = {versions[v].quorum_set(node.region) for v in range(its, decided + 1)}
            if len(since) < 2:
                early.add(disk)
        if not self.of(node).majority(node.region, early):
            late = sorted(disk.store for disk in confirms.keys() - early)
            raise Violation(f"{node.disk.store} acknowledges in version {its}, late are {late}")

    def _check_ended(self) -> None:
        # Where there were fewer, nobody has brought it to those who came.
        before = self.lives[-2].members & self.lives[-2].oldest.indexes
        for region, events in self.acknowledged.items():
            for event in events:
                self._check_known(region, event, len(before))

    def _check_known(self, region: Region, event: int, most: int = COPIES_MAX) -> None:
        """What was acknowledged is where the live versions look for it (I2), and safe."""
        members = self.live.members
        having = {disk for disk in members if event in self.nodes[disk].events}
        if self.live.majority(region, members - having):
            raise Violation(f"event {event} is unknown to a majority of {region}")
        if len(having) < min(self.live.copies, len(members), most):
            raise Violation(f"event {event} is on {len(having)} disks")
