"""Judges acknowledgements by the layout: by which version they were given, and who had it."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cluster.layout.document import Availability, DegradedWrites, Layout
from cluster.layout.transition import Live
from cluster.model import Consistency, Region
from node.index import keys
from tests.sim.disk import Disk, synced_on
from tests.sim.history import Op

if TYPE_CHECKING:
    from tests.sim.world import World

_STORE = keys.join("store")


def store_of(disk: Disk) -> str | None:
    """The name of the disk; None while no node has begun on it."""
    row = disk.families["meta"].get(_STORE)
    return None if row is None else row.decode()


class Quorums:
    """
    Judges by the documents alone, and by what is on the disks: what the engine counts, and how,
    may be the bug.
    """

    def __init__(self, world: "World") -> None:
        self._world = world
        self._latest: dict[str, Live] = {}
        """The latest layout by which something was acknowledged, by region."""

        self._ended: set[tuple[str, int]] = set()
        """Regions, and versions by which alone something was acknowledged there."""

    def judge(self, op: Op, having: Iterable[Disk]) -> None:
        """At an acknowledgement: *having* are the disks that have the write."""
        live = op.live
        if live is None or op.consistency is Consistency.LOCAL:
            return
        found = [self._overtaken(op, live), *_lacking(op, live, set(map(store_of, having)))]
        self._world.observer.violations += [text for text in found if text is not None]
        if not live.stage.joint and (op.region, live.stage.newest) not in self._ended:
            self._ended.add((op.region, live.stage.newest))
            self._world.observer.violations += self._left_behind(op, live)

    def _overtaken(self, op: Op, live: Live) -> str | None:
        """
        By a version that is followed by two nothing is acknowledged: its majorities and those of
        the last one need not meet.
        """
        latest = self._latest.setdefault(op.region, live)
        ours, theirs = live.newest.version, latest.oldest.version
        if ours >= theirs:
            if live.stage > latest.stage:
                self._latest[op.region] = live
        elif {_quorum(live.newest, live, op)} != {_quorum(v, latest, op) for v in latest.layouts}:
            return f"layout: {op} by version {ours}, after one by version {theirs}"
        return None

    def _left_behind(self, op: Op, live: Live) -> Iterable[str]:
        """What was acknowledged before a version was live alone is at a majority by then."""
        world, quorum = self._world, _quorum(live.newest, live, op)
        if any(machine.lost_disks for machine in world.everyone()) or _is_small(live):
            return  # What a disk had that is no more, the others need not have.
        for each in world.clients.history:
            dot, region = each.dot, (each.region, each.outcome)
            if dot is None or region != (op.region, "ok") or each.consistency is Consistency.LOCAL:
                continue
            # A copy of a machine that runs in its place confirms by its name.
            having = {store_of(m.disk) for m in world.everyone() if synced_on(m.disk, dot)}
            if 2 * len(quorum & having) <= len(quorum):
                yield f"layout: version {live.newest.version} began without {each}"


def _is_small(live: Live) -> bool:
    """Whether the survivors of so small a cluster go on (decision 17)."""
    settings = live.newest.settings
    small = len(live.newest.stores()) <= max(v.settings.copies for v in live.layouts)
    return small and settings.degraded_writes is not DegradedWrites.REFUSE


def _lacking(op: Op, live: Live, having: set[str | None]) -> Iterable[str]:
    """Each version that is live has a majority that has it."""
    if _is_small(live):
        return
    for layout in live.layouts:
        quorum = _quorum(layout, live, op)
        if not quorum and layout is live.oldest:
            continue  # A region that is new.
        if 2 * len(quorum & having) <= len(quorum):
            yield f"layout: no majority of version {layout.version} has {op}"


def _quorum(layout: Layout, live: Live, op: Op) -> frozenset[str]:
    """Disks that the region has by that version, without those that are switched off for good."""
    disks = layout.quorum_set(Region(op.region))
    return frozenset(disk.store for disk in disks) - live.lost


def taking(live: Live) -> set[str]:
    """Names of the nodes that may get copies that they do not have."""
    active = {m.node for m in live.newest.stores() if m.availability is Availability.ACTIVE}
    return active & keeping(live)


def keeping(live: Live) -> set[str]:
    """Names of the nodes whose copies of blobs count."""
    stores = (m for m in live.newest.stores() if m.store not in live.lost)
    return {m.node for m in stores if m.availability is not Availability.DRAINING}
