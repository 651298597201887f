"""What takes the place of the rules in the seeded bugs (`mutants`)."""

from collections.abc import Callable
from typing import Any

import msgspec

from cluster.control import state
from cluster.control.acceptor import Acceptor
from cluster.control.attempt import Attempt
from cluster.control.context import Context
from cluster.control.continuity import Continuity
from cluster.control.coordinator import Current, Decided, NoMajority
from cluster.control.effects import Outbox, Persist
from cluster.control.force import Forcing
from cluster.control.genesis import Founder, Meeting
from cluster.control.local_voter import LocalVoter
from cluster.control.log import ControlLog
from cluster.control.messages import Acceptance, Accepted, BallotRefused, Letter, Promise, Welcome
from cluster.control.proposer import Proposer, ProposerPhase
from cluster.control.state import ControlState
from cluster.control.values import NEVER, Force, Seat, Voter
from cluster.control.voters import majority


def unless(kind: type) -> Callable[..., None]:
    """Answer before the state is synced, if the answer is of this kind."""

    def answer(self: LocalVoter, to: str, message: Any, before: Any) -> None:
        is_new = self._acceptor.state is not before
        if is_new and not isinstance(message, kind):
            self.persist()
        self._context.outbox.send(to, message)
        if is_new and isinstance(message, kind):
            self.persist()

    return answer


_take = Outbox.take


def learn_first(self: Outbox) -> list[Any]:
    """Reports leave before what they report is synced."""
    effects = _take(self)
    return sorted(effects, key=lambda effect: isinstance(effect, Persist))


_promised = Attempt.promised


def last_found(self: Attempt, voter: Any, run: int, runs: Any, accepted: Any) -> None:
    _promised(self, voter, run, runs, None)
    self.found = accepted or self.found


def found_nothing(self: Attempt, voter: Any, run: int, runs: Any, accepted: Any) -> None:
    _promised(self, voter, run, runs, None)


answered = Attempt._answered


def twice(self: Attempt, answers: Any, voter: Voter, run: int, runs: Any) -> None:
    if voter in answers:
        voter = Voter(voter.node, f"{voter.store}, again")
        self._newest[voter] = run
    answered(self, answers, voter, run, runs)


def strangers(self: Attempt, answers: Any, voter: Voter, run: int, runs: Any) -> None:
    self._newest.setdefault(voter, run)
    answered(self, answers, voter, run, runs)


def any_slot(self: Proposer, ballot: Any, slot: int, phase: ProposerPhase) -> Attempt | None:
    found = self._attempt
    if found is None or self._phase is not phase or found.ballot != ballot:
        return None
    return found


def any_phase(self: Proposer, ballot: Any, slot: int, phase: ProposerPhase) -> Attempt | None:
    """Answers to an earlier ballot count."""
    return self._attempt if self._phase is phase else None


_accept = Acceptor.accept


def lower(self: Acceptor, ask: Any) -> Any:
    if self.state.sealed is None and ask.ballot < self.state.promised:
        self._change(accepted=Acceptance(ask.ballot, ask.batch))
        return Accepted(ask.slot, ask.ballot, self.state.counter, self.state.runs)
    return _accept(self, ask)


def accept_without_promise(self: Acceptor, ask: Any) -> Any:
    promised = self.state.promised
    answer = _accept(self, ask)
    self._change(promised=promised)
    return answer


_prepare = Acceptor.prepare


def promise_lower(self: Acceptor, ask: Any) -> Any:
    if self.state.sealed is None and ask.ballot < self.state.promised:
        self._change(promised=ask.ballot)
    return _prepare(self, ask)


def prepare_forgets(self: Acceptor, ask: Any) -> Any:
    answer = _prepare(self, ask)
    if isinstance(answer, Promise):
        self._change(accepted=None)
    return answer


_advance = Acceptor.advance


def forget_promise(self: Acceptor, state: ControlState, *, new_generation: bool) -> None:
    _advance(self, state, new_generation=new_generation)
    self._change(promised=NEVER)


def init_by_disk(
    self: LocalVoter, context: Context, acceptor: Any, *, run: int, **others: Any
) -> None:
    _voting_init(self, context, acceptor, run=acceptor.run + 1, **others)


_voting_init = LocalVoter.__init__


def kept_phase_1(self: Proposer) -> bool:
    """Phase 1 of an earlier era holds, and is taken for one of the present voters."""
    found, now = self._attempt, self._context.log.state
    if found is None or not found.is_majority(found.promises):
        return False
    if found.sent is not None and found.sent.slot > now.slot:
        return False
    if found.era != now.era:
        self._attempt = Attempt(found.ballot, now)
        for seat in now.seats:
            self._attempt.promised(seat.voter, seat.run, (), None)
    return True


def kept_value(self: Proposer) -> None:
    self._phase = ProposerPhase.IDLE
    self._spread = None


