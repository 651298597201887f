"""
A random walk: the same participants, disks and oracles as in `plan`, and a network with no time.

All letters that were sent lie in one heap, and the walk takes one after the other from anywhere in
it: far more orders come up than with delays. The cluster is founded already, and has no disasters.
"""

from typing import Final

from cluster.control.effects import Send
from cluster.control.log import Forked
from cluster.control.messages import Accepted, Letter, Promise, Slots
from cluster.control.values import NOTHING, Author, Batch, Command, Found, Seat, Setting, Voters
from tests.control.loop import Loop
from tests.control.machine import Machine
from tests.control.oracles import Violation
from tests.control.plan import Result
from tests.control.world import World

STEPS: Final = 500
STEP_S: Final = 0.004
HEAP_MAX: Final = 40


class Heap(World):
    """A network that delivers what the walk picks."""

    def __init__(self, loop: Loop, size: int) -> None:
        super().__init__(loop, size, 0)
        self.heap: list[tuple[Machine, Send]] = []
        self.is_over = False
        self.ignorance = 0.0
        """How many of the messages that bring decided slots are lost."""

        self.recent = 1.0
        """Above 1 the first letters come more often, below it the last ones."""

    def _send(self, sender: Machine, effect: Send) -> None:
        if self.is_over:
            super()._send(sender, effect)
            return
        self.oracles.said(sender, effect.letter)
        if isinstance(effect.letter.message, Slots) and self.random.random() < self.ignorance:
            return
        self.said(sender, effect.letter)
        if len(self.heap) >= HEAP_MAX:
            self.heap.pop(self.random.randrange(HEAP_MAX))
        self.heap.append((sender, effect))

    def deliver_any(self) -> None:
        """Deliver some letter, as *recent* prefers; now and then it stays, to come again."""
        if not self.heap:
            return
        index = int(len(self.heap) * self.random.random() ** self.recent)
        sender, effect = self.heap[index]
        if self.random.random() > 0.05:
            self.heap.pop(index)
        self._deliver(sender, effect)


class Walk:
    def __init__(self, seed: int) -> None:
        loop = Loop(seed)
        self.random = loop.random
        self.world = Heap(loop, self.random.choice([3, 3, 3, 4, 5]))
        self.world.recent = self.random.choice([0.5, 1.0, 1.0, 2.0])
        self.result = Result(seed)
        self.world.ignorance = self.random.choice([0.0, 0.5, 0.9])
        self.world.said = self._said
        self.forgets_votes = self.random.choice([0.0, 0.05, 0.2])
        self.proposes = self.random.choice([0.03, 0.06, 0.12])
        self.crashes = self.random.choice([0.0, 0.004, 0.02])
        self.forgets = self.random.choice([0.0, 0.0, 0.01, 0.04])
        self.changes = self.random.choice([0.0, 0.2, 0.6])
        self.wipes = self.random.choice([0.0, 0.0, 0.006])
        self.step_s = self.random.choice([STEP_S, STEP_S, 5 * STEP_S])
        if self.random.random() < 0.3:  # Duels of voters that forget, about few slots.
            self.proposes, self.changes, self.forgets_votes = 0.2, 0.0, 0.3
            self.world.ignorance = 0.95

    def run(self) -> Result:
        world = self.world
        try:
            self._found()
            for _ in range(STEPS):
                self._step()
                world.loop.run_until(world.loop.now + self.step_s)
            self._end()
        except (Violation, Forked) as exc:
            self.result.violation = f"{type(exc).__name__}: {exc}"
        self.result.count("steps", world.loop.steps)
        self.result.count("slots decided", len(world.oracles.decided))
        for proposal in world.oracles.proposals.values():
            self.result.count(f"told: {type(proposal.outcome).__name__}")
        return self.result

    def _found(self) -> None:
        """All disks have genesis, which names the runs that are about to begin."""
        machines = self.world.machines
        voters = (
            self.random.choice([1, 3, 3, 5]) if len(machines) == 5 else self.random.choice([2, 3])
        )
        seats = tuple(Seat(m.name, m.disk.store, 1) for m in machines[:voters])
        genesis = Batch(NOTHING, 1, NOTHING, Author("n0", 1, 0), (Found(seats, 0, 1),))
        for machine in machines:
            machine.disk.slots.append(genesis)
            machine.start()

    def _step(self) -> None:
        world, chance = self.world, self.random.random()
        machine = self.random.choice(world.machines)
        if chance < self.proposes:
            self._propose(machine)
        elif chance < self.proposes + self.crashes:
            machine.crash()
            machine.start()
        elif chance < self.proposes + self.crashes + self.forgets:
            self._forget(machine)
        elif self.random.random() < self.wipes:
            self._wipe(machine)
        else:
            world.deliver_any()

    def _propose(self, machine: Machine) -> None:
        node = machine.participant
        if node is None or node.is_busy or not node.generation:
            return
        if self.random.random() < 0.1:
            self.world.read(machine)
            return
        commands: list[Command] = [Setting("x", str(self.random.randrange(1000)))]
        if self.random.random() < self.changes:
            seats = [
                Seat(other.name, other.disk.store, other.participant.voting.run)
                for other in self.world.machines
                if node.seat_of(other.name) is not None
            ]
            self.random.shuffle(seats)
            size = self.random.choice([1, 2, 3, 3, 5])
            if size <= len(seats):
                commands = [Voters(tuple(seats[:size]))]
        self.world.propose(machine, commands)

    def _wipe(self, machine: Machine) -> None:
        if self.world.can_do_without(machine):
            machine.wipe()
            machine.start()
            self.result.count("wiped")

    def _said(self, machine: Machine, letter: Letter) -> None:
        """Now and then a disk forgets what its voter has just said."""
        is_vote = isinstance(letter.message, Promise | Accepted)
        if is_vote and self.random.random() < self.forgets_votes:
            self.world.loop.after(STEP_S, self._forget, machine)

    def _forget(self, machine: Machine) -> None:
        disk = machine.disk
        if self.world.is_over or not disk.history or not self.world.can_forget(machine):
            return
        steps = self.random.choice([1, 1, 2, 3, 5, disk.steps_of_run()])
        machine.set_back(min(len(disk.history), steps))
        machine.start()
        self.result.count("set back")

    def _end(self) -> None:
        """Let all go on as it should, and see that it does."""
        world = self.world
        world.is_over = True
        for sender, effect in world.heap:
            world._deliver(sender, effect)
        world.heal()
        world.loop.run_until(world.loop.now + 4)
        live = world.can_do_without(None)
        if live:
            world.check_open_slots()
            world.check_liveness()
            self.result.count("live at the end")
        world.oracles.at_the_end(world.machines, live=live)


def run(seed: int) -> Result:
    return Walk(seed).run()
