"""Feeds `cluster.freshness` with what happens here, and asks it for those who read and write."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from cluster.driver.roll import disk_of
from cluster.environment import Environment
from cluster.freshness.continuity import EarlierRuns
from cluster.freshness.grants import Grant
from cluster.freshness.machine import Backing, Coverage, Durations, Freshness
from cluster.gossip.progress import News
from cluster.messages import Confirmation, Greeting, Stage
from cluster.model import Disk, Dot, Member, NodeId, Origin, Region, Run, Vector, Vitals
from cluster.state import Act
from cluster.tasks.changes import Topic


class _Found(NamedTuple):
    """The runs of the members of a quorum, and of what they were found."""

    quorum: frozenset[Disk]
    others: Sequence[Member]
    epochs: dict[Disk, int]


class FreshnessDriver:
    """
    The hands of `Freshness`: knows members where that knows disks, and wakes who waits.

    What members confirm comes in greetings and in answers to pushes. Leases travel in greetings.
    """

    def __init__(self, env: Environment) -> None:
        config, now = env.config, env.clock.now_s()
        durations = Durations(
            lease_s=config.lease_s,
            laggard_s=config.laggard_s,
            laggard_remote_s=config.laggard_remote_s,
            trust_s=config.dial_timeout_s,
        )
        self._env = env
        self._own = Run(disk_of(env.me), env.me.epoch)
        self._start = dict(env.events.vector())
        self._machine = Freshness(self._own, env.me.region, self._start, durations, now)
        self._earlier = EarlierRuns()
        self._whole: set[Run] = set()
        """Those that say that their disks have all that they ever said."""

        self._found: dict[Region, _Found] = {}
        """The runs of each region's quorum, as they were found last. Each greeting tells them."""

        self._begin()

    def follow_layout(self) -> None:
        """Note that something else is live of the layout."""
        self._begin()
        self._env.changes.beat(Topic.LEASES)

    def note_synced(self, news: News) -> None:
        """More of some logs is durable here."""
        self._machine.note_synced(news, self._env.clock.now_s())

    def note_state(self) -> None:
        """Another state was taken over: any log may have grown."""
        self._begin()

    # What members say.

    def note(self, greeting: Greeting) -> None:
        """Take what a member says of itself, and of this node, in a greeting."""
        member, run = greeting.member, _run_of(greeting.member)
        if greeting.earlier is not None:
            earlier = dict(greeting.earlier)
            if self._start:
                # A disk has the logs that it wrote, but for a new one's under an old name.
                own = self._env.events.origin
                wrote = greeting.have.items()
                earlier |= {o: seq for o, seq in wrote if o.node == own.node and o != own}
            self._machine.hear_of_before(run.disk, earlier)
        # At another stage it says nothing of its logs, and leaves what it said before to stand.
        if not greeting.continuous:
            self._whole.discard(run)
        elif greeting.stage == self._env.chronicle.stage:
            self._whole.add(run)
        self.hear(member, greeting.stage, greeting.confirmation)

    def hear(self, member: Member, stage: Stage, said: Confirmation | None) -> None:
        """*member*, at *stage*, perhaps confirms this node's log."""
        origin = self._env.events.origin
        if said is None or said.epoch != origin.epoch or not self._env.roll.has(member):
            return
        told = self._machine.hear(_run_of(member), stage, said)
        if told.upto > told.after:
            self._env.changes.note_progress(member.node, {origin: (told.after, told.upto)})
        if told.others:
            self._env.changes.beat(Topic.LEASES)

    def end_run(self, member: Member, *, disk_said: Vector) -> None:
        """Note that the run of *member* is over, which said that it has *disk_said*."""
        run = _run_of(member)
        served = {member.region, *self._machine.regions_of(run.disk)}
        kept = {
            o: seq
            for o, seq in disk_said.items()
            if any(self._matters(r, NodeId(o.node)) for r in served)
        }
        self._earlier.end(run.disk, kept, continuous=run in self._whole)
        self._whole.discard(run)
        self._machine.forget_runs(self._epochs(self._env.me.region))

    def grant(self, question: Greeting) -> bool:
        """Whether the sender of *question*, which has been noted, may read by this node's word."""
        member = question.member
        if not self._env.state.allows(Act.GRANT):
            return False
        have, now = self._env.progress.of(member.node), self._env.clock.now_s()
        answer = self._machine.greet(_run_of(member), member.region, have, now)
        if answer is Grant.FALLS_BEHIND:
            self._env.counters.laggards += 1
            self._env.log.info("a reader falls behind, and gets no lease", peer=member.node)
        return answer is Grant.GRANTED

    def take(self, member: Member, asked_at: float) -> None:
        """Note the lease that *member* granted to a question of *asked_at*."""
        covered = self.is_covered()
        self._machine.take(disk_of(member), asked_at)
        if not covered and self.is_covered():
            self._env.changes.beat(Topic.STATE)

    def note_pulled(self, member: Member) -> None:
        """All that *member*, whose disk is whole, had is here."""
        self._machine.note_pulled(disk_of(member))

    def is_whole(self, member: Member) -> bool:
        """Whether the disk of *member* has all that it ever said, by its word in this run."""
        return _run_of(member) in self._whole

    def awaits(self, disk: Disk) -> bool:
        """Whether *disk* may give back what the disk of this node lost."""
        return self._machine.awaits(disk, self._env.clock.now_s())

    # What this node says.

    def confirmation(self, member: Member) -> Confirmation | None:
        """What goes along with how far this node has the log of *member*; None: nothing."""
        env, now = self._env, self._env.clock.now_s()
        if not self._machine.speaks_for(member.region) or not self._machine.may_speak(now):
            return None
        origin = Origin(member.node, member.epoch)
        upto = env.events.vector().get(origin, 0)
        # Before it says who reads: whoever is listed from now on has what is confirmed here.
        self._machine.note_synced({origin: (0, upto)}, now)
        reached = {
            Run(disk, epoch): env.progress.reached(NodeId(disk.node), origin)
            for disk, epoch in self._machine.readers(member.region, now).items()
            if disk.node != member.node
        }
        return Confirmation(origin.epoch, upto, reached, self._epochs(member.region))

    def earlier(self, member: Member) -> Vector:
        """What this node heard the disk of *member* say in earlier runs."""
        return self._earlier.of(disk_of(member))

    def vitals(self) -> Vitals:
        """What this node says of its condition, and of whether leases cover its reads."""
        return self._env.vitals.mine()._replace(uncovered=self.why_uncovered())

    # Questions.

    def is_covered(self) -> bool:
        """Whether this node has everything that its region has acknowledged."""
        return self._machine.coverage(self._env.clock.now_s()) is Coverage.COVERED

    def covered_until(self) -> float:
        """Until when that is so, as things stand: seconds of the steady clock."""
        return self._machine.covered_until(self._env.clock.now_s())

    def is_continuous(self) -> bool:
        return self._machine.is_continuous(self._env.clock.now_s())

    def quorum(self) -> frozenset[Disk]:
        """Of whom majorities are counted in this region."""
        return self._machine.quorum()

    def is_close(self, member: Member) -> bool:
        """Whether leases pass between *member* and this node."""
        mine, disk = self._env.me.region, disk_of(member)
        if member.region == mine or disk in self._machine.quorum():
            return True
        return self._own.disk in self._machine.quorum(member.region)

    def suffice(self, given: Collection[Disk]) -> bool:
        """Whether those of whom this node has everything are a majority with it."""
        return self._machine.suffice(given, self._env.clock.now_s())

    def why_uncovered(self) -> str:
        """Why this node asks its region before each read, a line for people; empty: it does not."""
        now, roll = self._env.clock.now_s(), self._env.roll
        if self._env.state.allows(Act.READ) and self.is_covered():
            return ""
        if roll.has_me and not roll.is_store:
            return ""  # Others answer its clients.
        if not self._env.roll.has_me:
            return "it is no member by the layout"
        if not self._env.state.allows(Act.READ):
            return "it is not ready to serve"
        if not self.is_continuous():
            return "its disk may lack what it once confirmed: it asks the others of its region"
        lacking = sorted({disk.node for disk in self._machine.lacking_leases(now)})
        return f"no lease of {', '.join(lacking)}"

    def backing(self, dot: Dot) -> Backing:
        """How an event of this node stands in the quorum of its region."""
        region, now = self._env.me.region, self._env.clock.now_s()
        self._machine.note_synced({dot.origin: (0, dot.seq)}, now)
        return self._machine.backing(dot.seq, self._epochs(region), self._has, now)

    def _has(self, run: Run, seq: int) -> bool:
        (node, store), epoch = run
        member = self._env.members.get(NodeId(node))
        if member is None or member.epoch != epoch or member.store != store:
            return False
        return self._env.progress.reached(member.node, self._env.events.origin) >= seq

    def _epochs(self, region: Region) -> dict[Disk, int]:
        """The runs of the members of a region's quorum, as far as this node has heard."""
        quorum, others = self._machine.quorum(region), self._env.members.others()
        found = self._found.get(region)
        # Each change makes another tuple, but for the empty one.
        if found is not None and found.quorum is quorum and found.others is others and others:
            return found.epochs
        known = {self._own.disk: self._own.epoch}
        for disk in quorum:
            member = self._env.members.get(NodeId(disk.node))
            if member is not None and disk_of(member) == disk:
                known[disk] = member.epoch
        self._found[region] = _Found(quorum, others, known)
        return known

    def _begin(self) -> None:
        env = self._env
        self._machine.begin(env.roll.live, self._matters, env.events.vector(), env.clock.now_s())

    def _matters(self, region: Region, node: NodeId) -> bool:
        """What a node wrote that never served in a region, no reader of the region has to have."""
        regions = self._env.chronicle.regions_of(node)
        return not regions or region in regions


def _run_of(member: Member) -> Run:
    return Run(disk_of(member), member.epoch)