def promises_whatever_was_sent(self: Proposer) -> bool:
    found = self._attempt
    return (
        found is not None
        and found.era == self._context.log.state.era
        and found.is_majority(found.promises)
    )


def votes_unasked(self: Continuity, state: ControlState, now: float) -> bool:
    return state.seat_of(*self._me) is not None


def welcome_once(self: Continuity, state: ControlState, now: float) -> bool:
    """Who was welcomed among some voters is welcome among all later ones."""
    if _may_vote(self, state, now):
        self._trust_at = 0.0
        self.is_set_back = False
    return _may_vote(self, state, now)


_may_vote = Continuity.may_vote


def note_nothing(self: Acceptor, voter: Voter, run: int) -> int:
    return 0


def welcomed_by_all(self: LocalVoter, letter: Letter, ask: Any, now: float) -> None:
    """Who may not vote itself gives its state as if it might."""
    context, before = self._context, self._acceptor.state
    self._acceptor.note_run(letter.voter, letter.run)
    heard = self._said.before(letter.voter, letter.run)
    answer = Welcome(letter.run, context.log.last, heard, self._acceptor.state)
    self._answer(letter.node, answer, before)
    if ask.last != context.log.last:
        self._lag(letter.node, ask.last)


def seat_of_node(self: ControlState, node: str, store: str) -> Seat | None:
    return next((seat for seat in self.seats if seat.node == node), None)


def voter_of_node(self: Any) -> Voter:
    return Voter(self.node, "")


def said_at_once(self: Proposer, request: Any, batch: Any, after: ControlState, now: float) -> None:
    if batch == request.batch:
        self._report(Decided(batch.slot))
    else:
        settle(self, request, batch, after, now)


def said_anyway(self: Proposer, request: Any, batch: Any, after: ControlState, now: float) -> None:
    self._report(Decided(batch.slot))


settle = Proposer._settle


def nothing_changed(self: Proposer, request: Any) -> None:
    self._end()
    self._report(NoMajority(()))


_propose = Proposer.propose


def read_here(self: Proposer, request: Any, now: float) -> None:
    if request.batch is None:
        self._request = request
        self._report(Current(self._context.log.last))
    else:
        _propose(self, request, now)


def read_by_old_promises(self: Proposer, request: Any, now: float) -> None:
    if request.batch is None and self._has_promises():
        self._request = request
        self._report(Current(self._context.log.last))
    else:
        _propose(self, request, now)


def same_generation(before: ControlState, command: Any) -> ControlState:
    after = apply(before, command)
    if isinstance(command, Force):
        return msgspec.structs.replace(after, lineage=before.lineage)
    return after


apply = state._apply


def without_salvage(self: Forcing, salvaged: Any) -> None:
    write(self, None)


write = Forcing._write


def votes_though_sealed(self: Acceptor, ballot: Any) -> Any:
    if ballot < self.state.promised:
        return BallotRefused(ballot, self.state.promised)
    return None


def own_log(self: Forcing, sealed_here: Any) -> None:
    if not self._forced and not self._missing() and sealed_here == self.force:
        self._write(None)


def empty_at_once(self: Founder, now: float) -> bool:
    return self._context.log.last == 0


def hear_nothing(self: Founder) -> None:
    return None


def some_of_them(self: Founder, letter: Letter, answer: Any, now: float) -> Any:
    """Genesis without all that are named; one of the present ones does it."""
    if answer.round != self._round:
        return None
    self._empty[letter.node] = (Seat(letter.node, letter.store, letter.run), answer.region)
    named = [name for name in self._initial if name in {*self._empty, self._context.node}]
    if len(named) < majority(self._initial) or named[0] != self._context.node:
        return None
    initial, self._initial = self._initial, tuple(named)
    genesis = self._genesis(now)
    self._initial = initial
    return genesis


def everybody_founds(self: Founder, letter: Letter, answer: Any, now: float) -> Any:
    initial = self._initial
    self._initial = (self._context.node, *(n for n in initial if n != self._context.node))
    answer = msgspec.structs.replace(answer, initial=self._initial)
    genesis = _on_empty(self, letter, answer, now)
    self._initial = initial
    return genesis


_on_empty = Founder.on_empty


def stay(*_: Any, **__: Any) -> Meeting:
    return Meeting.WAIT


def over_gaps(self: ControlLog, slots: Any) -> Any:
    new = []
    for batch in slots:
        if batch.slot > self.last:
            self._slots.append(batch)
            self.state = state.apply(self.state, batch)
            new.append((batch, self.state))
    return new


def nothing(*_: Any, **__: Any) -> None:
    return None


def less_than_majority(seats: Any) -> int:
    return max(1, len(seats) // 2)


def welcome_by_one_less(seats: Any) -> int:
    return max(1, len(seats) - majority(seats)) if len(seats) > 1 else 0
