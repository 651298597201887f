"""
One run of a node: the real driver of freshness, and in few lines what the engine does around it.

`Roster`, `Greetings`, `Service`, `Pusher` and `Link` of `cluster.driver` are what it does likewise;
where those are more careful than this, the difference is a comment.
"""

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

from cluster.driver.freshness import FreshnessDriver
from cluster.driver.roll import disk_of
from cluster.layout.handover import Handover, Phase, Pulls, Report
from cluster.layout.transition import Live
from cluster.messages import Confirmation, Decisions, Greeting, PushAnswer, Stage
from cluster.model import Disk, Dot, Member, NodeId, Origin, Vector
from tests.freshness.surroundings import Events, Slots, surroundings

if TYPE_CHECKING:
    from tests.freshness.machine import Machine

MISSES: Final = 3
PUSHES_AHEAD: Final = 4


class Refused(Exception):
    """The other side takes no part in this."""


class Push(NamedTuple):
    """A part of the sender's log."""

    sender: NodeId
    stage: Stage
    origin: Origin
    after: int
    upto: int


class Process:
    def __init__(self, machine: "Machine", epoch: int) -> None:
        self.machine = machine
        self.world = machine.world
        self.loop = machine.world.loop
        self.random = machine.world.random
        self.is_over = False
        self.origin = Origin(machine.node, epoch)
        self.me = Member(
            machine.node, machine.region, f"{machine.node}:1", "", epoch, store=machine.disk.store
        )
        self.slots = Slots(self.world.decided, machine.slots)
        self.events = Events(self.origin, machine.durable)
        self.env = surroundings(self.me, self.world.config, machine.clock, self.events, self.slots)
        for member in machine.known.values():
            self.env.members.greet(member)
        self.driver = FreshnessDriver(self.env)
        self.pulls = Pulls()
        self.reports: dict[NodeId, Report] = {}
        self.handover: Handover | None = None
        self.links: dict[NodeId, int] = {}
        """The runs to which links are up."""

        self.misses: dict[NodeId, int] = {}
        self.pushed: dict[NodeId, int] = {}
        self.ahead: dict[NodeId, int] = {}
        self.written = 0
        self.open: deque[tuple[int, float]] = deque()
        """The events of this run that are not acknowledged, and when they were written."""

    @property
    def stage(self) -> Stage:
        return self.slots.stage

    def now(self) -> float:
        return self.machine.clock()

    def start(self) -> None:
        for other in self.world.others(self.machine):
            self._every(partial(self._beat_s, other.node), partial(self.beat, other.node))
            self._every(lambda: 0.1, partial(self.push, other.node))
            self._every(lambda: self.world.repair_s, partial(self._repair, other.node))
        self._every(lambda: 0.03, self._tick)

    def after(self, delay_s: float, call: Callable[[], None]) -> None:
        """Do *call* in a while, unless this run is over by then; later if it is frozen."""

        def act() -> None:
            if self.is_over:
                return
            rest = self.machine.frozen_until - self.world.now
            if rest > 0:
                self.loop.after(rest + self.random.uniform(0, 0.01), act)
            else:
                call()

        self.loop.after(delay_s, act)

    def _every(self, period_s: Callable[[], float], call: Callable[[], None]) -> None:
        def again() -> None:
            call()
            self.after(period_s() * self.random.uniform(0.9, 1.1), again)

        self.after(self.random.uniform(0, period_s()), again)

    # Greetings: `Roster` and `Greetings`.

    def _beat_s(self, node: NodeId) -> float:
        other = self.world.machines[node]
        quorums = self.slots.live.quorums
        near = other.region == self.me.region or any(
            {self.machine.disk, other.disk} <= each for found in quorums.values() for each in found
        )
        return 0.25 if near else 1.0

    def beat(self, node: NodeId) -> None:
        brief, asked_at = node in self.links, self.now()
        question = self._greeting(brief=brief)
        if brief and (member := self.env.members.get(node)) is not None:
            question = replace(question, confirmation=self.driver.confirmation(member))
        self.misses[node] = self.misses.get(node, 0) + 1
        if self.misses[node] > MISSES:
            self.unlink(node)
        self.world.ask(
            self, node, lambda there: there.on_hello(question),
            lambda answer: self._on_answer(node, question, answer, asked_at),
        )  # fmt: skip

    def on_hello(self, question: Greeting) -> Greeting:
        self._note(question)
        granted = question.stage == self.stage and self.driver.grant(question)
        return replace(
            self._greeting(brief=question.brief),
            current=granted,
            confirmation=self.driver.confirmation(question.member),
            earlier=None if question.brief else dict(self.driver.earlier(question.member)),
        )

    def _on_answer(
        self, node: NodeId, question: Greeting, answer: Greeting, asked_at: float
    ) -> None:
        self._note(answer)
        self.misses[node] = 0
        if answer.current and question.stage == answer.stage == self.stage:
            self.driver.take(answer.member, asked_at)
            self.world.oracles.leased(self, disk_of(answer.member))
        if not question.brief:
            self.links[node] = answer.member.epoch
            self.env.members.connect(node)
        elif self.links.get(node) != answer.member.epoch:
            self.unlink(node)

    def unlink(self, node: NodeId) -> None:
        if self.links.pop(node, None) is not None:
            self.env.members.disconnect(node)
        self.pushed.pop(node, None)

    def _greeting(self, *, brief: bool) -> Greeting:
        report = self._report()
        return Greeting(
            cluster="c", member=self.me, known=(), have=dict(self.events.vector()), brief=brief,
            stage=report.stage, pulled=tuple(sorted(disk.store for disk in report.pulled)),
            continuous=report.continuous, decisions=Decisions(slot=self.slots.read),
        )  # fmt: skip

    def _report(self) -> Report:
        pulled = self.pulls.at(self.stage) if self.stage.joint else frozenset[Disk]()
        continuous = self.driver.is_continuous()
        if continuous:
            self.machine.is_set_back = False
        return Report(self.machine.disk, self.me.epoch, self.stage, pulled, continuous)

    def _note(self, greeting: Greeting) -> None:
        member, members = greeting.member, self.env.members
        before = members.get(member.node)
        if before is not None and before.epoch > member.epoch:
            self._insist_on_another_disk(before, member)
        members.greet(member)
        if before is not None and before.epoch != member.epoch:
            self.driver.end_run(before, disk_said=self.env.progress.of(member.node))
            self.env.progress.end_run(member.node)
            self.unlink(member.node)
        disks = frozenset(self.slots.disks(greeting.pulled))
        self.reports[member.node] = Report(
            disk_of(member), member.epoch, greeting.stage, disks, greeting.continuous
        )
        self.env.progress.heard(member, self._counted(greeting))
        self.driver.note(greeting)
        self._hear(member, greeting.confirmation)
        if greeting.decisions.slot > self.slots.read:
            self.learn(greeting.decisions.slot)
        self.look()

    def _insist_on_another_disk(self, later: Member, earlier: Member) -> None:
        if later.store == earlier.store or self.env.members.is_connected(later.node):
            raise Refused

    def _counted(self, greeting: Greeting) -> Vector:
        return greeting.have if greeting.stage == self.stage else {}

    def _hear(self, member: Member, said: Confirmation | None) -> None:
        if said is not None and said.epoch == self.me.epoch:
            self.world.oracles.told(disk_of(member), self.origin, said.upto)

    # The layout: `Stages`, `Layouts` and the control log.

    def learn(self, slots: int) -> None:
        """Read what was decided, soon."""

        def read() -> None:
            if slots > self.slots.read:
                self.slots.read = self.machine.slots = self.slots.read + 1
                self.handover = None
                self.driver.follow_layout()
                self.learn(slots)

        self.after(self.random.choice([0.001, 0.01, 0.1]), read)

    def _tick(self) -> None:
        self.look()
        live = self.slots.live
        if not live.stage.joint:
            return
        for node in list(self.links):
            disk = self.world.machines[node].disk
            if disk in live.members and disk not in self.pulls.at(self.stage):
                self.pull(node)
        if self.handover is None:
            config = self.env.config
            far = any(layout.witnesses for layout in live.layouts)
            laggard_s = config.laggard_remote_s if far else config.laggard_s
            self.handover = Handover(live, config.lease_s, laggard_s, self.now())
        for report in (self._report(), *self.reports.values()):
            self.handover.note(report, self.now())
        ready = self.handover.view(self.now()).phase is Phase.READY
        if ready and self.slots.read == len(self.world.decided):
            self.world.decided.append(Live(live.newest))
            self.world.count("layout changes ended")
            self.learn(len(self.world.decided))

    # Events: `Pusher`, `Service`, `Intake` and `Link`.

    def write(self) -> None:
        self.written += 1
        seq = self.written
        self.open.append((seq, self.world.now))
        self.sync({self.origin: seq}, lambda: [self.push(node) for node in list(self.links)])

    def sync(self, upto: Vector, done: Callable[[], object]) -> None:
        """Make *upto* durable, which others may see a moment before this node's loop does."""

        def note() -> None:
            now = self.events.vector()
            self.driver.note_synced({origin: (0, now.get(origin, 0)) for origin in upto})
            done()
            self.look()

        def synced() -> None:
            for origin, seq in upto.items():
                self.events.durable[origin] = max(seq, self.events.durable.get(origin, 0))
            self.world.oracles.synced(self.machine)
            if self.random.random() < 0.02:
                self.machine.keep_image()
            late_s = self.random.uniform(0, 0.02) if self.random.random() < 0.2 else 0.0
            if late_s * self.world.note_late:
                self.after(late_s, note)
            else:
                note()

        self.after(self.machine.sync_s * self.random.uniform(0.3, 3), synced)

    def push(self, node: NodeId) -> None:
        """Send what *node* lacks of this run's log."""
        if node not in self.links or self.ahead.get(node, 0) >= PUSHES_AHEAD:
            return
        member = self.env.members.get(node)
        before = self.env.progress.reached(node, self.origin)
        after = max(before, self.pushed.get(node, 0))
        upto = self.events.vector().get(self.origin, 0)
        if upto <= after or member is None:
            return
        self.pushed[node] = upto
        self.ahead[node] = self.ahead.get(node, 0) + 1
        stage = self.stage

        is_over = False

        def over() -> None:
            nonlocal is_over
            self.ahead[node] -= not is_over
            is_over = True
            if self.env.progress.reached(node, self.origin) < upto:
                self.pushed.pop(node, None)

        def answered(answer: PushAnswer) -> None:
            self.driver.hear(member, stage, answer.confirmation)
            self._hear(member, answer.confirmation)
            self.env.progress.pushed(member, answer.have)
            over()
            self.look()

        self.after(self.random.uniform(0.3, 1.0), over)
        run, push = self.links[node], Push(self.me.node, stage, self.origin, after, upto)
        self.world.call(self, node, lambda there, reply: there.on_push(push, run, reply), answered)

    def on_push(self, push: Push, run: int, reply: Callable[[PushAnswer], None]) -> None:
        self._insist_on_run(run)
        member, origin = self.env.members.get(push.sender), push.origin
        if member is None or not self.env.roll.has(member):
            raise Refused
        gap = self.events.vector().get(origin, 0) < push.after

        def applied() -> None:
            if self.stage != push.stage:
                reply(PushAnswer({}))
                return
            have = {origin: self.events.vector().get(origin, 0)}
            known = self.env.members.get(push.sender)
            confirmation = None if known is None else self.driver.confirmation(known)
            reply(PushAnswer(have, confirmation))

        self.sync({} if gap else {origin: push.upto}, applied)

    def _insist_on_run(self, run: int) -> None:
        if run != self.me.epoch:
            raise Refused

    def pull(self, node: NodeId, done: Callable[[], None] = lambda: None) -> None:
        """Get all that *node* has; *done* is called once it is here."""
        member, stage = self.env.members.get(node), self.stage
        if node not in self.links or member is None:
            return
        if not self.env.roll.may_give(member):
            done()
            return

        whole, run = self.driver.is_whole(member), self.links[node]

        def here() -> None:
            self._note_pulled(stage, member, whole)
            done()

        self.world.call(
            self, node, lambda there, reply: there.on_pull(stage, run, reply),
            lambda vector: self.sync(vector, here),
        )  # fmt: skip

    def _note_pulled(self, stage: Stage, member: Member, whole: bool) -> None:
        if whole:
            self.driver.note_pulled(member)
            self.pulls.note(stage, disk_of(member))

    def on_pull(self, stage: Stage, run: int, reply: Callable[[Vector], None]) -> None:
        self._insist_on_run(run)
        if stage == self.stage:
            reply(dict(self.events.vector()))

    def _repair(self, node: NodeId) -> None:
        """Anti-entropy. `CatchUp._repair` takes one peer at a time; this may take each."""
        member = self.env.members.get(node)
        if node in self.links and member is not None:
            vector, theirs = self.events.vector(), self.env.progress.of(node)
            ahead = any(seq > vector.get(origin, 0) for origin, seq in theirs.items())
            if ahead or self.driver.awaits(disk_of(member)):
                self.pull(node)

    # Answers: `Acknowledger` and `CatchUp`.

    def look(self) -> None:
        """Acknowledge what may be acknowledged."""
        while self.open:
            seq, written_at = self.open[0]
            if self.events.vector().get(self.origin, 0) < seq:
                return
            having = [
                member
                for member in self.env.roll.others()
                if self.env.progress.reached(member.node, self.origin) >= seq
            ]
            if not self.env.roll.suffice(having):
                return
            backing = self.driver.backing(Dot(*self.origin, seq))
            if not self.env.roll.is_majority(backing.confirmed):
                return
            self.open.popleft()
            self.world.oracles.acknowledged(self, seq, backing.confirmed, written_at)

    def read(self) -> None:
        if self.driver.is_covered():
            self.world.oracles.read(self, self.world.oracles.acked(self.me.region), "lease")
            return
        wanted = dict(self.world.oracles.acked(self.me.region))
        stage, given = self.stage, set[Disk]()
        is_answered = False

        def look() -> None:
            nonlocal is_answered
            if not is_answered and self.stage == stage and self.driver.suffice(given):
                is_answered = True
                self.world.oracles.read(self, wanted, "round")

        def gave(disk: Disk, whole: bool) -> None:
            if whole:
                given.add(disk)
            look()

        for disk in self._others():
            member = self.env.members.get(disk.node)
            if member is not None and disk_of(member) == disk:
                whole = self.driver.is_whole(member)
                self.pull(disk.node, partial(gave, disk, whole))
        look()

    def _others(self) -> Iterator[Disk]:
        yield from sorted(self.driver.quorum() - {self.machine.disk})
