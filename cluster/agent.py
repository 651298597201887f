"""
The engine of one node: the parts joined together, and their tasks.

    Cluster ── Links ──────── one Link per member: push, heartbeat, pull
            ├─ Seeds ──────── finds the cluster by its seeds
            ├─ Roster         greetings, and what follows from them
            ├─ FreshnessDriver  who of the region may read, here and there; who confirmed what
            ├─ ControlDriver  what the whole cluster decides, and who decides it
            ├─ Generations    how it begins, and goes on after a disaster, by an operator's word
            ├─ Steward        how the layout begins and grows, and how a change ends
            ├─ Stages         who is at this node's stage of the layout
            ├─ Prober ─────── who is alive, and who knows of it
            ├─ CatchUp ────── rounds of pulls for look-ups that miss; anti-entropy
            ├─ Reads          is what is here current
            ├─ Attendance     are enough nodes connected for a write
            ├─ Acknowledger   when may an event be acknowledged
            ├─ Arrivals       where is an event by now
            ├─ Trimmer ────── forgets events that everybody has
            ├─ Retirer ────── has one entry of the vector stand for all runs that are over
            ├─ Checkpoints    the whole state, for members that need forgotten events
            ├─ Repairer ───── copies that blobs lack since members were away
            ├─ Comparer ───── notices that an index is wrong
            ├─ Bootstrap ──── takes over a member's state, when this node needs some
            ├─ Fetcher ────── blobs on their way here
            ├─ Durability ─── blobs on their way to other holders
            └─ Service ────── what peers ask of this node
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from cluster.config import ClusterConfig
from cluster.driver.acknowledger import Acknowledger
from cluster.driver.arrivals import Arrivals
from cluster.driver.attendance import Attendance
from cluster.driver.bootstrap import Bootstrap
from cluster.driver.catchup import CatchUp
from cluster.driver.checkpoints import Checkpoints
from cluster.driver.comparer import Comparer
from cluster.driver.control import ControlDriver
from cluster.driver.duties import Duties
from cluster.driver.freshness import FreshnessDriver
from cluster.driver.generations import Generations
from cluster.driver.greetings import Greetings
from cluster.driver.intake import Intake
from cluster.driver.layouts import Layouts, Rows
from cluster.driver.link import Parts
from cluster.driver.links import Links
from cluster.driver.prober import Prober
from cluster.driver.reads import Reads
from cluster.driver.repairer import Repairer
from cluster.driver.retirer import Retirer
from cluster.driver.roll import Roll
from cluster.driver.roster import Roster
from cluster.driver.saved_members import SavedMembers
from cluster.driver.seeds import Seeds
from cluster.driver.service import Service
from cluster.driver.settings_check import SettingsCheck
from cluster.driver.stages import Stages
from cluster.driver.steward import Steward
from cluster.driver.trimmer import Trimmer
from cluster.environment import Environment
from cluster.errors import (
    EpochTaken,
    JoinRefused,
    NotCaughtUp,
    StartsEmpty,
    TwoClusters,
)
from cluster.gossip import antientropy
from cluster.gossip.progress import Progress
from cluster.layout.changes import Remove
from cluster.layout.chronicle import Chronicle
from cluster.layout.removal import Verdict
from cluster.membership.absences import Absences
from cluster.membership.clocks import ClockWatch
from cluster.membership.join import Join
from cluster.membership.members import Members
from cluster.membership.vitals import VitalsBook
from cluster.model import (
    Acknowledged,
    Consistency,
    Digest,
    Dot,
    Member,
    NodeId,
    Status,
)
from cluster.peer import Transport
from cluster.ports import BlobReplica, Chance, Clock, ControlStore, Log, MemberStore, Records
from cluster.replication.durability import Durability
from cluster.replication.fetcher import Fetcher
from cluster.routing import preference
from cluster.routing.distance import Distances
from cluster.state import NodeState, State
from cluster.statistics import ClusterStatistics, Counters, MemberStatistics
from cluster.tasks.changes import Changes, Topic
from cluster.tasks.groups import first_of, task_group


class Cluster:
    """
    The rest of the cluster, as this node sees it.

    Belongs to one event loop. Give `service.roles` to the transport's server, then keep `run`
    running; the other calls are for the registry and may come from many tasks at once.
    """

    def __init__(
        self,
        me: Member,
        config: ClusterConfig,
        *,
        records: Records,
        blobs: BlobReplica,
        transport: Transport,
        clock: Clock,
        rng: Chance,
        log: Log,
        members: MemberStore,
        control: ControlStore,
        who: Callable[[], str] = lambda: "",
    ) -> None:
        """*who* names who asks for what the current task does; empty: that is not noted."""
        members_known, chronicle = Members(me, config.members_max), Chronicle()
        self._env = env = Environment(
            me=me,
            config=config,
            events=records.events,
            retention=records.retention,
            checkpoints=records.checkpoints,
            sums=records.sums,
            holders=records.holders,
            blobs=blobs,
            clock=clock,
            rng=rng,
            log=log,
            who=who,
            counters=Counters(),
            progress=Progress(),
            members=members_known,
            join=Join(config.seeds, empty=not records.events.vector()),
            clocks=ClockWatch(clock, config.clock_off_max_ms, config.clock_sample_max_s),
            distances=Distances(),
            absences=Absences(),
            vitals=VitalsBook(),
            state=NodeState(),
            chronicle=chronicle,
            roll=Roll(me, chronicle, members_known),
            changes=Changes(),
        )
        self._intake = intake = Intake(env)
        duties = Duties(env)
        self.state = env.state
        self.state.watch(State.JOINING, self._why_joining)
        self._freshness = freshness = FreshnessDriver(env)
        chronicle.on_change.append(freshness.follow_layout)
        intake.on_synced = freshness.note_synced
        self._settings_check = SettingsCheck(env)
        self._stages = stages = Stages(env)
        stages.is_continuous = freshness.is_continuous
        greetings = Greetings(env, stages, freshness)
        self._retirer = retirer = Retirer(env, freshness, duties)
        self._roster = Roster(env, greetings, freshness, self._settings_check, stages, retirer)
        parts = Parts(self._roster, freshness, intake, duties, stages)
        self._links = Links(env, transport, parts)
        self._roster.watch(self._links)
        self._control = ControlDriver(env, control, self._links, transport)
        stages.on_decisions, stages.decisions = self._control.hear, self._control.decisions
        self.layouts = Layouts(env, self._control, stages)
        self.generations = Generations(env, self._control, self.layouts)
        self._steward = Steward(env, self._control, stages, self.layouts)
        self._seeds = Seeds(env, transport, self._roster, self._links)
        self._bootstrap = Bootstrap(env, self._links, intake)
        self._bootstrap.on_restored = freshness.note_state
        self._saved_members = SavedMembers(env, members)
        self._prober = Prober(env, self._roster, self._links, transport, self._saved_members)
        self._fetcher = Fetcher(env, self._links)
        self._durability = Durability(env, self._links, self._fetcher)
        self._attendance = Attendance(env, self._durability.required)
        self._catch_up = CatchUp(env, self._links, freshness, intake)
        self._reads = Reads(env, freshness, self._catch_up)
        self._acknowledger = Acknowledger(env, freshness)
        self._checkpoints = Checkpoints(env)
        self._trimmer = Trimmer(env, retirer)
        self._comparer = Comparer(env, self._links, self._bootstrap)
        self._repairer = Repairer(env, self._links, self._durability)
        self.service = Service(
            env,
            parts,
            self._links,
            self._fetcher,
            self._prober,
            self._checkpoints,
            self._comparer,
            self._control,
        )

        # What a part offers to the registry as it is.
        self.ensure_current = self._reads.ensure_current
        self.covered_until = self._reads.covered_until
        self.count_covered = self._reads.count_covered
        self.catch_up = self._catch_up.catch_up
        self.replicate = self._durability.replicate
        self.lacks_copies = self._durability.lacks_copies
        self.holding = self._durability.holding
        self.having = self._durability.having
        self.fetch = self._fetcher.fetch
        self.bring = self._fetcher.ensure
        self.wait_for = Arrivals(env).wait_for
        self.shortage = self._attendance.shortage
        self.clock_off_ms = env.clocks.off_ms
        self.vitals = env.vitals
        self.pause = self._prober.pause

        self._own = 0
        env.events.subscribe(self._note_own)

    def _note_own(self) -> None:
        """More of this node's own log is durable."""
        origin = self._env.events.origin
        before, self._own = self._own, self._env.events.vector().get(origin, 0)
        news = {origin: (before, self._own)}
        self._freshness.note_synced(news)
        self._env.changes.note_progress(self._env.me.node, news)

    async def run(self) -> None:
        """
        Be part of the cluster until cancelled.

        Raises:
            JoinRefused: the cluster does not take this node. `str()` is one line for people.
            StartsEmpty, TwoClusters: see `ControlDriver.run`, `Steward.run`.
            EpochTaken: see `Retirer.run`.
        """
        try:
            async with task_group() as group:
                for part in (
                    self._links,
                    self._seeds,
                    self._bootstrap,
                    self._prober,
                    self._control,
                    self._steward,
                    self._saved_members,
                    self._catch_up,
                    self._fetcher.jobs,
                    self._durability.jobs,
                    self._checkpoints,
                    self._trimmer,
                    self._retirer,
                    self._comparer,
                    self._repairer,
                ):
                    group.create_task(part.run(), name=type(part).__name__)
        except BaseExceptionGroup as failures:
            ended, others = failures.split((JoinRefused, StartsEmpty, TwoClusters, EpochTaken))
            if ended is None or others is not None:
                raise
            raise first_of(ended) from failures

    def is_joined(self) -> bool:
        """
        Whether every seed was greeted and caught up with, or `join_timeout_s` has passed; and
        whether this node is a member by the layout.
        """
        return State.JOINING not in self.state

    def _why_joining(self) -> str | None:
        env = self._env
        if not env.join.joined:
            return env.join.waits_for
        if env.roll.has_me:
            return None
        if env.chronicle.unreadable is not None:
            return str(env.chronicle.unreadable)
        if env.chronicle.live is not None:
            return f"{env.me.node} is not in the layout yet"
        if not env.config.initial:
            return "it knows of no cluster, and its settings name no nodes to begin one (initial)"
        there = {env.me.node, *(member.node for member in env.members.connected())}
        missing = ", ".join(sorted({*env.config.initial} - there))
        return "no cluster has begun yet" + (f": {missing} of initial not here" if missing else "")

    async def wait_joined(self) -> None:
        await self._env.changes.wait_until(self.is_joined, Topic.JOINED)

    async def ensure_joined(self) -> None:
        """
        Return once this node has joined; before, it knows neither who is there nor its own clock.

        Raises:
            NotCaughtUp: not so within `durable_timeout_s`.
        """
        if self.is_joined():
            return
        try:
            async with asyncio.timeout(self._env.config.durable_timeout_s):
                await self.wait_joined()
        except TimeoutError as exc:
            raise NotCaughtUp("this node has not joined its cluster yet") from exc

    async def ensure_copies(
        self,
        blobs: Sequence[tuple[Digest, int]],
        consistency: Consistency = Consistency.REGION,
    ) -> int | None:
        """
        Return once every blob has its copies; see `Durability.ensure_copies`.

        Raises:
            NotCaughtUp: this node has not joined yet. Nobody is connected then, and what is
                accepted would be on this node alone.
            NotEnoughNodes: too few nodes are connected, or for `global` not every living one is,
                and none came in time; see `Attendance`.
        """
        await self.ensure_joined()
        if consistency is not Consistency.LOCAL:
            await self._attendance.wait(consistency)
        return await self._durability.ensure_copies(blobs, consistency)

    async def wait_durable(
        self, dot: Dot, consistency: Consistency = Consistency.REGION
    ) -> Acknowledged:
        """Return once *dot* may be acknowledged; see `Acknowledger.wait_durable`."""
        await self.ensure_joined()
        return await self._acknowledger.wait_durable(dot, consistency)

    def http_address(self, node: NodeId) -> str | None:
        """
        Where a member's registry API is, as `host:port`; None when there is no such member, or it
        is dead or has left.
        """
        member, status = self._env.members.get(node), self._env.members.status(node)
        return None if member is None or status in (Status.DEAD, Status.LEFT) else member.http

    def living(self) -> Sequence[Member]:
        """The other members that are there: the same object for as long as that is so."""
        return self._env.members.living()

    def is_proxy(self) -> bool:
        """
        Whether clients are to be answered by other nodes: this one knows the layout, and is no
        store of it.
        """
        return self._env.roll.live is not None and not self._env.roll.is_store

    def servers(self) -> Sequence[Member]:
        """Who may answer clients in its place, the best first: connected stores."""
        env = self._env
        connected = {member.node: member for member in env.roll.servers()}
        order = preference.order((), tuple(connected.values()), env.me.region, env.rng)
        return [connected[node] for node in order]

    def check_writable(self, consistency: Consistency = Consistency.REGION) -> None:
        """
        Return if this node may write.

        Raises:
            ClockOff: its wall clock is too far from its members'.
            NotEnoughNodes: too few nodes are connected, and it would be no use to wait for more,
                or `refuse_degraded` is set; see `Attendance`.
        """
        self._reads.check_clock()
        if consistency is not Consistency.LOCAL:
            self._attendance.check(consistency)

    def clock_off_at(self, wall_ms: int) -> float | None:
        """
        How far this node's wall clock, which is *wall_ms* now, is ahead of its members', if that is
        too far; None before this node has joined, when no member has told it the time. Any thread
        may ask.
        """
        return self.clock_off_ms(wall_ms) if self._env.join.joined else None

    def uses(self, feature: str) -> bool:
        """Whether every member has *feature* (`membership.versions`), so that it may be used."""
        return self.is_joined() and self._env.roll.uses(feature)

    def seeds_missing(self) -> Mapping[str, str]:
        """The seeds that have not answered yet, joined or not, and why."""
        return self._env.join.seeds_missing

    async def drain(self, node: NodeId, rows: Rows, *, patience_s: float) -> Verdict:
        """Have others get the copies of *node*; see `Layouts.drain`."""
        return await self.layouts.drain(node, rows, patience_s=patience_s)

    async def verdict(self, node: NodeId, rows: Rows) -> Verdict:
        """Whether *node* may go; see `Layouts.verdict`."""
        return await self.layouts.verdict(node, rows)

    async def leave(self, rows: Rows, *, lost: bool) -> Sequence[NodeId]:
        """
        Be no member any more. The node has to stop then. Returns who has noted it.

        It goes with what only it has where it counts as *lost*; else as `Layouts.remove` says.

        Raises:
            LayoutRefused, NotDecided, NotCaughtUp, StorageFailure: see `Layouts.remove`.
        """
        self.state.put(State.LEAVING, "leaving")
        try:
            if lost:
                await self.layouts.change(Remove(self._env.me.node), lost=[self._env.me.node])
            else:
                patience_s = self._env.config.leave_timeout_s
                await self.layouts.remove(self._env.me.node, rows, patience_s=patience_s)
        except BaseException:
            self.state.put(State.LEAVING, None)
            raise
        return await self._prober.leave()

    async def dismiss(self, node: NodeId, rows: Rows) -> None:
        """Take *node* out, which has drained; see `Layouts.dismiss`."""
        await self.layouts.dismiss(node, rows)

    async def remove_lost(self, node: NodeId) -> None:
        """
        Take a dead member out of the layout, without waiting for what only it has.

        Raises:
            MemberUnknown, MemberNotDead: there is nothing to remove.
            LayoutRefused, NotDecided: see `Layouts.change`.
        """
        self.layouts.insist_lost(node)
        await self.layouts.change(Remove(node), lost=[node])
        if self._env.members.status(node) is Status.DEAD:
            self._prober.remove(node)

    def statistics(self) -> ClusterStatistics:
        env = self._env
        return ClusterStatistics(
            node=env.me.node,
            region=env.me.region,
            settings=dict(env.config.settings),
            http=env.me.http,
            in_layout=env.roll.has_me,
            joined=self.is_joined(),
            seeds_missing=dict(self.seeds_missing()),
            current=self._reads.are_covered(),
            clock_off_ms=self.clock_off_ms(),
            restoring=self._bootstrap.statistics(),
            damaged=State.DAMAGED in self.state,
            differing=self._comparer.differing,
            logs=len(env.events.vector()),
            logs_standing=len(self._intake.standing()),
            members=tuple(self._member_statistics(member) for member in self._env.members.others()),
            vitals=self._freshness.vitals(),
            health=self._prober.health,
            fetches_running=self._fetcher.jobs.running,
            fetches_waiting=self._fetcher.jobs.waiting,
            replications_running=self._durability.jobs.running,
            replications_waiting=self._durability.jobs.waiting,
            totals=replace(env.counters),
        )

    def _member_statistics(self, member: Member) -> MemberStatistics:
        vector, origin = self._env.events.vector(), self._env.events.origin
        have, own = self._env.progress.of(member.node), vector.get(origin, 0)
        connected = self._env.members.is_connected(member.node)
        known = self._env.members.rumour(member.node)
        assert known is not None, "only members are asked about"
        return MemberStatistics(
            node=member.node,
            region=member.region,
            rpc=member.rpc,
            http=member.http,
            connected=connected,
            status=known.standing.status,
            stopped=self._roster.is_excused(member.node),
            settings_differing=dict(self._settings_check.differing(member.node)),
            incarnation=known.standing.incarnation,
            lag_events=max(0, own - have.get(origin, 0)),
            ahead_events=antientropy.behind(vector, have) if connected else 0,
            in_layout=self._env.roll.has(member),
            clock_ahead_ms=self._env.clocks.ahead_ms(member.node) if connected else None,
            vitals=self._env.vitals.of(member),
        )
