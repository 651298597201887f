"""
The proposer: brings one batch at a time to a decision. Pure; times are seconds, monotonic.

Any node may propose. Two that do so at once only cost time: each may stop the other, until one of
them pauses for long enough. Somebody should be distinguished for that reason, and for no other.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from cluster.control.attempt import Attempt
from cluster.control.context import Context
from cluster.control.coordinator import (
    Current,
    Decided,
    NoMajority,
    Outcome,
    Taken,
    Unknown,
)
from cluster.control.effects import ReportOutcome
from cluster.control.messages import (
    Accept,
    Accepted,
    BallotRefused,
    Letter,
    Message,
    Prepare,
    Promise,
)
from cluster.control.state import ControlState
from cluster.control.values import NEVER, Ballot, Batch, Seat, Voter
from cluster.control.voters import majority
from cluster.membership.backoff import Backoff


class ProposerPhase(Enum):
    IDLE = "idle"
    PREPARING = "phase 1"
    PROPOSING = "phase 2"
    PAUSING = "pausing"
    """It met a larger ballot."""

    SPREADING = "spreading"
    """Decided; the new voters do not have it yet."""


@dataclass(slots=True)
class Awaited:
    """What somebody waits for: *batch* decided, or without one that this node is up to date."""

    number: int
    slot: int
    batch: Batch | None
    deadline: float
    was_sent: bool = False
    """Whether a voter may have accepted the batch: then its outcome is open until the slot is."""


@dataclass(slots=True)
class SlotSpread:
    """Which of the voters that a decided slot named have that slot."""

    slot: int
    seats: tuple[Seat, ...]
    having: set[Voter] = field(default_factory=set)

    @property
    def is_done(self) -> bool:
        return len(self.having) >= majority(self.seats)

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(seat.node for seat in self.seats if seat.voter not in self.having)


class Proposer:
    """*learn* takes a batch that a majority has accepted."""

    def __init__(self, context: Context, learn: Callable[[Batch], None]) -> None:
        self._context = context
        self._learn = learn
        self._backoff = Backoff(
            context.config.backoff_min_s, context.config.backoff_max_s, context.chance
        )
        self._largest = NEVER
        """The largest ballot that this proposer made or met."""

        self._phase = ProposerPhase.IDLE
        self._attempt: Attempt | None = None
        """While idle: one whose phase 1 holds for the next slot, too, if its era has not ended."""

        self._request: Awaited | None = None
        self._spread: SlotSpread | None = None
        self._again_at = 0.0

    @property
    def is_busy(self) -> bool:
        return self._request is not None or self._phase is not ProposerPhase.IDLE

    def propose(self, request: Awaited, now: float) -> None:
        """Begin with *request*; this one is not busy."""
        self._request = request
        if request.batch is not None and self._has_promises():
            self._propose(request.batch, now)
        else:
            self._prepare(now)

    def finish(self, now: float) -> None:
        """Finish the open slot, if somebody accepted something there; this one is not busy."""
        self._prepare(now)

    def _has_promises(self) -> bool:
        """Whether phase 1 was done for these voters, and nothing else is open at its ballot."""
        attempt, state = self._attempt, self._context.log.state
        return (
            attempt is not None
            and attempt.era == state.era
            and attempt.is_majority(attempt.promises)
            and (attempt.sent is None or attempt.sent.slot <= state.slot)
        )

    def _prepare(self, now: float) -> None:
        outbox = self._context.outbox
        self._largest = Ballot(self._largest.round + 1, self._context.node, outbox.run)
        self._attempt = Attempt(self._largest, self._context.log.state)
        self._enter(ProposerPhase.PREPARING, now)
        self._send_to(seat.node for seat in self._attempt.seats)

    def _propose(self, batch: Batch, now: float) -> None:
        assert self._attempt is not None
        self._attempt.propose(batch)
        if self._request is not None and batch == self._request.batch:
            self._request.was_sent = True
        self._enter(ProposerPhase.PROPOSING, now)
        self._send_to(seat.node for seat in self._attempt.seats)

    def _enter(self, phase: ProposerPhase, now: float) -> None:
        self._phase = phase
        self._again_at = now + self._context.config.retry_s

    def _send_to(self, nodes: Iterable[str]) -> None:
        for node in nodes:
            self._context.outbox.send(node, self._message())

    def _message(self) -> Message:
        """What the present phase says."""
        if self._spread is not None:
            return self._context.log.page(self._spread.slot - 1)
        attempt = self._attempt
        assert attempt is not None
        if self._phase is ProposerPhase.PREPARING:
            return Prepare(self._context.log.state.next, attempt.ballot)
        assert attempt.sent is not None
        return Accept(attempt.sent.slot, attempt.ballot, attempt.sent)

    def on_promise(self, letter: Letter, answer: Promise, now: float) -> None:
        attempt = self._attempt_at(answer.ballot, answer.slot, ProposerPhase.PREPARING)
        if attempt is None:
            return
        attempt.promised(letter.voter, letter.run, answer.runs, answer.accepted)
        if attempt.is_majority(attempt.promises):
            self._go_on(attempt, now)

    def _go_on(self, attempt: Attempt, now: float) -> None:
        """Phase 1 is done: what may have been decided already comes before the own batch."""
        request = self._request
        if attempt.found is not None:
            self._propose(attempt.found.batch, now)
        elif request is None:
            self._phase = ProposerPhase.IDLE
        elif request.batch is None:
            self._phase = ProposerPhase.IDLE
            self._report(Current(self._context.log.last))
        else:
            self._propose(request.batch, now)

    def on_accepted(self, letter: Letter, answer: Accepted, now: float) -> None:
        attempt = self._attempt_at(answer.ballot, answer.slot, ProposerPhase.PROPOSING)
        if attempt is None:
            return
        attempt.accepted(letter.voter, letter.run, answer.runs)
        if not attempt.is_majority(attempt.accepts):
            return
        if not attempt.is_majority(attempt.promises):
            self._prepare(now)  # A voter that promised began a new run: ask again.
            return
        assert attempt.sent is not None
        self._learn(attempt.sent)

    def on_refused(self, answer: BallotRefused, now: float) -> None:
        """Make way for a larger ballot, and try again after a pause if somebody waits."""
        if self._attempt is None or answer.ballot != self._attempt.ballot:
            return
        if answer.reason or self._phase not in (ProposerPhase.PREPARING, ProposerPhase.PROPOSING):
            return
        self._largest = max(self._largest, answer.promised)
        self._attempt = None
        self._phase = ProposerPhase.IDLE
        if self._request is not None:
            self._phase = ProposerPhase.PAUSING
            self._again_at = now + self._backoff.next_s()

    def _attempt_at(self, ballot: Ballot, slot: int, phase: ProposerPhase) -> Attempt | None:
        """The attempt that an answer belongs to, if it is the present one."""
        attempt = self._attempt
        if attempt is None or self._phase is not phase or attempt.ballot != ballot:
            return None
        return attempt if slot == self._context.log.state.next else None

    def on_slots(self, slots: Sequence[tuple[Batch, ControlState]], now: float) -> None:
        """Note that these were decided, by this proposer or another one."""
        if self._phase is ProposerPhase.PREPARING:
            self._attempt = None
        if self._spread is not None:
            return
        self._phase = ProposerPhase.IDLE
        self._backoff.reset()
        request = self._request
        if request is None:
            return
        if request.batch is None:
            self._prepare(now)
            return
        for batch, state in slots:
            if batch.slot == request.slot:
                self._settle(request, batch, state, now)

    def _settle(self, request: Awaited, batch: Batch, state: ControlState, now: float) -> None:
        if batch != request.batch:
            self._report(Taken(batch.slot, batch.author))
        elif state.era != state.slot:
            self._report(Decided(batch.slot))
        else:
            self._spread = SlotSpread(batch.slot, state.seats)
            self._enter(ProposerPhase.SPREADING, now)
            self.on_have(self._context.me, self._context.log.last)

    def on_have(self, voter: Voter, last: int) -> None:
        """Note that *voter* has the slots up to *last* synced."""
        spread = self._spread
        if spread is None or last < spread.slot:
            return
        if voter in {seat.voter for seat in spread.seats}:
            spread.having.add(voter)
        if spread.is_done:
            self._spread = None
            self._phase = ProposerPhase.IDLE
            self._report(Decided(spread.slot))

    def tick(self, now: float) -> None:
        """Give up, go on after a pause, or say again what nobody answered."""
        if self._request is not None and now >= self._request.deadline:
            self._give_up(self._request)
        if self._phase is ProposerPhase.IDLE or now < self._again_at:
            return
        if self._phase is ProposerPhase.PAUSING:
            self._prepare(now)
        elif self._request is None:
            self._end()  # It wanted to finish a slot, and can try again later.
        else:
            self._enter(self._phase, now)
            self._send_to(self._missing())

    def _missing(self) -> tuple[str, ...]:
        if self._spread is not None:
            return self._spread.missing
        if self._attempt is None:
            return ()
        preparing = self._phase is ProposerPhase.PREPARING
        return self._attempt.missing(self._attempt.promises if preparing else self._attempt.accepts)

    def _give_up(self, request: Awaited) -> None:
        missing = self._missing()
        self._end()
        self._report(Unknown(missing) if request.was_sent else NoMajority(missing))

    def _end(self) -> None:
        self._phase = ProposerPhase.IDLE
        self._attempt = None
        self._spread = None

    def abandon(self, reason: Outcome) -> None:
        """The generation of this proposer is over."""
        self._end()
        if self._request is not None:
            self._report(Unknown(()) if self._request.was_sent else reason)

    def _report(self, outcome: Outcome) -> None:
        assert self._request is not None
        number = self._request.number
        self._request = None
        self._context.outbox.add(ReportOutcome(number, outcome))
