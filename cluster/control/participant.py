"""
One node's part in the control log: acceptor, learner, proposer, how it begins and ends. Pure.

Its driver hands it letters, the time and what clients want, and carries out the effects in order.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from cluster.control.context import Context, ControlConfig
from cluster.control.coordinator import NoMajority, Outcome, Refused, Taken
from cluster.control.effects import Effect, Outbox, ReportOutcome, StartEmpty, StopNode
from cluster.control.force import Forcing
from cluster.control.genesis import Founder, Meeting, meet
from cluster.control.local_voter import LocalVoter
from cluster.control.log import ControlLog, Forked
from cluster.control.messages import (
    Accept,
    Accepted,
    AcceptorState,
    BallotRefused,
    Empty,
    Hail,
    Have,
    Hello,
    Install,
    Letter,
    Lineage,
    Prepare,
    Promise,
    Seal,
    Sealed,
    Slots,
    Stale,
    Unseal,
    Welcome,
)
from cluster.control.proposer import Awaited, Proposer
from cluster.control.state import ControlState, why_not
from cluster.control.values import NOTHING, Author, Batch, Command, Force, Hash, Seat, Voters
from cluster.ports import Chance


class LastWord(NamedTuple):
    """What a node said last of itself."""

    seat: Seat
    last: int


class Participant:
    """
    Times are seconds of a monotonic clock; *wall_ms* is what the wall clock said at *now*, and is
    for the age of a cluster alone. *run* names this process: it is larger than that of any before
    it on this disk, and no process of this node has the same. *ended* is what `StartEmpty` said.
    """

    def __init__(
        self, *, node: str, store: str, region: str, run: int, now: float, wall_ms: int,
        acceptor: AcceptorState, slots: Sequence[Batch],
        initial: Collection[str], peers: Collection[str],
        config: ControlConfig, chance: Chance, ended: Collection[Hash] = (),
    ) -> None:  # fmt: skip
        outbox = Outbox(node, store)
        self._context = Context(
            node=node, store=store, region=region, log=ControlLog(slots), outbox=outbox,
            chance=chance, config=config,
        )  # fmt: skip
        self.peers = set(peers)
        self._now = now
        self._voting = LocalVoter(
            self._context, acceptor, run=run, now=now, lag=self._level, peers=lambda: self.peers
        )
        self._proposer = Proposer(self._context, self._decide)
        self._founding = Founder(self._context, initial, now=now, wall_ms=wall_ms)
        self._forcing: Forcing | None = None
        self._joining = not slots
        """Whether it still takes over a log that others have: until then it belongs nowhere."""

        self._ended = set(ended)
        """Generations that others took the place of: a node that is in none joins none of these."""

        self._heard: dict[str, LastWord] = {}
        self._share_at = now
        self._finish_at = now
        self.has_ended = False
        outbox.generation = self.generation

    @property
    def log(self) -> ControlLog:
        return self._context.log

    @property
    def state(self) -> ControlState:
        return self.log.state

    @property
    def voting(self) -> LocalVoter:
        return self._voting

    @property
    def is_busy(self) -> bool:
        """Whether a proposal would be refused, as another one is under way here."""
        return self._proposer.is_busy or (self._forcing is not None and not self._forcing.is_over)

    @property
    def generation(self) -> Hash:
        return NOTHING if self._joining else self.state.generation

    # What the driver calls.

    def start(self) -> list[Effect]:
        """What a new run does first: it notes that it is one."""
        return self._context.outbox.take()

    def handle(self, letter: Letter, now: float) -> list[Effect]:
        self._now = now
        if not self.has_ended:
            self._receive(letter)
        return self._context.outbox.take()

    def tick(self, now: float) -> list[Effect]:
        """Whatever time brings; to be called some ten times a second."""
        self._now = now
        if self.has_ended:
            return []
        self._voting.tick(now)
        self._proposer.tick(now)
        if self._forcing is not None and not self._forcing.is_over:
            self._forcing.tick(now)
        if (genesis := self._founding.tick(now, self.peers)) is not None:
            self._found(genesis)
        self._finish()
        self._share()
        return self._context.outbox.take()

    def propose(
        self, number: int, slot: int, commands: Sequence[Command], *, now: float, timeout: float
    ) -> list[Effect]:
        """See `Coordinator.propose`; *number* was never used before in this run."""
        self._now = now
        author = Author(self._context.node, self._voting.run, number)
        batch = Batch(self.generation, slot, self.state.head, author, tuple(commands))
        if (no := self._why_not(batch)) is not None:
            self._context.outbox.add(ReportOutcome(number, no))
        else:
            self._proposer.propose(Awaited(number, slot, batch, now + timeout), now)
        return self._context.outbox.take()

    def catch_up(self, number: int, *, now: float, timeout: float) -> list[Effect]:
        """See `Coordinator.catch_up`: a read through the log."""
        self._now = now
        if self._joining or self.is_busy:
            no = Refused("there is no cluster yet" if self._joining else "it is busy")
            self._context.outbox.add(ReportOutcome(number, no))
        else:
            self._proposer.propose(Awaited(number, 0, None, now + timeout), now)
        return self._context.outbox.take()

    def force(
        self, number: int, survivors: Sequence[str], *, now: float, timeout: float
    ) -> list[Effect]:
        """Begin a new generation with *survivors*, of which this node is one."""
        self._now = now
        if self._joining or self.is_busy or self._context.node not in survivors:
            self._context.outbox.add(ReportOutcome(number, Refused("it cannot force this")))
        else:
            self._forcing = Forcing(
                self._context, number, survivors, sealed=self._voting.sealed,
                deadline=now + timeout, now=now, learn=self._decide,
            )  # fmt: skip
            self._forcing.tick(now)
        return self._context.outbox.take()

    def begin_alone(self) -> None:
        """Found a cluster of this node, as soon as the rules allow it (`atoll layout init`)."""
        self._founding.ask_for((self._context.node,))

    def bring(self, nodes: Collection[str], slot: int) -> list[Effect]:
        """Bring *nodes*, which do not vote, what was decided from *slot* on."""
        voters = {seat.node for seat in self.state.seats}
        for node in sorted(set(nodes) - voters - {self._context.node}):
            self._context.outbox.send(node, self.log.page(slot - 1))
        return self._context.outbox.take()

    def hear(self, seat: Seat, generation: Hash, last: int, now: float) -> list[Effect]:
        """
        A node has said otherwise that it has the slots up to *last* of *generation*, synced: who is
        behind gets what is missing.
        """
        self._now = now
        if self._joining or generation != self.generation or last > self.log.last:
            self._context.outbox.send(seat.node, Have(self.log.last))
        else:
            self._note(seat, last)
        return self._context.outbox.take()

    def seat_of(self, node: str) -> Seat | None:
        """The seat to name in `Voters` for *node*; None where it lacks slots, or was not heard."""
        if node == self._context.node:
            return Seat(node, self._context.store, self._voting.run)
        heard = self._heard.get(node)
        return heard.seat if heard is not None and heard.last >= self.log.last else None

    # Letters.

    def _receive(self, letter: Letter) -> None:
        message = letter.message
        if isinstance(message, Hail) and self._joining:
            self._founding.on_hail(letter, message, self._now)
        elif isinstance(message, Empty):
            if (genesis := self._founding.on_empty(letter, message, self._now)) is not None:
                self._found(genesis)
        elif letter.generation == self.generation:
            if letter.generation:
                self._receive_own(letter)
        elif not self.generation:
            self._join(letter)
        elif not letter.generation:
            if isinstance(message, Have):
                self._context.outbox.send(letter.node, self.log.page(message.last))
            elif isinstance(message, Hail):
                self._context.outbox.send(letter.node, self._lineage())
        else:
            self._receive_foreign(letter)

    def _receive_own(self, letter: Letter) -> None:
        """Take a letter of this node's own generation."""
        now = self._now
        match letter.message:
            case Prepare() as ask:
                self._voting.on_prepare(letter, ask, now)
            case Accept() as ask:
                self._voting.on_accept(letter, ask, now)
            case Promise() as answer:
                self._voting.note_counter(letter, answer.counter)
                self._proposer.on_promise(letter, answer, now)
            case Accepted() as answer:
                self._voting.note_counter(letter, answer.counter)
                self._proposer.on_accepted(letter, answer, now)
            case BallotRefused() as answer:
                self._proposer.on_refused(answer, now)
            case Have(last):
                self._on_have(letter, last)
            case Slots(batches):
                self._learn(batches)
                self._context.outbox.send(letter.node, Have(self.log.last))
            case Hello() as ask:
                self._voting.on_hello(letter, ask, now)
            case Welcome() as answer:
                self._voting.on_welcome(letter, answer, now)
            case Stale() as answer:
                self._voting.on_stale(answer)
            case Seal() as ask:
                self._voting.on_seal(letter, ask)
            case Sealed() as answer:
                self._on_sealed(letter, answer)
            case Unseal() as answer:
                self._voting.on_unseal(answer)
            case Hail() | Empty() | Lineage() | Install():
                pass  # Of another time: it was another generation's.

    def _on_have(self, letter: Letter, last: int) -> None:
        self._note(Seat(letter.node, letter.store, letter.run), last)

    def _note(self, seat: Seat, last: int) -> None:
        """Take note of what a node of this generation has."""
        self._heard[seat.node] = LastWord(seat, last)
        self._proposer.on_have(seat.voter, last)
        if self._forcing is not None and not self._forcing.is_over:
            self._forcing.on_have(seat.node, last)
        self._level(seat.node, last)

    def _on_sealed(self, letter: Letter, answer: Sealed) -> None:
        forcing = self._forcing
        if forcing is not None and not forcing.is_over:
            forcing.on_sealed(letter, answer, self._voting.sealed)
            self._level(letter.node, answer.last)
        elif answer.force.node == self._context.node:
            self._context.outbox.send(letter.node, Unseal(answer.force))

    def _level(self, node: str, last: int) -> None:
        """Bring this node and *node*, which has the slots up to *last*, to the same slot."""
        if last < self.log.last:
            self._context.outbox.send(node, self.log.page(last))
        elif last > self.log.last:
            self._context.outbox.send(node, Have(self.log.last))

    def _join(self, letter: Letter) -> None:
        """Take over the log of a cluster, as a node that is in none."""
        self._founding.hear()
        if isinstance(letter.message, Lineage):
            self._ended.update(letter.message.lineage[:-1])
        if letter.generation in self._ended:
            return
        if not isinstance(letter.message, Slots):
            self._context.outbox.send(letter.node, Have(self.log.last))
            return
        try:
            self._learn(letter.message.batches)
        except Forked:
            self._come_back_empty("it has taken slots of two clusters", ())
            return
        if self.log.last >= letter.message.last:
            self._joining = False
            self._context.outbox.generation = self.generation
        self._context.outbox.send(letter.node, Have(self.log.last))

    def _receive_foreign(self, letter: Letter) -> None:
        """Take a letter of another generation: only one of the two goes on."""
        message = letter.message
        if isinstance(message, Install):
            self._install(message)
        elif isinstance(message, Lineage):
            self._meet(letter.node, message)
        elif isinstance(message, Have | Sealed) and letter.node in self._survivors():
            self._context.outbox.send(letter.node, Install(self.log.beyond(message.last)))
        else:
            self._context.outbox.send(letter.node, self._lineage())

    def _lineage(self) -> Lineage:
        used = self.log.last > 1
        return Lineage(self.state.lineage, self.state.founded_ms, used, self._survivors())

    def _survivors(self) -> tuple[str, ...]:
        """Who is named in the `Force` that began this generation."""
        for batch in reversed(self.log.slots):
            if isinstance(batch.commands[0], Force):
                return batch.commands[0].survivors
        return ()

    def _install(self, message: Install) -> None:
        """Go on in a generation that was forced, with what is here: this node is a survivor."""
        if self._voting.sealed is None:
            return  # It was not asked before, so it may have voted since: `_meet` decides.
        if message.batches and message.batches[0].slot > self.log.last + 1:
            return
        try:
            self._learn(message.batches)
            is_behind = bool(message.batches)
        except Forked:
            is_behind = False
        if not is_behind:  # It learned slots after it was sealed: the others were not lost.
            reason = "a forced generation goes on without the last slots of this node"
            self._come_back_empty(reason, self.state.lineage)

    def _meet(self, node: str, other: Lineage) -> None:
        match meet(self.state, used=self.log.last > 1, other=other):
            case Meeting.COME_BACK_EMPTY:
                if self._voting.sealed is not None and self._context.node in other.survivors:
                    self._context.outbox.send(node, Have(self.log.last))
                else:
                    ended = {*self.state.lineage, *other.lineage[:-1]} - {other.lineage[-1]}
                    self._come_back_empty("another generation took its place", sorted(ended))
            case Meeting.STOP:
                self.has_ended = True
                reason = "there is an older cluster, and this one has decided something"
                self._context.outbox.add(StopNode(reason))
            case Meeting.WAIT:
                pass

    def _come_back_empty(self, reason: str, ended: Sequence[Hash]) -> None:
        self.has_ended = True
        self._context.outbox.add(StartEmpty(reason, tuple(ended)))

    # Slots.

    def _found(self, genesis: Batch) -> None:
        self._joining = False
        self._decide(genesis)

    def _decide(self, batch: Batch) -> None:
        """Learn what is decided from here on, and tell the voters, those of before and after."""
        before = self.state.seats
        self._learn((batch,))
        nodes = {seat.node for seat in (*before, *self.state.seats)} - {self._context.node}
        for node in sorted(nodes):
            self._context.outbox.send(node, self.log.page(batch.slot - 1))

    def _learn(self, batches: Sequence[Batch]) -> None:
        generation = self.state.generation
        new = self.log.extend(batches)
        if not new:
            return
        is_other = bool(generation) and self.state.generation != generation
        self._context.outbox.generation = self.generation
        self._voting.on_slots(self.state, new_generation=is_other)
        self._voting.persist(*(batch for batch, _ in new))
        if is_other:
            self._proposer.abandon(Refused("another generation has begun"))
        self._proposer.on_slots(new, self._now)
        if self._forcing is not None and not self._forcing.is_over:
            self._forcing.go_on(self._voting.sealed)

    # Time.

    def _finish(self) -> None:
        """Finish the slot of a proposer that fell silent."""
        if self._now < self._finish_at or self.is_busy or not self._voting.has_to_finish(self._now):
            return
        config = self._context.config
        self._finish_at = self._now + self._context.chance.uniform(1, 2) * config.finish_after_s
        self._proposer.finish(self._now)

    def _share(self) -> None:
        """Ask somebody for further slots: gossip does so for a log of the cluster."""
        others = sorted(self.peers - {self._context.node})
        if self._now < self._share_at or not others:
            return
        self._share_at = self._now + self._context.config.share_interval_s
        peer = others[int(self._context.chance.random() * len(others))]
        self._context.outbox.send(peer, Have(self.log.last))

    def _why_not(self, batch: Batch) -> Outcome | None:
        """Why the proposal of *batch* cannot begin here; None when it can."""
        if self._joining:
            return Refused("there is no cluster yet")
        if self.is_busy:
            return Refused("it is busy with another proposal")
        if 1 <= batch.slot <= self.log.last:
            return Taken(batch.slot, self.log[batch.slot].author)
        if batch.slot != self.state.next:
            return Refused(f"this node has the slots up to {self.log.last}")
        if any(isinstance(command, Force) for command in batch.commands):
            return Refused("an operator forces that, no majority")
        if (reason := why_not(self.state, batch)) is not None:
            return Refused(reason)
        missing = tuple(node for command in batch.commands for node in self._unready(command))
        return NoMajority(missing) if missing else None

    def _unready(self, command: Command) -> list[str]:
        """The new voters of *command* that did not say lately that they have all slots."""
        if not isinstance(command, Voters):
            return []
        old = set(self.state.voters)
        new = [seat for seat in command.seats if seat.voter not in old]
        return [seat.node for seat in new if self.seat_of(seat.node) != seat]
