"""What has to hold in every run, whatever the faults."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Set
from typing import TYPE_CHECKING

from cluster.model import Disk, Origin, Region, Vector

if TYPE_CHECKING:
    from tests.freshness.machine import Machine
    from tests.freshness.process import Process
    from tests.freshness.world import World


class Violation(Exception):
    pass


Mutable = dict[Origin, int]


class Oracles:
    """Sees all disks and all answers at once. Uses none of the rules."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.counts: Counter[str] = Counter()
        self._acked: defaultdict[Region, Mutable] = defaultdict(dict)
        self._confirmed_by: defaultdict[tuple[Region, Disk], Mutable] = defaultdict(dict)
        self.ever: defaultdict[Disk, Mutable] = defaultdict(dict)
        """All that each disk ever had."""

        self.said: defaultdict[Disk, Mutable] = defaultdict(dict)
        """What somebody was told that a disk has, as a confirmation."""

        self.last_ack: dict[str, float] = {}

    def acked(self, region: Region) -> Vector:
        return self._acked[region]

    def synced(self, machine: "Machine") -> None:
        _merge(self.ever[machine.disk], machine.durable)

    def told(self, disk: Disk, origin: Origin, upto: int) -> None:
        _merge(self.said[disk], {origin: upto})

    def acknowledged(
        self, writer: "Process", seq: int, confirmed: Set[Disk], written_at: float
    ) -> None:
        region, origin = writer.me.region, writer.origin
        event = {origin: seq}
        self.counts["acknowledgements"] += 1
        self.last_ack[origin.node] = self.world.now
        for quorum in writer.slots.live.quorums[region]:
            having = [disk for disk in quorum if self.ever[disk].get(origin, 0) >= seq]
            if 2 * len(having) <= len(quorum):
                self.fail("I2", f"{origin}/{seq} was acknowledged by {sorted(having)}")
        for names, since in self.world.minorities:
            if writer.me.node in names and written_at > since:
                self.fail("I6", f"{writer.me.node}, cut off, acknowledged {origin}/{seq}")
        _merge(self._acked[region], event)
        for disk in confirmed:
            _merge(self._confirmed_by[region, disk], event)
        for machine in self.world.machines.values():
            if machine.region == region and machine.process is not None:
                self._leases_are_good(machine.process, confirmed, event)

    def _leases_are_good(self, reader: "Process", granters: Set[Disk], wanted: Vector) -> None:
        lacking = reader.driver._machine.lacking_leases(reader.now())
        running = reader.driver.quorum() - lacking - {reader.machine.disk}
        if running & granters and not _covers(reader.events.vector(), wanted):
            self.fail("I3", f"{reader.me.node} has leases of {sorted(running & granters)}, lacks "
                       f"{_lacking(reader.events.vector(), wanted)}")  # fmt: skip

    def leased(self, reader: "Process", granter: Disk) -> None:
        wanted = self._confirmed_by[reader.me.region, granter]
        self._leases_are_good(reader, {granter}, wanted)

    def read(self, reader: "Process", wanted: Vector, how: str) -> None:
        self.counts[f"reads by {how}"] += 1
        if not _covers(reader.events.vector(), wanted):
            lacking = _lacking(reader.events.vector(), wanted)
            self.fail("I1", f"{reader.me.node} reads by {how} and lacks {lacking}")

    def fail(self, which: str, what: str) -> None:
        raise Violation(f"{which} at {self.world.now:.3f}: {what}")


def _merge(into: Mutable, more: Vector) -> None:
    for origin, seq in more.items():
        into[origin] = max(seq, into.get(origin, 0))


def _covers(have: Vector, wanted: Vector) -> bool:
    """By nobody's code but this."""
    return not any(seq > have.get(origin, 0) for origin, seq in wanted.items())


def _lacking(have: Vector, wanted: Vector) -> Mapping[str, tuple[int, int]]:
    return {
        f"{o.node}/{o.epoch}": (have.get(o, 0), s) for o, s in wanted.items() if s > have.get(o, 0)
    }
