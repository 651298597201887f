"""One seed: machines, a network between them, clients, an operator, and faults until they end."""

from collections.abc import Callable, Sequence

from cluster.control.coordinator import Decided, Outcome
from cluster.control.effects import Persist, Send
from cluster.control.messages import Letter
from cluster.control.state import ControlState
from cluster.control.values import NOTHING, Author, Command, Seat, SetLayout, Setting, Voters
from cluster.control.voters import VoterCandidate, choose, majority, others_needed
from tests.control.loop import Loop
from tests.control.machine import Machine
from tests.control.oracles import Oracles, Proposal, Violation, is_force, survivors_of

FAULTS_END_S = 22.0
CONVERGED_WITHIN_S = 25.0


class World:
    def __init__(self, loop: Loop, size: int, founders: int) -> None:
        self.loop = loop
        self.random = loop.random
        self.oracles = Oracles()
        names = [f"n{number}" for number in range(size)]
        self.initial = tuple(names[:founders])
        self.machines = [
            self._machine(name, names, self.initial if n < founders else ())
            for n, name in enumerate(names)
        ]
        self.by_name = {machine.name: machine for machine in self.machines}
        self.loss = 0.0
        self.duplication = 0.0
        self.slow = 0.0
        self.cuts: set[frozenset[str]] = set()
        self.number = 0
        self._waiting: dict[tuple[str, int], tuple[Author | None, int, bytes]] = {}
        self.was_forced = False
        self.said: Callable[[Machine, Letter], None] = lambda machine, letter: None
        """Called with every letter that is not lost at once."""

        self.crash_in_sync = 0.0
        """How likely a process ends while it syncs."""

    def _machine(self, name: str, names: Sequence[str], initial: Sequence[str]) -> Machine:
        region = f"r{self.random.randrange(3)}"
        return Machine(
            name, region, self.loop, initial, names, send=self._send, syncing=self._syncing,
            synced=self._synced, reported=self._reported,
        )  # fmt: skip

    # The network.

    def _send(self, sender: Machine, effect: Send) -> None:
        self.oracles.said(sender, effect.letter)
        if self.random.random() < self.loss and effect.to != sender.name:
            return
        self.said(sender, effect.letter)
        times = 2 if self.random.random() < self.duplication else 1
        for _ in range(times):
            self.loop.after(self._delay(sender.name, effect.to), self._deliver, sender, effect)

    def _delay(self, sender: str, to: str) -> float:
        if sender == to:
            return 0.0
        if self.random.random() < self.slow:
            return self.random.uniform(0.1, 2.5)
        return self.random.uniform(0.001, 0.06)

    def _deliver(self, sender: Machine, effect: Send) -> None:
        to = self.by_name.get(effect.to)
        if to is not None and not self.is_cut(sender.name, to.name):
            to.receive(effect.letter)

    def is_cut(self, one: str, other: str) -> bool:
        return frozenset((one, other)) in self.cuts

    # What happens on disks, and what clients hear.

    def _syncing(self, machine: Machine, takes_s: float) -> None:
        if self.random.random() < self.crash_in_sync:
            self.loop.after(self.random.uniform(0, takes_s), machine.crash)
            self.loop.after(takes_s + self.random.choice([0.0, 0.1, 0.5]), machine.start)

    def _synced(self, machine: Machine, persist: Persist) -> None:
        self.oracles.synced(machine, persist, self.machines)
        participant = machine.participant
        forced = [batch for batch in persist.slots[-1:] if is_force(batch)]
        if forced and participant is not None and forced[0].author.node == machine.name:
            self.was_forced = True
            self.oracles.forced(machine.disk.slots, survivors_of(machine))

    def _reported(self, machine: Machine, number: int, outcome: Outcome) -> None:
        author, acknowledged, generation = self._waiting.pop((machine.name, number))
        if author is not None:
            self.oracles.reported(author, outcome)
        else:
            self.oracles.read(acknowledged, generation, outcome)

    # Clients.

    def propose(
        self, machine: Machine, commands: Sequence[Command], *, slot: int = 0
    ) -> Author | None:
        """Let a client of *machine* ask for *commands*, in the next slot unless it says which."""
        participant = machine.participant
        if participant is None:
            return None
        self.number += 1
        number, slot = self.number, slot or participant.log.last + 1
        author = Author(machine.name, participant.voting.run, number)
        place = (participant.state.generation, slot)
        self.oracles.proposals[author] = Proposal(author, place, tuple(commands))
        self._waiting[machine.name, number] = (author, 0, NOTHING)
        timeout = self.random.uniform(0.3, 5)
        machine.call(
            lambda node, now: node.propose(number, slot, commands, now=now, timeout=timeout)
        )
        return author

    def read(self, machine: Machine) -> None:
        participant = machine.participant
        if participant is None:
            return
        self.number += 1
        number = self.number
        known = (None, len(self.oracles.acknowledged), participant.state.generation)
        self._waiting[machine.name, number] = known
        machine.call(lambda node, now: node.catch_up(number, now=now, timeout=3.0))

    def force(self, machine: Machine, survivors: Sequence[str]) -> None:
        participant = machine.participant
        if participant is None:
            return
        self.number += 1
        number = self.number
        self._waiting[machine.name, number] = (None, 0, NOTHING)
        machine.call(lambda node, now: node.force(number, survivors, now=now, timeout=10.0))

    def settings(self) -> list[Command]:
        count = self.random.choice([1, 1, 2, 3, 40])
        return [
            Setting(f"s{self.random.randrange(6)}", self.random.choice(["a", "b", None]))
            for _ in range(count)
        ]

    def layout(self, machine: Machine) -> list[Command]:
        version = machine.participant.state.layout.version + 1
        return [SetLayout(version, self.random.randbytes(8))]

    def voters(self, machine: Machine) -> list[Command] | None:
        """An operator's choice of voters: nodes that are well, as *machine* sees them."""
        participant = machine.participant
        old = {seat.node: seat for seat in participant.state.seats}
        seats: dict[str, Seat] = {}
        for other in self.machines:
            seat = participant.seat_of(other.name)
            if seat is None and other.name in old and not other.is_destroyed:
                seat = old[other.name]
            if seat is None and other.is_up and self.random.random() < 0.3:  # Not a good idea.
                seat = Seat(other.name, other.disk.store, other.participant.voting.run)
            if seat is not None and seat.store == other.disk.store and other.is_up:
                seats[other.name] = seat
        share = self.random.choice([0.3, 0.6, 0.9])
        wanted = [
            VoterCandidate(name, self.by_name[name].region)
            for name in seats
            if self.random.random() < share
        ]
        chosen = choose(wanted, [] if self.random.random() < 0.5 else list(old))
        return [Voters(tuple(seats[name] for name in chosen))] if chosen else None

    # What a plan may not do, or nothing could go on.

    def views(self) -> list[ControlState]:
        """All states that some node may take for the present one."""
        states = [machine.participant.state for machine in self.machines if machine.is_up]
        return [state for state in states if state.seats]

    def sets_of_voters(self) -> list[tuple[Seat, ...]]:
        """All sets that vote, or may come to vote: decided, accepted, asked for."""
        sets = [state.seats for state in self.views()]
        sets += [state.seats for state in self.oracles.states.values()][-3:]
        for machine in self.machines:
            accepted = machine.disk.acceptor.accepted
            batches = [accepted.batch] if accepted is not None else []
            sets += [
                command.seats
                for batch in batches
                for command in batch.commands
                if isinstance(command, Voters)
            ]
        for proposal in self.oracles.proposals.values():
            if proposal.outcome is None:
                sets += [c.seats for c in proposal.commands if isinstance(c, Voters)]
        return sets

    def _is_well(self, machine: Machine) -> bool:
        return not (machine.is_destroyed or machine.is_set_back or machine.has_stopped)

    def can_do_without(self, machine: Machine | None) -> bool:
        """Whether every set of voters has a majority that is well, without *machine*."""

        def is_well(seat: Seat) -> bool:
            other = self.by_name[seat.node]
            return (
                other is not machine and self._is_well(other) and (other.disk.store == seat.store)
            )

        return all(sum(map(is_well, seats)) >= majority(seats) for seats in self.sets_of_voters())

    def can_forget(self, machine: Machine) -> bool:
        """
        Whether *machine* and all others that forgot something would still meet enough who did not.

        A voter alone, or one that cannot meet them, is outside: it has to trust its disk.
        """
        for seats in self.sets_of_voters():
            nodes = [self.by_name[seat.node] for seat in seats]
            well = [n for n in nodes if n is not machine and self._is_well(n)]
            forgetful = [n for n in nodes if n is machine or n.is_set_back]
            if forgetful and (len(seats) == 1 or len(well) < others_needed(seats)):
                return False
        return True

    # The end.

    def heal(self) -> None:
        self.loss = self.duplication = self.slow = 0.0
        self.crash_in_sync = 0.0
        self.cuts.clear()
        for machine in self.machines:
            machine.slow_s = 0.0
            machine.start()

    def generations(self) -> set[bytes]:
        return {machine.participant.generation for machine in self.machines if machine.is_up} - {
            NOTHING
        }

    def is_settled(self) -> bool:
        """Whether all nodes have the same log."""
        up = [machine.participant for machine in self.machines if machine.is_up]
        return len({(node.generation, node.log.last) for node in up}) == 1 and not any(
            node.is_busy for node in up
        )

    def check_generations(self) -> None:
        """Nobody stays in a generation that another one took the place of."""
        lineages = [machine.participant.state.lineage for machine in self.machines if machine.is_up]
        ended = {generation for lineage in lineages for generation in lineage[:-1]}
        if ended & self.generations():
            raise Violation("a node goes on in a generation that has ended")

    def check_open_slots(self) -> None:
        """What a silent proposer left open is finished without one."""
        for machine in self.machines:
            accepted = machine.disk.acceptor.accepted
            if machine.is_up and accepted is not None and machine.participant.voting.may_vote(
                self.loop.now
            ):  # fmt: skip
                raise Violation(f"{machine.name} has an open slot, {accepted.slot}")

    def check_liveness(self) -> None:
        """Once faults have ended every node can decide something, and all nodes hear of it."""
        end = self.loop.now + CONVERGED_WITHIN_S
        wanting = [machine for machine in self.machines if machine.is_up]
        while wanting and self.loop.now < end:
            machine = wanting[0]
            if not machine.participant.is_busy and machine.participant.generation:
                author = self.propose(machine, [Setting("end", machine.name)])
                while self.oracles.proposals[author].outcome is None and self.loop.now < end:
                    self.loop.run_until(self.loop.now + 0.1)
                if isinstance(self.oracles.proposals[author].outcome, Decided):
                    wanting.pop(0)
            self.loop.run_until(self.loop.now + 0.1)
        while not self.is_settled() and self.loop.now < end:
            self.loop.run_until(self.loop.now + 0.2)
        self.loop.run_until(self.loop.now + 1)
        if wanting or not self.is_settled():
            raise Violation(f"nothing goes on: {[machine.name for machine in wanting]}")
