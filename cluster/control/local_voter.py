"""The voter in a participant: its acceptor, and whether it may vote in this run."""

from collections.abc import Callable
from dataclasses import dataclass

from cluster.control.acceptor import Acceptor
from cluster.control.context import Context
from cluster.control.continuity import Continuity, LastSaid
from cluster.control.effects import Persist
from cluster.control.messages import (
    Accept,
    AcceptorState,
    BallotRefused,
    Hello,
    Letter,
    Message,
    Prepare,
    Seal,
    Sealed,
    Stale,
    Unseal,
    Welcome,
)
from cluster.control.state import ControlState, why_not
from cluster.control.values import NEVER, Ballot, Batch, Force


@dataclass(slots=True)
class Acceptances:
    """Since when the acceptor has what it accepted."""

    ballot: Ballot = NEVER
    since: float = 0.0


class LocalVoter:
    """Answers as an acceptor, whenever this node is a voter of the next slot."""

    def __init__(
        self, context: Context, state: AcceptorState, *, run: int, now: float,
        lag: Callable[[str, int], None], peers: Callable[[], set[str]],
    ) -> None:  # fmt: skip
        """*lag* brings this node and another one to the same slot; *peers* are all nodes."""
        self._context = context
        self._acceptor = Acceptor(state)
        self._lag = lag
        self._peers = peers
        self._said = LastSaid()
        trust_at = now + context.config.trust_after_s
        run = max(run, state.run + 1)
        self._continuity = Continuity(context.me, run, state.counter, trust_at=trust_at)
        self._ask_at = now
        self._open = Acceptances()
        self._begin(run)

    def _begin(self, run: int) -> None:
        self._acceptor.begin(run)
        self._context.outbox.run = run
        self.persist()

    def persist(self, *slots: Batch) -> None:
        self._context.outbox.add(Persist(self._acceptor.state, slots))

    def _answer(self, to: str, message: Message, before: AcceptorState) -> None:
        """Answer with what the acceptor says: only once it is synced."""
        if self._acceptor.state is not before:
            self.persist()
        self._context.outbox.send(to, message)

    @property
    def run(self) -> int:
        return self._continuity.run

    @property
    def sealed(self) -> Ballot | None:
        return self._acceptor.state.sealed

    @property
    def is_set_back(self) -> bool:
        """Whether this disk is known to have forgotten what it said."""
        return self._continuity.is_set_back

    def may_vote(self, now: float) -> bool:
        return self._continuity.may_vote(self._context.log.state, now)

    def on_prepare(self, letter: Letter, ask: Prepare, now: float) -> None:
        if self._is_asked_about_the_next(letter, ask.slot, ask.ballot, now):
            before = self._acceptor.state
            self._answer(letter.node, self._acceptor.prepare(ask), before)

    def on_accept(self, letter: Letter, ask: Accept, now: float) -> None:
        if not self._is_asked_about_the_next(letter, ask.slot, ask.ballot, now):
            return
        if any(isinstance(command, Force) for command in ask.batch.commands):
            return  # No majority decides that.
        if why_not(self._context.log.state, ask.batch) is None:
            before = self._acceptor.state
            self._answer(letter.node, self._acceptor.accept(ask), before)

    def _is_asked_about_the_next(
        self, letter: Letter, slot: int, ballot: Ballot, now: float
    ) -> bool:
        state = self._context.log.state
        if slot != state.next:
            self._lag(letter.node, slot - 1)
            return False
        if self.may_vote(now):
            return True
        seat = state.seat_of(*self._context.me)
        reason = "it is no voter" if seat is None else "its disk may have forgotten something"
        self._context.outbox.send(letter.node, BallotRefused(ballot, NEVER, reason))
        return False

    def note_counter(self, letter: Letter, counter: int) -> None:
        self._said.note(letter.voter, letter.run, counter)

    def on_hello(self, letter: Letter, ask: Hello, now: float) -> None:
        context, before = self._context, self._acceptor.state
        known = self._acceptor.note_run(letter.voter, letter.run)
        if known > letter.run:
            context.outbox.send(letter.node, Stale(known))
            return
        heard = self._said.before(letter.voter, letter.run)
        state = self._acceptor.state if self.may_vote(now) else None
        self._answer(letter.node, Welcome(letter.run, context.log.last, heard, state), before)
        if ask.last != context.log.last:
            self._lag(letter.node, ask.last)

    def on_stale(self, answer: Stale) -> None:
        """This run's number is no news to somebody: take a larger one, and ask again."""
        if answer.run >= self.run:
            run = answer.run + 1
            self._continuity.begin_again(run)
            self._begin(run)
            self._say_hello()

    def on_welcome(self, letter: Letter, answer: Welcome, now: float) -> None:
        if answer.run != self.run or not self._has_to_ask(now):
            return
        self._continuity.hear(answer.heard)
        if answer.last != self._context.log.last:
            self._lag(letter.node, answer.last)
        elif answer.state is not None:
            self._acceptor.adopt(answer.state)
            self._continuity.welcome(letter.voter)
            self.persist()

    def on_seal(self, letter: Letter, ask: Seal) -> None:
        before = self._acceptor.state
        force = self._acceptor.seal(ask.force)
        self._answer(letter.node, self._sealed(force), before)

    def _sealed(self, force: Ballot) -> Sealed:
        context = self._context
        return Sealed(force, context.region, context.log.last, self._acceptor.state.accepted)

    def on_slots(self, state: ControlState, *, new_generation: bool) -> None:
        self._acceptor.advance(state, new_generation=new_generation)

    def on_unseal(self, answer: Unseal) -> None:
        """Vote again: the force that this voter is sealed for was given up."""
        if self._acceptor.unseal(answer.force):
            self.persist()

    def _has_to_ask(self, now: float) -> bool:
        return self._continuity.has_to_ask(self._context.log.state, now)

    def tick(self, now: float) -> None:
        """Ask to be welcomed, and who sealed this voter whether that still holds."""
        if now < self._ask_at:
            return
        self._ask_at = now + self._context.config.retry_s
        if self._has_to_ask(now):
            self._say_hello()
        if self.sealed is not None:
            self._context.outbox.send(self.sealed.node, self._sealed(self.sealed))

    def _say_hello(self) -> None:
        """Ask the voters, and who else may have heard this one as a proposer."""
        counter, last = self._acceptor.state.counter, self._context.log.last
        voters = {seat.node for seat in self._context.log.state.seats}
        for node in sorted((voters | self._peers()) - {self._context.node}):
            self._context.outbox.send(node, Hello(counter, last))

    def has_to_finish(self, now: float) -> bool:
        """Whether something was accepted here and is neither decided nor replaced for too long."""
        accepted = self._acceptor.state.accepted
        if accepted is None or not self.may_vote(now):
            return False
        if accepted.ballot != self._open.ballot:
            config, chance = self._context.config, self._context.chance
            self._open = Acceptances(accepted.ballot, now + chance.uniform(0, config.retry_s))
        return now >= self._open.since + self._context.config.finish_after_s
