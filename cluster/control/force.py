"""
`force --survivors`: a new generation after a majority of the voters is lost for good. Pure.

An operator says who survived. Each survivor seals itself first: it votes no more in the generation
that ends, so what it says then stays true. The node that forces takes the longest log, and writes
the slot that begins the next generation. The value that was accepted at the largest ballot goes
into that slot, for it may have been decided. What only the lost ones had is lost.

Whoever forces seals itself as well. So of two forces that name each other's nodes one is overtaken;
two that share no such node end in two generations, which never merge.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from cluster.control.context import Context
from cluster.control.coordinator import Decided, NoMajority, Outcome, Refused
from cluster.control.effects import ReportOutcome
from cluster.control.messages import Acceptance, Install, Letter, Seal, Sealed
from cluster.control.values import Author, Ballot, Batch, Force, Seat
from cluster.control.voters import VoterCandidate, choose


class Survivor(NamedTuple):
    """What a sealed survivor said."""

    seat: Seat
    region: str
    last: int
    accepted: Acceptance | None


class Forcing:
    """One command of an operator, from the node where it was given."""

    def __init__(
        self, context: Context, number: int, survivors: Sequence[str], *,
        sealed: Ballot | None, deadline: float, now: float,
        learn: Callable[[Batch], None],
    ) -> None:  # fmt: skip
        self._context = context
        self._number = number
        self._survivors = tuple(sorted(survivors))
        larger = 1 if sealed is None else sealed.round + 1
        self.force = Ballot(max(number, larger), context.node, context.outbox.run)
        self._deadline = deadline
        self._learn = learn
        self._sealed: dict[str, Survivor] = {}
        self._forced = 0
        """The slot that begins the new generation, once it is written here."""

        self._lacking: set[str] = set()
        self._again_at = now
        self.is_over = False

    def tick(self, now: float) -> None:
        if now >= self._deadline:
            self._end(NoMajority(self._missing()))
        elif now >= self._again_at:
            self._again_at = now + self._context.config.retry_s
            for node in self._missing():
                self._ask(node)

    def _missing(self) -> tuple[str, ...]:
        if self._forced:
            return tuple(sorted(self._lacking))
        return tuple(node for node in self._survivors if node not in self._sealed)

    def _ask(self, node: str) -> None:
        if self._forced:
            batches = self._context.log.beyond(self._sealed[node].last)
            self._context.outbox.send(node, Install(batches))
        else:
            self._context.outbox.send(node, Seal(self.force))

    def on_sealed(self, letter: Letter, answer: Sealed, sealed_here: Ballot | None) -> None:
        """Note what a survivor has; go on once all have said it."""
        if self._forced or letter.node not in self._survivors:
            return
        if answer.force != self.force:
            if answer.force > self.force:
                self._end(Refused(f"{answer.force.node} forces a generation, too"))
            return
        seat = Seat(letter.node, letter.store, letter.run)
        self._sealed[letter.node] = Survivor(seat, answer.region, answer.last, answer.accepted)
        self.go_on(sealed_here)

    def go_on(self, sealed_here: Ballot | None) -> None:
        """Write the slot, if everything that it rests on is here."""
        context = self._context
        if self._forced or self._missing() or sealed_here != self.force:
            return
        if max(report.last for report in self._sealed.values()) > context.log.last:
            return
        accepted = [
            report.accepted for report in self._sealed.values()
            if report.accepted is not None and report.accepted.slot == context.log.state.next
        ]  # fmt: skip
        largest = max(accepted, key=lambda acceptance: acceptance.ballot, default=None)
        self._write(largest.batch if largest is not None else None)

    def _write(self, salvaged: Batch | None) -> None:
        context, state = self._context, self._context.log.state
        candidates = [VoterCandidate(node, self._sealed[node].region) for node in self._survivors]
        seats = tuple(self._sealed[node].seat for node in choose(candidates))
        force = Force(seats, self._survivors, context.chance.getrandbits(63), salvaged)
        author = Author(context.node, context.outbox.run, self._number)
        self._forced = state.next
        self._lacking = set(self._survivors) - {context.node}
        self._learn(Batch(state.generation, state.next, state.head, author, (force,)))
        for node in self._missing():
            self._ask(node)
        self.on_have(context.node, context.log.last)

    def on_have(self, node: str, last: int) -> None:
        """Note that *node* is in the new generation."""
        if self._forced and last >= self._forced:
            self._lacking.discard(node)
            if not self._lacking:
                self._end(Decided(self._forced))

    def _end(self, outcome: Outcome) -> None:
        if not self.is_over:
            self.is_over = True
            self._context.outbox.add(ReportOutcome(self._number, outcome))
