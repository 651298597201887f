"""A seed's plan: how large the world is, what its clients do, and what goes wrong."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from typing import Final

from cluster.layout.transition import Live
from cluster.model import NodeId, Vector
from tests.control.loop import Loop
from tests.freshness.layouts import layout
from tests.freshness.machine import Machine
from tests.freshness.oracles import Violation
from tests.freshness.world import World

FAULTS_S: Final = 12.0
CALM_S: Final = 10.0


@dataclass
class Result:
    seed: int
    size: str
    violation: str | None = None
    counts: Counter[str] = field(default_factory=Counter)


SIZES: Final = {
    "1": ({"eu": ["a"]}, 1, {}),
    "2+w": ({"eu": ["a", "b"], "us": ["w"]}, 2, {}),
    "2+2": ({"eu": ["a", "b"], "us": ["v", "w"]}, 2, {}),
    "3": ({"eu": ["a", "b", "c"]}, 2, {}),
    "5": ({"eu": ["a", "b", "c", "d", "e"]}, 2, {}),
    "3 changing": ({"eu": ["a", "b", "c"]}, 2, {"d": "eu", "e": "eu"}),
    "2+w changing": ({"eu": ["a", "b"], "us": ["w"]}, 2, {"c": "eu", "v": "us"}),
}
WEIGHTS: Final = {
    "1": 1, "2+w": 4, "2+2": 2, "3": 6, "5": 3, "3 changing": 3, "2+w changing": 2,
}  # fmt: skip


class Plan:
    def __init__(self, seed: int, size: str | None = None) -> None:
        loop = Loop(seed)
        self.random = loop.random
        if size is None:
            size = self.random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        self.size = size
        regions, copies, spare = SIZES[size]
        self.sets_back = size != "1" and self.random.random() < 0.35
        # Who is not reached is passed over: a disk that was set back needs all of them.
        trust_s = 1000.0 if self.sets_back else 1.5
        self.world = World(loop, regions, copies, spare, trust_s)
        self.write_s = self.random.choice([0.03, 0.1, 0.1, 0.4])
        self.read_s = 0.05
        self.fault_s = self.random.choice([0.3, 0.7, 1.5])
        self.regions = {region: list(nodes) for region, nodes in regions.items()}
        self.spare = dict(spare)
        self.is_calm = False
        self.end = FAULTS_S
        self.result = Result(seed, size)

    def run(self) -> Result:
        world = self.world
        try:
            self._begin()
            world.loop.run_until(FAULTS_S)
            if self.result.seed % 4 == 0:
                self._calm()
        except Violation as exc:
            self.result.violation = f"{type(exc).__name__}: {exc}"
        self.result.counts = world.counts
        world.counts["steps"] += world.loop.steps
        return self.result

    def _begin(self) -> None:
        world = self.world
        world.slow = self.random.choice([0.0, 0.02, 0.1])
        world.late = self.random.choice([0.0, 0.0, 0.005])
        world.loss = self.random.choice([0.0, 0.01, 0.05])
        world.duplication = self.random.choice([0.0, 0.02])
        world.repair_s = self.random.choice([0.5, 2.0, 5.0])
        for machine in world.machines.values():
            machine.sync_s = self.random.choice([0.001, 0.005, 0.02])
            machine.keep_image()
            machine.start()
            self._write(machine)
            self._read(machine)
        world.loop.after(2.0, self._fault)
        if "changing" in self.size:
            world.loop.after(self.random.uniform(2.5, 4), self._change)
        if self.sets_back:
            world.loop.after(self.random.uniform(2.5, 5), self._set_back)

    def _write(self, machine: Machine) -> None:
        if machine.process is not None and machine.is_awake:
            machine.process.write()
        delay = self.random.expovariate(1 / self.write_s)
        self.world.loop.after(delay, self._write, machine)

    def _read(self, machine: Machine) -> None:
        if machine.process is not None and machine.is_awake:
            machine.process.read()
        self.world.loop.after(self.random.expovariate(1 / self.read_s), self._read, machine)

    # What goes wrong.

    def _fault(self) -> None:
        if self.is_calm:
            return
        faults: list[Callable[[], None]] = [
            self._cut_pair, self._cut_pair, self._cut_one_way, self._isolate, self._freeze,
            self._freeze, self._restart, self._restart, self._weather, self._slow_disk,
            self._power,
        ]  # fmt: skip
        self.random.choice(faults)()
        self.world.loop.after(self.random.expovariate(1 / self.fault_s), self._fault)

    def _any(self) -> Machine:
        return self.random.choice(list(self.world.machines.values()))

    def _cut(self, pairs: set[tuple[str, str]], seconds: float) -> None:
        cuts = self.world.cuts
        cuts.update(pairs)
        self.world.loop.after(seconds, cuts.subtract, pairs)

    def _cut_pair(self) -> None:
        one, other = self._any().node, self._any().node
        self._cut({(one, other), (other, one)}, self.random.uniform(0.2, 4))

    def _cut_one_way(self) -> None:
        self._cut({(self._any().node, self._any().node)}, self.random.uniform(0.2, 3))

    def _isolate(self) -> None:
        """Cut some off from all others."""
        world = self.world
        machines = list(world.machines.values())
        count = self.random.choice([1, 1, 2])
        inside = frozenset(m.node for m in self.random.sample(machines, min(count, len(machines))))
        outside = world.machines.keys() - inside
        pairs = {*product(inside, outside), *product(outside, inside)}
        seconds = self.random.uniform(0.5, 5)
        quorums = [q for live in world.decided for found in live.quorums.values() for q in found]
        nodes = [{disk.node for disk in quorum} for quorum in quorums]
        if outside and all(2 * len(inside & each) <= len(each) for each in nodes):
            # Cuts stop on arrival what is under way.
            minority = (inside, world.now)
            world.minorities.append(minority)
            world.loop.after(seconds, self._join_again, minority)
        self._cut(pairs, seconds)

    def _join_again(self, minority: tuple[frozenset[str], float]) -> None:
        if minority in self.world.minorities:
            self.world.minorities.remove(minority)

    def _freeze(self) -> None:
        machine = self._any()
        seconds = self.random.choice([0.1, 0.5, 1.0, 3.0]) * self.random.uniform(0.5, 1.2)
        machine.frozen_until = max(machine.frozen_until, self.world.now + seconds)

    def _restart(self) -> None:
        self._stop(self._any(), self.random.choice([0.0, 0.05, 0.3, 2.0]))

    def _power(self) -> None:
        if self.random.random() < 0.2:
            for machine in list(self.world.machines.values()):
                self._stop(machine, self.random.uniform(0.0, 0.3))

    def _stop(self, machine: Machine, seconds: float) -> None:
        # Who knows what a disk said, and has not been asked yet, must not forget it.
        if any(each.is_set_back for each in self.world.machines.values()):
            return
        machine.kill()
        self.world.count("restarts")
        self.world.loop.after(seconds * self.random.uniform(0.5, 1.5), machine.start)

    def _weather(self) -> None:
        world, before = self.world, (self.world.loss, self.world.slow)
        world.loss, world.slow = self.random.choice([(0.3, 0.1), (0.02, 0.6), (0.1, 0.3)])

        def over() -> None:
            if not self.is_calm:
                world.loss, world.slow = before

        world.loop.after(self.random.uniform(0.3, 2), over)

    def _slow_disk(self) -> None:
        machine = self._any()
        before, machine.sync_s = machine.sync_s, self.random.choice([0.1, 0.3])

        def over() -> None:
            machine.sync_s = min(before, 0.02)

        self.world.loop.after(self.random.uniform(0.5, 3), over)

    # Disks that are set back.

    def _set_back(self) -> None:
        if self.is_calm:
            return
        machine = self._any()
        if self._may_set_back(machine):
            images = [i for i in machine.images[-6:] if self._is_known(machine, *i)]
            if images:
                machine.kill()
                machine.set_back(self.random.choice(images))
                self.world.count("set back")
                self.world.loop.after(self.random.uniform(0.01, 0.5), machine.start)
        self.world.loop.after(self.random.uniform(0.5, 3), self._set_back)

    def _may_set_back(self, machine: Machine) -> bool:
        """Whether a minority of each quorum would have forgotten something."""
        world = self.world
        others = list(world.others(machine))
        if machine.process is None or not all(other.is_up for other in others):
            return False
        forgetful = {m.disk for m in world.machines.values() if m.is_set_back} | {machine.disk}
        quorums = [q for live in world.decided for found in live.quorums.values() for q in found]
        return all(2 * len(forgetful & quorum) < len(quorum) for quorum in quorums)

    def _is_known(self, machine: Machine, image: Vector, slots: int) -> bool:
        """Whether somebody who runs heard the disk confirm what it would forget."""
        world, disk = self.world, machine.disk
        said = world.oracles.said[disk]
        lost = {o: seq for o, seq in said.items() if seq > image.get(o, 0)}
        lost |= {
            o: seq
            for o, seq in machine.durable.items()
            if o.node == machine.node and seq > image.get(o, 0)
        }
        if slots < machine.slots:
            return False
        heard: list[Vector] = []
        for other in world.others(machine):
            process = other.process
            assert process is not None
            member = process.env.members.get(machine.node)
            if member is not None and machine.process is not None:
                if member.epoch == machine.process.me.epoch:
                    heard.append(process.env.progress.of(machine.node))
                heard.append(process.driver.earlier(machine.process.me))
        return all(
            any(h.get(o, 0) > image.get(o, 0) for h in heard) or o.node == machine.node
            for o in lost
        )

    # Layouts that change.

    def _change(self) -> None:
        """Add, remove or swap members, once the change before is over."""
        world = self.world
        if self.is_calm:
            return
        live = world.decided[-1]
        if not live.stage.joint:
            regions = {region: list(nodes) for region, nodes in self.regions.items()}
            for _ in range(self.random.choice([1, 1, 2])):
                self._move(regions)
            if regions != self.regions:
                self.regions = regions
                new = layout(live.newest.version + 1, regions, world.copies)
                world.decided.append(Live(new, live.newest))
                world.count("layout changes")
                first = self._any()
                if first.process is not None:
                    first.process.learn(len(world.decided))
        world.loop.after(self.random.uniform(1, 4), self._change)

    def _move(self, regions: dict[str, list[str]]) -> None:
        placed = {node for nodes in regions.values() for node in nodes}
        out = {m.node: m.region for m in self.world.machines.values() if m.node not in placed}
        if out and self.random.random() < 0.5:
            node = self.random.choice(sorted(out))
            regions[out[node]] = sorted([*regions[out[node]], node])
            return
        region = self.random.choice(sorted(regions))
        if len(regions[region]) > (2 if region == "eu" else 1):
            regions[region].remove(self.random.choice(regions[region]))

    # The end.

    def _calm(self) -> None:
        """With all faults over, reads ask nobody and writes are acknowledged."""
        world = self.world
        self.is_calm = True
        world.loss = world.slow = world.late = world.duplication = 0.0
        world.cuts = Counter()
        world.minorities.clear()
        for machine in world.machines.values():
            machine.frozen_until = 0.0
            machine.sync_s = 0.001
            machine.start()
            if machine.process is not None:
                machine.process.learn(len(world.decided))
        world.loop.run_until(world.now + CALM_S)
        uncovered: Counter[NodeId] = Counter()
        live = world.decided[-1]
        stores = [world.machines[store.node] for store in live.newest.stores()]
        for _ in range(40):
            world.loop.run_until(world.now + 0.05)
            for machine in stores:
                assert machine.process is not None
                if machine.process.slots.read == len(world.decided):
                    uncovered[machine.node] += not machine.process.driver.is_covered()
                else:
                    uncovered[machine.node] += 1
        for machine in stores:
            if uncovered[machine.node] > 8:
                raise Violation(f"I5: {machine.node} asks in {uncovered[machine.node]} of 40")
            last = world.oracles.last_ack.get(machine.node, 0.0)
            if last < world.now - 3.0:
                raise Violation(f"I5: {machine.node} acknowledges nothing since {last:.1f}")
        world.count("calm ends")


def run(seed: int, size: str | None = None) -> Result:
    return Plan(seed, size).run()
