"""
What would move if one layout took the place of another. Pure.

Rows come one by one, and nothing of them is kept but sums: a caller can give way to others in
between, however many there are. What is counted is what repair would copy if it worked through the
blobs one after the other: each copy is read from who has it in the same region, if anybody does, so
a blob crosses a long link once for each region (P8); among those from who has given least.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from cluster.layout.document import Layout, fingerprint
from cluster.layout.placement import Placement
from cluster.layout.rows import Row
from cluster.model import NodeId, Region


@dataclass(slots=True)
class Traffic:
    """Copies that one node gets and gives; sizes are bytes."""

    blobs_in: int = 0
    bytes_in: int = 0
    blobs_out: int = 0
    bytes_out: int = 0


class Plan(NamedTuple):
    """What a change of the layout moves; sizes are bytes."""

    version: int
    fingerprint: str
    """Of the layout that was planned: this and no other one is applied."""

    blobs: int
    """Those of which some copy has to be made."""

    copies: int
    bytes: int
    far_bytes: int
    """Those between regions."""

    owed: int
    """Copies that lack by the old layout already, and would be made without a change."""

    owed_bytes: int
    surplus: int
    """Copies that the new layout does not ask for. They stay until collection takes them."""

    surplus_bytes: int
    unreadable: int
    """Blobs that nobody has who answers."""

    nodes: Mapping[NodeId, Traffic]

    def seconds(self, bytes_per_s: float) -> float:
        """
        How long it takes at least, where each node gets and gives so much at once: as long as the
        one with the most needs.
        """
        most = max((max(t.bytes_in, t.bytes_out) for t in self.nodes.values()), default=0)
        return most / bytes_per_s


class Movement:
    """
    Adds up a plan. Who holds a blob and is not among *answering* (None: all are) has it, but cannot
    give it.
    """

    def __init__(
        self, old: Layout, new: Layout, answering: Collection[NodeId] | None = None
    ) -> None:
        self._new = new
        self._before, self._after = Placement(old), Placement(new)
        members = {m.node: m for m in (*old.members, *new.members)}
        self._region: dict[NodeId, Region] = {node: m.region for node, m in members.items()}
        self._giving = {n for n in members if answering is None or n in answering}
        self._staying = {m.node for m in new.stores()}
        self._nodes: dict[NodeId, Traffic] = {}
        self._blobs = self._copies = self._bytes = self._far_bytes = 0
        self._owed = self._owed_bytes = self._surplus = self._surplus_bytes = 0
        self._unreadable = 0

    def add(self, row: Row) -> None:
        """Count what happens to one blob."""
        holders = set(row.holders)
        before = self._before.targets(row.digest, holders)
        after = self._after.targets(row.digest, holders)
        owed = sum(node not in holders for node in before)
        self._owed += owed
        self._owed_bytes += owed * row.size
        surplus = len((holders & self._staying).difference(after))
        self._surplus += surplus
        self._surplus_bytes += surplus * row.size
        lacking = [node for node in after if node not in holders]
        if not lacking:
            return
        sources = [node for node in row.holders if node in self._giving]
        if not sources:
            self._unreadable += 1
            return
        self._blobs += 1
        for node in lacking:
            self._copy(node, sources, row.size)
            sources.append(node)

    def _copy(self, to: NodeId, sources: Collection[NodeId], size: int) -> None:
        region = self._region[to]
        near = [node for node in sources if self._region[node] == region]
        source = min(near or sources, key=lambda node: (self._traffic(node).bytes_out, node))
        given, got = self._traffic(source), self._traffic(to)
        given.blobs_out += 1
        given.bytes_out += size
        got.blobs_in += 1
        got.bytes_in += size
        self._copies += 1
        self._bytes += size
        if not near:
            self._far_bytes += size

    def _traffic(self, node: NodeId) -> Traffic:
        return self._nodes.setdefault(node, Traffic())

    def plan(self) -> Plan:
        """What was added up."""
        return Plan(
            self._new.version,
            fingerprint(self._new),
            self._blobs,
            self._copies,
            self._bytes,
            self._far_bytes,
            self._owed,
            self._owed_bytes,
            self._surplus,
            self._surplus_bytes,
            self._unreadable,
            {node: t for node, t in sorted(self._nodes.items()) if t.blobs_in or t.blobs_out},
        )


def plan(
    old: Layout, new: Layout, rows: Iterable[Row], answering: Collection[NodeId] | None = None
) -> Plan:
    """Add up all *rows* at once; they are read one by one."""
    movement = Movement(old, new, answering)
    for row in rows:
        movement.add(row)
    return movement.plan()
