"""A seed decides what happens in a `World`, and when. Who is not chosen for long is slow."""

import random
from collections.abc import Callable, Iterator
from typing import Final

from cluster.errors import LayoutInvalid, LayoutRefused
from cluster.layout.changes import (
    Add,
    Change,
    NameWitness,
    Remove,
    Replace,
    SetVoters,
    SetWeight,
)
from cluster.layout.document import Layout
from cluster.layout.rules import choose_voters, witness_candidates
from cluster.model import Disk, Region
from tests.fakes.layout_world import Node, View, World
from tests.fakes.layouts import member, safe

FIRST: Final = "eu: a b c, us: x y, ap: p"
KINDS: Final = (
    "add", "remove", "remove two", "replace", "replace all", "disk", "weight", "witness",
)  # fmt: skip


class Chance:
    def __init__(self, seed: int, view: View = lambda live, _: live) -> None:
        self.rng = random.Random(seed)
        self.world = World(FIRST, view)
        self.cut: set[Disk] = set()
        """These reach only each other."""

    def run(self, steps: int) -> World:
        world = self.world
        actions: list[tuple[Callable[[], object], float]] = [
            (lambda: world.write(self._one()), 6),
            (lambda: self._two(world.confirm, self._writer()), 14),
            (self._acknowledge, 8),
            (lambda: self._two(world.pull), 20),
            (lambda: self._two(world.grant), 14),
            (lambda: world.read(self._one()), 10),
            (lambda: world.learn(self._one(), self.rng.randrange(len(world.lives))), 3),
            (self._begin, 1),
            (world.end, 3),
            (self._forsake, 0.1),
            (self._cut_off, 0.4),
        ]
        paces = self.rng.choice([(0.0, 0.01), (0.0, 0.01, 0.05, 0.2)])
        for action in self.rng.choices(*zip(*actions, strict=True), k=steps):
            world.now += self.rng.choice(paces)
            action()
        return world

    def _one(self) -> Node:
        return self.rng.choice([n for d, n in self.world.nodes.items() if d not in self.world.off])

    def _writer(self) -> Node:
        writers = [n for n in self.world.nodes.values() if n.pending is not None]
        return self.rng.choice(
            [n for n in writers if n.disk not in self.world.off] or [self._one()]
        )

    def _two(self, request: Callable[[Node, Node], None], one: Node | None = None) -> None:
        """A request between two that reach each other."""
        one, other = one or self._one(), self._one()
        if one is not other and (one.disk in self.cut) is (other.disk in self.cut):
            request(one, other)

    def _acknowledge(self) -> None:
        for disk, node in self.world.nodes.items():
            if disk not in self.world.off:
                self.world.acknowledge(node)

    def _cut_off(self) -> None:
        disks = [d for d in self.world.nodes if d not in self.world.off]
        self.cut = set(self.rng.sample(disks, self.rng.choice([0, 0, 1, len(disks) // 2])))

    def _begin(self) -> None:
        try:
            self.world.begin(*self._changes(self.world.live.newest))
        except (LayoutRefused, LayoutInvalid):
            return

    def _changes(self, now: Layout) -> Iterator[Change]:
        region, number = self.rng.choice(["eu", "us", "ap"]), len(self.world.lives)
        here = [m for m in now.members if m.region == region]
        left = {m.node: m for m in now.members}
        kind = self.rng.choice(KINDS)
        going = {"remove": 1, "remove two": 2, "replace": 1, "replace all": len(here)}.get(kind, 0)
        for count, gone in enumerate(self.rng.sample(here, min(going, len(here)))):
            del left[gone.node]
            if kind.startswith("remove"):
                yield Remove(gone.node, safe(now, gone.node))
                continue
            new = member(f"{region}-{number}-{count}", region)
            left[new.node] = new
            yield Replace(gone.node, new, safe(now, gone.node))
        match kind:
            case "add":
                new = member(f"{region}-{number}", region)
                left[new.node] = new
                yield Add(new)
            case "disk" if here:
                gone = self.rng.choice(here)
                left[gone.node] = member(gone.node, region, disk=number + 1)
                yield Replace(gone.node, left[gone.node], safe(now, gone.node))
            case "weight" if here:
                yield SetWeight(self.rng.choice(here).node, self.rng.randrange(1, 200))
            case "witness" if candidates := witness_candidates(now, Region(region)):
                yield NameWitness(Region(region), self.rng.choice(candidates))
        yield SetVoters(frozenset(choose_voters(left.values())))

    def _forsake(self) -> None:
        """One of those who hold a change up."""
        world = self.world
        if world.handover is None or len(world.off) > 2:
            return
        hindering = {h.node for h in world.handover.view(world.now).hindrances}
        disks = sorted(d for d in world.live.members if d.node in hindering)
        stores = {m.disk for m in world.live.newest.stores()}
        for lost in self.rng.sample(disks, len(disks)):
            region = world.nodes[lost].region
            staying = stores - world.off - {lost}
            if sum(world.nodes[d].region == region for d in staying) >= 1:
                world.forsake(lost)
                return
