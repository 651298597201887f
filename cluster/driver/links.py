"""All links of this node: who is known, who is connected, and the tasks that keep it so."""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from contextvars import Context

from cluster.clock import MAX_OFFSET_MS
from cluster.driver.agreeing import Agreeing
from cluster.driver.bootstrap import Bootstrap, pull_all
from cluster.driver.forwarding import Forwarding
from cluster.driver.greetings import Greetings
from cluster.driver.intake import Intake
from cluster.driver.leasing import Leasing
from cluster.driver.link import Link, PullBegun
from cluster.driver.pausing import Pausing
from cluster.driver.seeking import Seeking
from cluster.driver.watcher import Watcher
from cluster.environment import Environment
from cluster.errors import (
    ClusterError,
    DuplicateNode,
    JoinRefused,
    PeerRefused,
    PeerUnreachable,
    StorageFailure,
)
from cluster.gossip import antientropy
from cluster.gossip.dissemination import Acknowledgements
from cluster.membership.absences import Absences
from cluster.membership.backoff import Backoff
from cluster.membership.clocks import ClockWatch
from cluster.membership.joining import Joining
from cluster.membership.members import Members
from cluster.model import Dot, Greeting, Member, NodeId, Origin, Rumour, Status, Vector
from cluster.peering import Peer, Transport
from cluster.waiting.groups import first_of, task_group
from cluster.waiting.pulse import Pulse


