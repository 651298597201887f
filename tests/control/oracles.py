"""What has to hold in every run, whatever the faults: checked at each sync and each report."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from cluster.control.coordinator import Current, Decided, NoMajority, Outcome, Refused, Taken
from cluster.control.effects import Persist
from cluster.control.messages import Accepted, Letter, Promise, Welcome
from cluster.control.state import EMPTY, ControlState, apply
from cluster.control.values import (
    Author,
    Batch,
    Command,
    Force,
    Found,
    Seat,
    Setting,
    Voter,
    Voters,
    hash_of,
)
from cluster.control.voters import majority
from tests.control.machine import Machine

Place = tuple[bytes, int]
"""A generation, and a slot of it."""


class Violation(Exception):
    pass


@dataclass(slots=True)
class Proposal:
    """What a client asked for. *batch* is filled in once a voter was seen to have it."""

    author: Author
    place: Place
    commands: tuple[Command, ...]
    outcome: Outcome | None = None


class Acknowledged(NamedTuple):
    place: Place
    author: Author


class Forced(NamedTuple):
    """A generation that an operator forced."""

    parent: bytes
    generation: bytes
    authors: frozenset[Author]
    survivors: tuple[tuple[Voter, int], ...]
    """And the last slot that each had when it was sealed."""


class Oracles:
    """Sees all disks and all answers at once."""

    def __init__(self) -> None:
        self.decided: dict[Place, Batch] = {}
        self.states: dict[Place, ControlState] = {}
        self.proposals: dict[Author, Proposal] = {}
        self.acknowledged: list[Acknowledged] = []
        self.forces: list[Forced] = []
        self.excused: set[tuple[bytes, Author]] = set()
        """Acknowledged, and lost by a forced generation: only nodes had it that were given up."""

        self._accepted: defaultdict[Acknowledged, set[Voter]] = defaultdict(set)
        self._having: defaultdict[tuple[Place, Author], set[Voter]] = defaultdict(set)
        self._logs: dict[str, ControlState] = {}
        self.most: dict[Voter, int] = {}
        """How many slots each disk ever had."""

    def synced(self, machine: Machine, persist: Persist, machines: Iterable[Machine]) -> None:
        """Check what *machine* has just synced."""
        voter = Voter(machine.name, machine.disk.store)
        state = self._state_of(machine, len(persist.slots))
        for batch in persist.slots:
            if batch.slot <= state.slot:
                continue  # The disk had it: a batch is synced again after a crash.
            state = self._learned(voter, state, batch)
        self._logs[machine.disk.store] = state
        self.most[voter] = max(self.most.get(voter, 0), state.slot)
        accepted = persist.acceptor.accepted
        if accepted is not None and accepted.slot == state.next:
            if voter not in voters_of(state.seats):
                raise Violation(f"{voter} accepted slot {accepted.slot}, and is no voter of it")
            place = (accepted.batch.generation, accepted.slot)
            self._having[place, accepted.batch.author].add(voter)
            self._accepted[Acknowledged(place, accepted.batch.author)].add(voter)
        if any(isinstance(batch.commands[0], Found) for batch in persist.slots):
            self._one_genesis(machines)

    def _state_of(self, machine: Machine, new: int) -> ControlState:
        slots = machine.disk.slots
        had = len(slots) - new
        known = self._logs.get(machine.disk.store)
        if known is not None and known.slot == had:
            return known
        state = EMPTY
        for batch in slots[:had]:
            state = apply(state, batch)
        return state

    def _learned(self, voter: Voter, before: ControlState, batch: Batch) -> ControlState:
        after = apply(before, batch)
        place = (after.generation, batch.slot)
        if self.decided.setdefault(place, batch) != batch:
            raise Violation(f"two values of slot {batch.slot}: {batch}, {self.decided[place]}")
        if place not in self.states:
            self._voters_are_ready(before, batch)
        self.states[place] = after
        self._having[(before.generation, batch.slot), batch.author].add(voter)
        self._outcome_fits(batch)
        return after

    def _voters_are_ready(self, before: ControlState, batch: Batch) -> None:
        for command in batch.commands:
            if isinstance(command, Voters):
                for voter in voters_of(command.seats) - voters_of(before.seats):
                    if self.most.get(voter, 0) < before.slot:
                        raise Violation(f"{voter} became a voter and lacks slots")

    def _outcome_fits(self, batch: Batch) -> None:
        proposal = self.proposals.get(batch.author)
        if proposal is not None and isinstance(proposal.outcome, Refused | NoMajority | Taken):
            raise Violation(f"{batch.author}: {proposal.outcome}, but it is slot {batch.slot}")

    def _one_genesis(self, machines: Iterable[Machine]) -> None:
        first = {
            hash_of(machine.disk.slots[0])
            for machine in machines
            if machine.disk.slots and not machine.is_destroyed
        }
        if len(first) > 1:
            raise Violation("two clusters were founded")

    def said(self, machine: Machine, letter: Letter) -> None:
        """Check that what *machine* says as a voter is synced."""
        synced = machine.disk.acceptor
        match letter.message:
            case Promise(counter=counter) | Accepted(counter=counter):
                if counter > synced.counter:
                    raise Violation(f"{machine.name} sent what is not synced: {letter.message}")
            case Welcome(run=run):
                if run not in dict(synced.runs).values():
                    raise Violation(f"{machine.name} welcomed run {run} and has not noted it")

    def reported(self, author: Author, outcome: Outcome) -> None:
        """Check what a client was told of its proposal."""
        proposal = self.proposals[author]
        proposal.outcome = outcome
        decided = self.decided.get(proposal.place)
        own = decided is not None and decided.author == author
        if isinstance(outcome, Decided):
            if not own:
                raise Violation(f"{author} was told that it is decided")
            acknowledged = Acknowledged(proposal.place, author)
            self.acknowledged.append(acknowledged)
            for force in self.forces:
                self._survives(acknowledged, force)
            self._is_durable(proposal)
        elif isinstance(outcome, Refused | NoMajority | Taken) and own:
            raise Violation(f"{author} was told {outcome}, and it is decided")

    def _is_durable(self, proposal: Proposal) -> None:
        seats = self.states[proposal.place].seats
        having = self._having[proposal.place, proposal.author]
        if len(voters_of(seats) & having) < majority(seats):
            raise Violation(f"slot {proposal.place[1]} is not synced at a majority of its voters")

    def read(self, asked_after: int, generation: bytes, outcome: Outcome) -> None:
        """Check a read through the log; *asked_after* is what was acknowledged before it."""
        if isinstance(outcome, Current):
            for place, author in self.acknowledged[:asked_after]:
                if place[0] == generation and place[1] > outcome.slot:
                    raise Violation(f"a read up to {outcome.slot} missed {author}")

    def forced(self, slots: list[Batch], survivors: Iterable[tuple[Voter, int]]) -> None:
        """An operator forced the generation that begins with the last of *slots*."""
        authors = frozenset(authors_of(slots))
        force = Forced(slots[-1].generation, hash_of(slots[-1]), authors, tuple(survivors))
        self.forces.append(force)
        for acknowledged in self.acknowledged:
            self._survives(acknowledged, force)

    def _survives(self, acknowledged: Acknowledged, force: Forced) -> None:
        """What a survivor had decided or accepted goes on in the forced generation."""
        (generation, slot), author = acknowledged
        if generation != force.parent or author in force.authors:
            return
        accepted = self._accepted[acknowledged]
        if any(last >= slot or voter in accepted for voter, last in force.survivors):
            raise Violation(f"a survivor had {author}, and it is lost")
        self.excused.add((force.generation, author))

    def at_the_end(self, machines: Iterable[Machine], *, live: bool) -> None:
        """
        Check that settings are equal, and that all that was acknowledged is everywhere.

        Where the cluster cannot go on, as voters are lost, nodes may end behind each other.
        """
        settings: dict[Place, dict[str, str]] = {}
        for machine in machines:
            if machine.participant is None or not machine.participant.generation:
                continue
            state, slots = machine.participant.state, machine.participant.log.slots
            same = settings.setdefault((state.generation, state.slot), settings_of(slots))
            if dict(state.settings) != same:
                raise Violation(f"{machine.name} has other settings than its log, or another node")
            if live:
                self._has_all(machine.name, state, authors_of(slots))

    def _has_all(self, node: str, state: ControlState, authors: set[Author]) -> None:
        for place, author in self.acknowledged:
            excused = any((forced, author) in self.excused for forced in state.lineage)
            if place[0] in state.lineage and author not in authors and not excused:
                raise Violation(f"{node} lacks {author} of slot {place[1]}")


def voters_of(seats: Iterable[Seat]) -> set[Voter]:
    """By nobody's code but this, too."""
    return {Voter(seat.node, seat.store) for seat in seats}


def authors_of(slots: Iterable[Batch]) -> set[Author]:
    """Whose proposals a log has, those that a `Force` took along among them."""
    return {batch.author for batch in with_salvaged(slots)}


def with_salvaged(slots: Iterable[Batch]) -> Iterator[Batch]:
    for batch in slots:
        if isinstance(batch.commands[0], Force) and batch.commands[0].salvaged is not None:
            yield batch.commands[0].salvaged
        yield batch


def settings_of(slots: Iterable[Batch]) -> dict[str, str]:
    """A second reading of the log, by nobody's code but this."""
    settings: dict[str, str | None] = {}
    for batch in with_salvaged(slots):
        for command in batch.commands:
            if isinstance(command, Setting):
                settings[command.name] = command.value
    return {name: value for name, value in settings.items() if value is not None}


def survivors_of(machine: Machine) -> list[tuple[Voter, int]]:
    """What the survivors said to the node that forced."""
    sealed = machine.participant._forcing._sealed.values()
    return [(Voter(said.seat.node, said.seat.store), said.last) for said in sealed]


def is_force(batch: Batch) -> bool:
    return isinstance(batch.commands[0], Force)
