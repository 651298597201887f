"""What a seed does to its world: clients all the time, and faults until they end."""

from dataclasses import dataclass, field

from cluster.control.log import Forked
from cluster.control.messages import Accepted, Letter, Promise
from tests.control.loop import Loop
from tests.control.machine import Machine
from tests.control.oracles import Violation
from tests.control.world import FAULTS_END_S, World


@dataclass(slots=True)
class Result:
    seed: int
    violation: str | None = None
    counts: dict[str, int] = field(default_factory=dict)

    def count(self, what: str, times: int = 1) -> None:
        self.counts[what] = self.counts.get(what, 0) + times


class Plan:
    def __init__(self, seed: int) -> None:
        loop = Loop(seed)
        self.random = loop.random
        size = self.random.choice([1, 2, 3, 3, 3, 4, 5, 5, 6])
        founders = self.random.choice([size, size, min(size, 3), 1])
        self.world = World(loop, size, founders)
        self.result = Result(seed)
        self.disaster = self.random.random() < 0.12
        self.pace_s = self.random.choice([0.1, 0.2, 0.4, 0.8])
        self.duels = self.random.random() < 0.5
        """Whether clients of several nodes want something at once, all the time."""

        self.voters_change = self.random.choice([0.05, 0.2, 0.5])
        """How many of the proposals change the voters."""

        self.forgetful = self.random.random() < 0.4
        """Whether disks are set back all the time."""

        self.fault_every_s = self.random.choice([0.3, 0.6, 1.2, 3.0])

    def run(self) -> Result:
        world = self.world
        try:
            world.said = self._said
            for machine in world.machines:
                world.loop.after(self.random.uniform(0, 1), machine.start)
            world.loop.after(0.5, self._client)
            world.loop.after(self.random.choice([0.5, 5.0, 5.0, 5.0]), self._fault)
            if self.disaster:
                world.loop.after(self.random.uniform(8, 14), self._lose_majority)
            world.loop.run_until(FAULTS_END_S)
            world.heal()
            live = self._live()
            world.oracles.at_the_end(world.machines, live=live)
        except (Violation, Forked) as exc:
            self.result.violation = f"{type(exc).__name__}: {exc}"
        self._tell()
        return self.result

    def _live(self) -> bool:
        """Check that all goes on, if something can."""
        world = self.world
        world.loop.run_until(world.loop.now + 10)
        world.check_generations()
        live = len(world.generations()) == 1 and world.can_do_without(None)
        if live:
            world.check_open_slots()
            world.check_liveness()
            self.result.count("live at the end")
        return live

    def _tell(self) -> None:
        world, result = self.world, self.result
        result.count("virtual seconds", int(world.loop.now))
        result.count("steps", world.loop.steps)
        result.count("slots decided", len(world.oracles.decided))
        result.count("generations", len({place[0] for place in world.oracles.decided}))
        for proposal in world.oracles.proposals.values():
            result.count(f"told: {type(proposal.outcome).__name__}")

    def _any(self) -> Machine | None:
        up = [machine for machine in self.world.machines if machine.is_up]
        return self.random.choice(up) if up else None

    def _client(self) -> None:
        world = self.world
        if world.loop.now > FAULTS_END_S:
            return
        world.loop.after(self.random.expovariate(1 / self.pace_s), self._client)
        machine = self._any()
        if machine is None:
            return
        for _ in range(self.random.choice([2, 3]) if self.duels else 1):
            self._ask(self._any())

    def _ask(self, machine: Machine) -> None:
        world, chance = self.world, self.random.random()
        node = machine.participant
        if node is None or (chance < 0.9 and (node.is_busy or not node.generation)):
            return
        chance = self.random.random()
        if chance < 0.08:
            world.read(machine)
        elif self.random.random() < self.voters_change:
            if (commands := world.voters(machine)) is not None:
                world.propose(machine, commands)
        elif chance < 0.18:
            world.propose(machine, world.layout(machine))
        elif chance < 0.25:
            last = machine.participant.log.last
            world.propose(
                machine, world.settings(), slot=max(1, last + self.random.choice([-1, 0, 2]))
            )
        else:
            world.propose(machine, world.settings())

    def _fault(self) -> None:
        world = self.world
        if world.loop.now > FAULTS_END_S:
            return
        world.loop.after(self.random.expovariate(1 / self.fault_every_s), self._fault)
        faults = [
            self._crash, self._crash, self._power_cut, self._weather, self._weather, self._halves,
            self._isolate, self._pair, self._wipe, self._set_back, self._slow_disk,
            self._decommission,
        ]  # fmt: skip
        fault = self.random.choice(faults)
        if self.forgetful and self.random.random() < 0.5:
            fault = self._set_back
        if self._may_fault():
            self.result.count(f"fault: {fault.__name__[1:].replace('_', ' ')}")
            fault()

    def _may_fault(self) -> bool:
        """A lone founder that was wiped has to hear of its cluster, or it may found another one."""
        return not any(
            machine.initial == (machine.name,)
            and not machine.disk.slots
            and machine.disk.store[-1] != "1"
            for machine in self.world.machines
        )

    def _down(self, machine: Machine) -> None:
        self.world.loop.after(self.random.choice([0.0, 0.1, 1.0, 4.0]), machine.start)

    def _crash(self) -> None:
        if (machine := self._any()) is not None:
            machine.crash()
            self._down(machine)

    def _power_cut(self) -> None:
        for machine in self.world.machines:
            machine.crash()
            self._down(machine)

    def _weather(self) -> None:
        world = self.world
        world.loss = self.random.choice([0.0, 0.05, 0.3])
        world.duplication = self.random.choice([0.0, 0.1, 0.5])
        world.slow = self.random.choice([0.0, 0.1, 0.5])
        world.crash_in_sync = self.random.choice([0.0, 0.0, 0.02])

    def _cut(self, one: list[Machine]) -> None:
        """Cut *one* off from the others for a while."""
        world = self.world
        others = [machine for machine in world.machines if machine not in one]
        cuts = {frozenset((a.name, b.name)) for a in one for b in others}
        world.cuts |= cuts
        world.loop.after(self.random.uniform(0.2, 6), world.cuts.difference_update, cuts)

    def _part(self, one: Machine, other: Machine) -> None:
        cut = {frozenset((one.name, other.name))}
        if one is not other:
            self.world.cuts |= cut
            after = self.random.uniform(0.2, 6)
            self.world.loop.after(after, self.world.cuts.difference_update, cut)

    def _pair(self) -> None:
        self._part(*self.random.choices(self.world.machines, k=2))

    def _halves(self) -> None:
        self._cut([machine for machine in self.world.machines if self.random.random() < 0.5])

    def _isolate(self) -> None:
        self._cut([self.random.choice(self.world.machines)])

    def _slow_disk(self) -> None:
        if (machine := self._any()) is not None:
            machine.slow_s = self.random.choice([0.0, 0.05, 0.5])

    def _wipe(self) -> None:
        if self.disaster or (machine := self._any()) is None:
            return
        if self.world.can_do_without(machine):
            if machine.initial == (machine.name,):
                if sum(bool(other.disk.slots) and other.is_up for other in self.world.machines) < 2:
                    return
                self.world.cuts.clear()
                self.world.loss = 0.0
            machine.wipe()
            self.result.count("wiped")
            self._down(machine)

    def _set_back(self) -> None:
        """Set a disk back by some syncs, while enough other voters are well."""
        machine = self._any()
        if machine is not None:
            steps = self.random.choice([1, 2, 3, 5, 8, 16, machine.disk.steps_of_run()])
            self._forget(machine, steps)

    def _said(self, machine: Machine, letter: Letter) -> None:
        """Now and then a disk forgets what its voter has just said."""
        is_vote = isinstance(letter.message, Promise | Accepted)
        if self.forgetful and is_vote and self.random.random() < 0.03:
            after, steps = self.random.uniform(0, 0.03), self.random.choice([1, 1, 2, 3])
            self.world.loop.after(after, self._forget, machine, steps)

    def _forget(self, machine: Machine, steps: int) -> None:
        if self.world.loop.now > FAULTS_END_S or self.disaster or not machine.disk.history:
            return
        if machine.is_destroyed or not self._may_fault() or not self.world.can_forget(machine):
            return
        steps = min(len(machine.disk.history), steps)
        if machine.initial == (machine.name,) and machine.disk.history[-steps][1] == 0:
            return  # Cut off, it would found another cluster: see `_may_fault`.
        machine.set_back(steps)
        self.result.count("set back")
        if self.random.random() < 0.5:
            self._down(machine)
        else:
            machine.start()
        if self.random.random() < 0.5:
            self._part(machine, self.random.choice(self.world.machines))

    def _decommission(self) -> None:
        """Switch a node off for good that the cluster has just been told it can do without."""
        if self.disaster or (machine := self._any()) is None or len(self.world.machines) < 4:
            return
        voting = any(machine.name in {seat.node for seat in s} for s in self.world.sets_of_voters())
        if not voting and sum(other.is_destroyed for other in self.world.machines) < 2:
            machine.destroy()
            self.result.count("decommissioned")

    def _lose_majority(self) -> None:
        """A disaster, and one operator, or two who do not talk to each other."""
        world = self.world
        alive = [machine for machine in world.machines if machine.disk.slots]
        if len(alive) < 2:
            return
        self.random.shuffle(alive)
        lost = alive[: len(alive) // 2 + self.random.randint(0, 1)]
        left = [machine for machine in alive if machine not in lost]
        for machine in lost:
            if self.random.random() < 0.5:
                machine.destroy()
            else:
                self._cut_for_long(machine)
        for _ in range(self.random.choice([1, 2])):
            if left:
                world.loop.after(self.random.uniform(0.1, 1.5), self._force, left)

    def _cut_for_long(self, machine: Machine) -> None:
        for other in self.world.machines:
            if other is not machine and self.random.random() < 0.8:
                self.world.cuts.add(frozenset((machine.name, other.name)))

    def _force(self, left: list[Machine]) -> None:
        up = [machine for machine in left if machine.is_up]
        if up:
            survivors = [m.name for m in up if self.random.random() < 0.9] or [up[0].name]
            machine = self.world.by_name[self.random.choice(survivors)]
            self.world.force(machine, survivors)
            self.result.count("forced")


def run(seed: int) -> Result:
    return Plan(seed).run()