class Links:
    """
    Greets the seeds, and keeps one link to every member it hears of.

    Implements `replication.peers.Peers` and `link.LinkOwner`. `changes` beats whenever something
    that people wait for may have changed: the own log, acknowledgements, who is connected, joined.
    """

    def __init__(self, env: Environment, transport: Transport, intake: Intake) -> None:
        self._env = env
        self._transport = transport
        self._intake = intake
        self._watchers: list[Watcher] = []
        self.members = Members(env.me, env.config.members_max)
        self.joining = Joining(env.config.seeds, empty=not env.records.vector())
        self.acknowledgements = Acknowledgements(
            env.config.copies, env.records.origin, env.progress
        )
        self.greetings = Greetings(env, self.members, self.joining)
        self.leasing = Leasing(env, self.members, self.joining, self.acknowledgements)
        self.absences = Absences()
        self.pausing = Pausing(env, self.members, self.absences)
        self.agreeing = Agreeing(env)
        self.clocks = ClockWatch(env.config.clock_off_max_ms, env.config.clock_sample_max_s)
        self.forwarding = Forwarding(env, self)
        self.changes = Pulse()
        self.bootstrap = Bootstrap(env, self, self.live, self.changes)
        self._seeking = Seeking(env, transport, self.members, self.joining, self, self.changes)
        self._live: dict[NodeId, Link] = {}
        self._kept: dict[NodeId, asyncio.Event] = {}
        self._hindered: set[NodeId] = set()
        self._first_pulls = asyncio.Semaphore(1)
        self._group: asyncio.TaskGroup | None = None
        self._stopping = False

    async def run(self) -> None:
        """
        Keep the links until cancelled.

        Raises:
            JoinRefused: while joining, a peer knew another running node of this name, or every
                seed that answered belongs to another cluster.
        """
        try:
            async with task_group() as group:
                self._group = group
                for member in self.members.others():
                    self._keep_linked(member.node)
                group.create_task(self._seeking.run(), name="join")
                try:
                    await asyncio.Event().wait()
                finally:
                    self._stopping = True
                    # A greeting may still arrive, and an ending group takes no new task.
                    self._group = None
        except BaseExceptionGroup as failures:
            refused, others = failures.split(JoinRefused)
            if refused is None or others is not None:
                raise
            raise JoinRefused(str(first_of(refused))) from failures
        finally:
            self._kept.clear()

    def watch(self, watcher: Watcher) -> None:
        """Tell *watcher* from now on."""
        self._watchers.append(watcher)

    def restore(self, rumours: Sequence[Rumour]) -> None:
        """Know again who was a member before the restart, and wait for those when joining."""
        for rumour in rumours:
            self.members.restore(rumour)
        for member in self.members.others():
            dead = self.members.status(member.node) is Status.DEAD
            self.joining.remember(member.node, dead=dead)

    def note_standing(self, before: Rumour | None, after: Rumour) -> None:
        """What is known of a member has changed: who is linked to and waited for may change too."""
        node, status = after.member.node, after.standing.status
        if status is Status.LEFT:
            self.joining.excuse(node)
            self.agreeing.forget(node)
            self.clocks.forget(node)
            news = before is None or before.standing.status is not Status.LEFT
            if news and after.member.region == self._env.me.region:
                self.leasing.note_departure()
                self._pull_from_all()
        else:
            self._keep_linked(node)
        if before is not None and before.member.epoch != after.member.epoch:
            self._end_run_of(before.member)
        if status is Status.ALIVE and node in self._kept and node not in self._live:
            self._kept[node].set()
        self.changes.beat()

    def live(self) -> list[Link]:
        """The links that are up."""
        return list(self._live.values())

    def link(self, node: NodeId) -> Link | None:
        """The link to *node*, if it is up."""
        return self._live.get(node)

    def known(self) -> Sequence[Member]:
        return self.members.others()

    def living(self) -> Sequence[Member]:
        return self.members.living()

    def connected(self) -> Sequence[Member]:
        return self.members.connected()

    def peer(self, node: NodeId) -> Peer | None:
        link = self._live.get(node)
        return None if link is None else link.peer

    def has_caught_up(self, node: NodeId) -> bool:
        link = self._live.get(node)
        return link is not None and link.caught_up

    def vouches(self, dot: Dot) -> bool:
        link = self._live.get(NodeId(dot.node))
        return link is not None and link.vouches(dot)

    def report_unreachable(self, node: NodeId, error: PeerUnreachable) -> None:
        link = self._live.get(node)
        if link is not None:
            self._take_down(link)
            link.lose(error)

    async def wait_for_any(self, nodes: Collection[NodeId], timeout_s: float) -> None:
        if not nodes:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self.changes.wait_until(lambda: not self._live.keys().isdisjoint(nodes))

    def _meet(self, greeting: Greeting) -> None:
        """
        Take note of what a peer said in a greeting, whoever began it.

        Raises:
            PeerRefused: it cannot be a member (`Members.greet`).
        """
        member, known = greeting.member, greeting.known
        before = self.members.get(member.node)
        if before is not None and before.epoch > member.epoch and member.node in self._live:
            raise PeerRefused(f"a later run of {member.node} is connected")
        self.members.greet(member, greeting.protocol)
        if not greeting.brief:
            self.agreeing.note(member.node, greeting.settings)
        if before is not None and before.epoch != member.epoch:
            self.absences.end_excuse(member.node)
            self._end_run_of(before)
        if not self._env.progress.has_spoken(member):
            self.leasing.become_known()
        if self._env.progress.heard(
            member, greeting.have, since=greeting.since, version=greeting.version
        ):
            self.changes.beat()
        news = (member, *self.members.hear(known))
        for new in news:
            self._keep_linked(new.node)
        for new in (*news, *self.members.returned(known)):
            for watcher in self._watchers:
                watcher.met(new)
        link = self._live.get(member.node)
        if link is not None:
            link.leaving = greeting.leaving
            if greeting.brief:
                link.heard = greeting.heard
        elif member.node in self._kept and not self.pausing.is_excused(member.node):
            # It lives: no reason to wait for the end of a pause.
            self._kept[member.node].set()
        if (greeting.joined or greeting.began) and self.joining.vouch(member.node):
            self.changes.beat()

    async def greet(self, link: Link, timeout_s: float) -> Greeting:
        question = self.greetings.brief(link.node, link.heard)
        return await self.exchange(link.peer, question, timeout_s)

    async def exchange(self, peer: Peer, question: Greeting, timeout_s: float) -> Greeting:
        """Greet with *question* and take note of the answer."""
        asked_at, known = self._env.clock.now_s(), self.members.others()
        async with asyncio.timeout(timeout_s):
            answer = await peer.hello(question)
        member = answer.member
        if self.members.is_me(member):
            return answer
        answered_at = self._env.clock.now_s()
        mine_ms = self._env.clock.now_ms()
        try:
            self._meet(answer)
        except DuplicateNode as exc:
            if member.node == self._env.me.node:
                raise
            # Two others share a name. That is not this node's end, but no link either.
            raise PeerRefused(str(exc)) from exc
        if self.members.status(member.node) is not Status.LEFT:
            self.clocks.note(member.node, answer.wall_ms, asked_at, answered_at, mine_ms)
        departures = self.leasing.departures
        # An answer leaves them out where they are those that this node counted when it asked.
        counted = known if answer.members == question.members else answer.known
        if not self.leasing.counts_the_left(member.node, counted) and answer.current:
            self.leasing.take(member.node, asked_at)
        if self.leasing.departures > departures:
            self._pull_from_all()
        return answer

    def answer(self, question: Greeting) -> Greeting:
        """
        Take note of a greeting and answer it, with a lease if the sender may have one.

        Raises:
            PeerRefused: the sender cannot be a member.
        """
        sender = question.member
        if self.members.is_me(sender):
            return self.greetings.answer(question)
        self._meet(question)
        return self.greetings.answer(question, current=self.leasing.grant(sender))

    def is_current(self) -> bool:
        """Whether this node has everything that any member of its region has acknowledged."""
        if self.bootstrap.wanted:
            return False
        return self.leasing.is_covered()

    def clock_off_ms(self) -> float:
        """How far this node's wall clock is from its members', if that is too far; else 0."""
        return self.clocks.off_ms(self._env.clock.now_ms(), self._env.clock.now_s())

    def clock_off_at(self, wall_ms: int) -> float | None:
        """
        The same for a reading *wall_ms* of now; None as long as no member can have told. Any
        thread may ask.
        """
        if not self.joining.joined:
            return None
        return self.clocks.off_ms(wall_ms, self._env.clock.now_s())

    def clock_lag_ms(self) -> float:
        """How far this node's wall clock may be behind its members'; negative if it is ahead."""
        return self.clocks.lag_ms(self._env.clock.now_ms(), self._env.clock.now_s())

    def parks_wrongly(self, lag_ms: float) -> bool:
        """
        Whether events are parked here though their writers' clocks may be right, this node's having
        been behind by *lag_ms* when they were pulled.
        """
        # A clock that is right is at most `clock_off_max_ms` ahead of the median. What it stamps
        # is parked only where the clock is behind by the rest of what a stamp may be ahead.
        rest_ms = MAX_OFFSET_MS - self._env.config.clock_off_max_ms
        # The clock may have been set right meanwhile; what it parked before is not here yet.
        return max(lag_ms, self.clock_lag_ms()) > rest_ms and self._intake.parking

    def note_received(self, sender: NodeId, origins: Collection[Origin]) -> None:
        """Events of *origins* were handed over by *sender*; they may be for others too."""
        member = self.members.get(sender)
        if member is not None:
            self.forwarding.note_received(member.region, origins)
            self.changes.beat()

    def hindered(self) -> Collection[NodeId]:
        """
        Members that are there, as far as is known, and whose link this node's own storage ended:
        what they have is not here.
        """
        return self._hindered

    def note_caught_up(self, node: NodeId) -> None:
        self._hindered.discard(node)
        self.joining.caught_up(node)
        self.changes.beat()

    def begin_pull(self) -> PullBegun:
        return PullBegun(self.leasing.departures, self.clock_lag_ms())

    def note_pulled(self, node: NodeId, begun: PullBegun) -> None:
        if not self.parks_wrongly(begun.clock_lag_ms):
            self.leasing.note_pulled(node, begun.departures)

    def _pull_from_all(self) -> None:
        """Soon, so that reads need not wait for it. Where it fails, the next read tries again."""
        if self._group is not None:
            for link in self.live():
                self._group.create_task(pull_all(link), name=f"pull {link.node}", context=Context())

    def is_too_far_behind(self, have: Vector) -> bool:
        events_min = self._env.config.checkpoint_events
        if not antientropy.needs_state(self._env.records.vector(), have, events_min):
            return False
        self.bootstrap.want()
        return True

    def note_below_floor(self, node: NodeId) -> None:
        self._env.log.info("events are gone at the peer", peer=node)
        self.bootstrap.want()

    async def wait_before_pull(self) -> None:
        if self.bootstrap.wanted:
            await self.changes.wait_until(lambda: not self.bootstrap.wanted)
        else:
            await asyncio.sleep(self._env.config.antientropy_interval_s)

    def note_ending(self, node: NodeId, epoch: int) -> None:
        """*node* ends the run *epoch*, and means to be back soon."""
        if self.pausing.begin(node, epoch):
            self.report_unreachable(node, PeerUnreachable(f"{node} stopped, to be back soon"))

    def _end_run_of(self, member: Member) -> None:
        """*member* has started anew: what its last run said of itself need not hold any more."""
        self._env.progress.end_run(member.node)
        self.report_unreachable(member.node, PeerUnreachable(f"{member.node} was restarted"))

    def note_silence(self, node: NodeId) -> None:
        for watcher in self._watchers:
            watcher.doubted(node)

    def _keep_linked(self, node: NodeId) -> None:
        if self._group is None or node in self._kept:
            return
        self._kept[node] = asyncio.Event()
        self.absences.begin(node, self._env.clock.now_s())
        # Not in the context of the call that made the member known: its request id ends with it.
        self._group.create_task(self._keep(node), name=f"member {node}", context=Context())

    async def _keep(self, node: NodeId) -> None:
        """Open a link to *node* whenever there is none; pauses grow while that fails."""
        backoff, kick, reason = self.backoff(), self._kept[node], ""
        # Before Python 3.13 a TaskGroup that is cancelled while a child fails raises the child's
        # error only, so a session may end with an error though this task was told to stop.
        while True:
            kick.clear()
            try:
                await self._session(node, backoff)
            except (ClusterError, StorageFailure) as exc:
                # The peer or the local disk failed: both may be back at the next attempt.
                if isinstance(exc, ClusterError):
                    self._hindered.discard(node)
                if not self.pausing.is_excused(node):
                    reason = self.note_failure(exc, reason, peer=node)
                self.joining.failed(node)
                self.changes.beat()
            if self._stopping or self.members.status(node) in (None, Status.LEFT):
                del self._kept[node]
                self.absences.end(node)
                # Nobody will pull from it any more.
                self._hindered.discard(node)
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(max(backoff.next_s(), self.pausing.patience_s(node))):
                    await kick.wait()

    async def _session(self, node: NodeId, backoff: Backoff) -> None:
        member = self.members.get(node)
        assert member is not None, "members that may be linked to are not forgotten"
        peer = self._transport.connect(member.rpc)
        try:
            greeting = await self.first_greeting(peer)
            if greeting.member.node != node:
                raise PeerRefused(f"{greeting.member.node} answers at the address of {node}")
            link = Link(
                self._env,
                self,
                peer,
                greeting,
                self._intake,
                self.forwarding,
                self.changes,
                self._first_pulls,
            )
            self._bring_up(link)
            try:
                await link.run()
            except StorageFailure:
                # Before the link counts as down: a reader must not take this for absence.
                self._hindered.add(node)
                raise
            except ClusterError as exc:
                self._env.counters.links_lost += 1
                if not self.pausing.is_excused(node):
                    self._env.log.warning("link lost", peer=node, reason=str(exc))
                raise
            finally:
                self._take_down(link)
                if link.caught_up:
                    # A peer that greets and then fails at once has to wait its turn.
                    backoff.reset()
        finally:
            await peer.close()

    async def first_greeting(self, peer: Peer) -> Greeting:
        try:
            return await self.exchange(
                peer, self.greetings.first(), self._env.config.dial_timeout_s
            )
        except TimeoutError as exc:
            raise PeerUnreachable("no answer to the first greeting") from exc

    def _bring_up(self, link: Link) -> None:
        self._live[link.node] = link
        # From here on a kick says that the member was restarted: its new link must not wait.
        self._kept[link.node].clear()
        self.members.connect(link.node)
        self.absences.end(link.node)
        self.changes.beat()
        self._env.log.info("link up", peer=link.node, peer_region=link.region)
        for watcher in self._watchers:
            watcher.link_up(link.node)

    def _take_down(self, link: Link) -> None:
        if self._live.get(link.node) is link:
            del self._live[link.node]
            self.members.disconnect(link.node)
            self.absences.begin(link.node, self._env.clock.now_s())
            self.changes.beat()
            for watcher in self._watchers:
                watcher.doubted(link.node)

    def backoff(self) -> Backoff:
        config = self._env.config
        return Backoff(config.backoff_min_s, config.backoff_max_s, self._env.rng)

    def note_failure(self, error: Exception, before: str, **where: object) -> str:
        """
        Log why there is no link, aloud when it is not what it was *before*; returns the reason.

        Raises:
            DuplicateNode: that was it, while joining. A node that has joined stays: the
                newcomer has to go.
        """
        if isinstance(error, DuplicateNode) and not self.joining.joined:
            raise error
        reason = f"{type(error).__name__}: {error}"
        log = self._env.log.debug if reason == before else self._env.log.warning
        log("no link", reason=reason, **where)
        return reason
