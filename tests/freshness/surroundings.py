"""What `FreshnessDriver` needs around it, and nothing else of an engine."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

from cluster.driver.roll import Roll
from cluster.gossip.progress import Progress
from cluster.layout.transition import Live
from cluster.membership.members import Members
from cluster.messages import Stage
from cluster.model import Disk, Member, NodeId, Origin, Region, Vector


class Slots:
    """What one run has read of the decided slots: `layout.chronicle`, without their bytes."""

    def __init__(self, decided: Sequence[Live], read: int) -> None:
        self._decided = decided
        self.read = read

    @property
    def live(self) -> Live:
        return self._decided[self.read - 1]

    @property
    def stage(self) -> Stage:
        return self.live.stage

    def regions_of(self, node: NodeId) -> frozenset[Region]:
        return frozenset(
            store.region
            for live in self._decided[: self.read]
            for store in live.newest.stores()
            if store.node == node
        )

    def disks(self, stores: Iterable[str]) -> Iterator[Disk]:
        named = set(stores)
        yield from (disk for disk in self.live.members if disk.store in named)


class Silent:
    """Takes any call: logs, and the beats for which nobody waits here."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None


class Events:
    """The logs of one run, as the driver sees them."""

    def __init__(self, origin: Origin, durable: dict[Origin, int]) -> None:
        self.origin = origin
        self.durable = durable

    def vector(self) -> Vector:
        return self.durable


def surroundings(
    me: Member, config: Any, now_s: Callable[[], float], events: Events, slots: Slots
) -> Any:
    """In place of an `Environment`."""
    members = Members(me, 64)
    chronicle: Any = slots
    return SimpleNamespace(
        me=me,
        config=config,
        clock=SimpleNamespace(now_s=now_s),
        events=events,
        progress=Progress(),
        members=members,
        chronicle=chronicle,
        roll=Roll(me, chronicle, members),
        state=SimpleNamespace(allows=lambda act: True),
        counters=SimpleNamespace(laggards=0),
        changes=Silent(),
        log=Silent(),
    )
