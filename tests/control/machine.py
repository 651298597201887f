"""The driver of one participant: what a node would do, with a disk and a process that can fail."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cluster.control.context import ControlConfig
from cluster.control.coordinator import Outcome
from cluster.control.effects import Effect, Persist, ReportOutcome, Send, StartEmpty, StopNode
from cluster.control.messages import AcceptorState, Letter, Welcome
from cluster.control.participant import Participant
from cluster.control.values import Batch
from tests.control.loop import Loop

CONFIG = ControlConfig(trust_after_s=0.8, finish_after_s=0.7, quiet_s=3.0)
TICK_S = 0.2
NEVER = float("inf")


@dataclass(slots=True)
class Disk:
    """What is synced, and what was so before: a disk may be set back."""

    store: str
    acceptor: AcceptorState = field(default_factory=AcceptorState)
    slots: list[Batch] = field(default_factory=list)
    history: list[tuple[AcceptorState, int]] = field(default_factory=list)

    def write(self, persist: Persist) -> None:
        self.history.append((self.acceptor, len(self.slots)))
        self.acceptor = persist.acceptor
        self.slots += [batch for batch in persist.slots if batch.slot > len(self.slots)]

    def steps_of_run(self) -> int:
        """How many syncs there were since the present run began, and that one."""
        run = self.acceptor.run
        return sum(acceptor.run == run for acceptor, _ in self.history) + 1

    def set_back(self, steps: int) -> None:
        self.acceptor, slots = self.history[-steps]
        del self.history[-steps:]
        del self.slots[slots:]


class Machine:
    """A node: its disk, and its process while it runs."""

    def __init__(
        self, name: str, region: str, loop: Loop, initial: Sequence[str], peers: Sequence[str], *,
        send: Callable[["Machine", Send], None],
        syncing: Callable[["Machine", float], None],
        synced: Callable[["Machine", Persist], None],
        reported: Callable[["Machine", int, Outcome], None],
    ) -> None:  # fmt: skip
        self.name = name
        self.region = region
        self.loop = loop
        self.initial = initial
        self.peers = peers
        self._send = send
        self._begins_to_sync = syncing
        self._synced = synced
        self._reported = reported
        self._disks = 0
        self.disk = self._new_disk()
        self.participant: Participant | None = None
        self.ended: tuple[bytes, ...] = ()
        self.is_destroyed = False
        self.has_stopped = False
        self.forgot = 0
        """The last slot that its disk may have voted on and forgotten. Until it has that slot, it
        may not trust itself."""

        self.slow_s = 0.0
        """How much longer a sync takes."""

        self._queue: deque[Effect] = deque()
        self._syncing: Persist | None = None
        self._process = 0

    def _new_disk(self) -> Disk:
        self._disks += 1
        return Disk(f"{self.name}#{self._disks}")

    @property
    def is_set_back(self) -> bool:
        """Whether it needs most other voters before it votes: it forgot something."""
        if self.participant is None or self.forgot:
            return self.forgot > 0
        voting = self.participant.voting
        return voting.is_set_back and not voting.may_vote(self.loop.now)

    @property
    def is_up(self) -> bool:
        return self.participant is not None

    def start(self) -> None:
        if self.is_up or self.is_destroyed or self.has_stopped:
            return
        loop, disk = self.loop, self.disk
        run = int(loop.now * 1000) + 1
        self._process += 1
        self.participant = Participant(
            node=self.name, store=disk.store, region=self.region, run=run, now=loop.now,
            wall_ms=int(loop.now * 1000), acceptor=disk.acceptor, slots=tuple(disk.slots),
            initial=self.initial, peers=self.peers, config=CONFIG, chance=loop.random,
            ended=self.ended,
        )  # fmt: skip
        if self.forgot:
            self._trust_at(NEVER)
        self._carry_out(self.participant.start())
        self._tick(self._process)

    def _trust_at(self, time: float) -> None:
        """
        When the participant may trust its disk. One that was set back may not, by assumption, until
        it has met enough voters, or one who heard more of it than it knows.
        """
        self.participant.voting._continuity._trust_at = time

    def _tick(self, process: int) -> None:
        if process == self._process and self.participant is not None:
            self._step(lambda node, now: node.tick(now))
            self.loop.after(TICK_S * self.loop.random.uniform(0.9, 1.1), self._tick, process)

    def receive(self, letter: Letter) -> None:
        if self.participant is None:
            return
        message = letter.message
        heard = message.heard if isinstance(message, Welcome) else 0
        if self.forgot and heard > self.disk.acceptor.counter:
            self._trust_at(self.loop.now + CONFIG.trust_after_s)
        self._step(lambda node, now: node.handle(letter, now))

    def call(self, step: Callable[[Participant, float], list[Effect]]) -> None:
        """Let a client or an operator ask the participant for something."""
        if self.participant is not None:
            self._step(step)

    def _step(self, step: Callable[[Participant, float], list[Effect]]) -> None:
        effects = step(self.participant, self.loop.now)
        self._carry_out(effects)

    def _carry_out(self, effects: list[Effect]) -> None:
        self._queue.extend(effects)
        if self._syncing is None:
            self._pump(self._process)

    def _pump(self, process: int) -> None:
        while self._queue and process == self._process:
            effect = self._queue.popleft()
            match effect:
                case Persist():
                    self._syncing = effect
                    delay = self.loop.random.uniform(0.001, 0.01) + self.slow_s
                    self.loop.after(delay, self._sync, process, effect)
                    self._begins_to_sync(self, delay)
                    return
                case Send():
                    self._send(self, effect)
                case ReportOutcome(number, outcome):
                    self._reported(self, number, outcome)
                case StartEmpty(_, ended):
                    self.wipe()
                    self.ended = ended
                    self.loop.after(0.1, self.start)
                case StopNode():
                    self.has_stopped = True
                    self.crash()

    def _sync(self, process: int, persist: Persist) -> None:
        if process != self._process:
            return
        self._write(persist)
        self._syncing = None
        self._pump(process)

    def _write(self, persist: Persist) -> None:
        self.disk.write(persist)
        if self.forgot and len(self.disk.slots) >= self.forgot:
            self.forgot = 0
            if self.participant is not None:
                self._trust_at(self.loop.now + CONFIG.trust_after_s)
        self._synced(self, persist)

    def crash(self) -> None:
        """End the process. What it was syncing may be on the disk; what it had to send is lost."""
        if self._syncing is not None and self.loop.random.random() < 0.5:
            self._write(self._syncing)
        self._process += 1
        self.participant = None
        self._queue.clear()
        self._syncing = None

    def wipe(self) -> None:
        self.crash()
        self.disk = self._new_disk()
        self.forgot = 0

    def set_back(self, steps: int) -> None:
        self.crash()
        self.forgot = max(self.forgot, len(self.disk.slots) + 1)
        self.disk.set_back(steps)

    def destroy(self) -> None:
        self.crash()
        self.is_destroyed = True
