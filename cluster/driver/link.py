"""One link: what this node does with one connected peer, from its greeting to its loss."""

import asyncio
from contextlib import aclosing
from typing import Final, NamedTuple

from cluster.driver.duties import Duties
from cluster.driver.freshness import FreshnessDriver
from cluster.driver.intake import Intake
from cluster.driver.pusher import Pusher
from cluster.driver.roll import disk_of
from cluster.driver.roster import Roster
from cluster.driver.stages import Stages
from cluster.environment import Environment
from cluster.errors import (
    BelowFloor,
    ClusterError,
    PeerUnreachable,
    StageDiffers,
    StorageFailure,
)
from cluster.gossip import antientropy
from cluster.messages import Greeting
from cluster.model import Dot, NodeId, Origin, Region
from cluster.objects import claims
from cluster.peer import Peer
from cluster.state import WANTS_STATE, State
from cluster.tasks.changes import Topic
from cluster.tasks.groups import first_of, task_group
from cluster.tasks.rounds import Rounds, Stopped
from cluster.tasks.stall import watched

_LEARN_S: Final = 0.3
"""How long what was decided may take from one node to another: a round trip, and a sync."""

_STAGES_MAX: Final = 4
"""How often a pull is tried again for that: changes may follow each other."""


class Parts(NamedTuple):
    """What all links work with, and who answers at this end of them."""

    roster: Roster
    freshness: FreshnessDriver
    intake: Intake
    duties: Duties
    stages: Stages


class Link:
    """
    Push, heartbeat and pull with one peer, side by side, until the first error.

    For the next attempt a new link is made: nothing of a lost one is used again.
    """

    def __init__(
        self,
        env: Environment,
        peer: Peer,
        greeting: Greeting,
        parts: Parts,
        first_pulls: asyncio.Semaphore,
    ) -> None:
        self.peer = peer
        self.node: NodeId = greeting.member.node
        self.region: Region = greeting.member.region
        self.member = greeting.member
        self.disk = disk_of(greeting.member)
        self._epoch = greeting.member.epoch
        self._began = greeting.began
        self._pusher = Pusher(env, greeting.member, peer.events, parts.duties, parts.freshness)
        self._env = env
        self._parts = parts
        self._first_pulls = first_pulls
        self._met_lasting = False
        """Whether all that the last pull did not bring is behind gaps that last."""
        self._pulled_at = parts.stages.mine
        """The stage of the layout that the last pull named."""

        self._pulls = Rounds(self._pull_once)
        self._lost: asyncio.Future[PeerUnreachable] = asyncio.get_running_loop().create_future()
        self.caught_up = False
        self._differs = False

    async def run(self) -> None:
        """
        Work until the peer fails.

        Raises:
            ClusterError: why the link is lost. Whatever a peer answers, it ends the link at most.
            StorageFailure: the local storage failed.
        """
        try:
            async with task_group() as group:
                for part in (
                    self._pulls.run(),
                    self._catch_up_first(),
                    self._pusher.run(),
                    self._beat(),
                    self._watch(),
                ):
                    group.create_task(part, name=f"link {self.node}")
        except BaseExceptionGroup as failures:
            bugs = failures.split((ClusterError, StorageFailure))[1]
            if bugs is not None:
                raise
            raise first_of(failures) from failures
        finally:
            # `run` of the pulls does this itself, unless it was cancelled before its first step.
            self._pulls.stop(Stopped())

    @property
    def differs(self) -> bool:
        """Whether the peer, which goes by another layout, refused the last pull."""
        return self._differs

    @property
    def is_awaited(self) -> bool:
        """Whether a change of the layout waits until all that the peer has is here."""
        return self._parts.stages.lacks_pull(self.member)

    def vouches(self, dot: Dot) -> bool:
        """Whether the holder row that the peer made with *dot* counts as a copy."""
        # At its start the peer takes back rows that are not true, and the first pull brings that;
        # but not where its log has a gap. Then `Durability` asks the peer.
        if not self.caught_up or self._parts.intake.stands_still(self.node):
            return False
        return claims.stands(dot, self._epoch, self._began)

    async def pull(self) -> bool:
        """
        Bring here what the peer has now; callers share the pull that starts after they ask.

        Returns whether nothing is missing after it.

        Raises:
            ClusterError: the link is lost.
        """
        try:
            return await self._pulls.join()
        except Stopped as exc:
            raise PeerUnreachable(f"the link to {self.node} is closed") from exc

    def lose(self, error: PeerUnreachable) -> None:
        """End the link: somebody found out that the peer is gone."""
        if not self._lost.done():
            self._lost.set_result(error)

    async def _watch(self) -> None:
        raise await self._lost

    async def _catch_up_first(self) -> None:
        """
        Pull everything once; after that pushes keep this node current.

        It does not wait for what is behind a gap that lasts, or no newcomer would ever join, and
        nothing be repaired. That stays missing: its writer cannot count this node for it, and this
        node says "not found" of nothing while a peer is connected that has it.
        """
        # One link at a time: the peers know nearly the same, so the second one has little to bring.
        # Asked all at once, each would bring every event.
        while True:
            async with self._first_pulls:
                if await self.pull() or self._met_lasting:
                    break
            await self._wait_before_pull()
        self.caught_up = True
        self._env.join.caught_up(self.node)
        self._env.changes.beat(Topic.JOINED)

    async def _pull_once(self) -> bool:
        """
        Pull; again where the peer refused because one of the two had yet to learn of a layout, or
        each change of it would have somebody told that events are missing.
        """
        done = await self._pull_at_stage()
        for _ in range(_STAGES_MAX):
            if not self._differs:
                break
            if self._parts.stages.mine == self._pulled_at:
                await self._env.changes.wait_at_most(_LEARN_S, Topic.LAYOUT)
            done = await self._pull_at_stage()
        return done

    async def _pull_at_stage(self) -> bool:
        self._met_lasting = self._differs = False
        self._pulled_at = self._parts.stages.mine
        if not self._env.roll.may_give(self.member):
            return True  # Whatever it has counts for nothing.
        if self._env.checkpoints.restoring or self._is_too_far_behind():
            return False
        gaps, lag_ms = set[Origin](), self._env.clocks.lag_ms()
        stall_s, stages = self._env.config.stall_timeout_s, self._parts.stages
        stage, vector = self._pulled_at, self._env.events.vector()
        whole = self._parts.freshness.is_whole(self.member)
        pulled = self.peer.events.pull(self._env.me.node, stage, vector, run=self._epoch)
        stream = watched(pulled, stall_s, antientropy.size_of)
        try:
            async with aclosing(stream) as batches:
                async for batch in batches:
                    gaps.update(await self._parts.intake.take(batch))
        except StageDiffers:
            # It is further, or will be here in a moment; unless its disk takes no slots.
            stages.ask_for_slots(self.node)
            self._differs = True
            self._env.changes.beat(Topic.JOINED)
            return False
        except BelowFloor:
            self._env.log.info("events are gone at the peer", peer=self.node)
            self._want_state()
            return False
        if gaps:
            self._met_lasting = self._parts.intake.lasting(gaps)
        elif whole and not self._parts.intake.parks_wrongly(lag_ms):
            # What a disk lost that was set back, somebody else has.
            self._parts.freshness.note_pulled(self.member)
            stages.note_pulled(stage, self.member)
        return not gaps

    def _is_too_far_behind(self) -> bool:
        """Whether this node should take over a state, and not pull all the events of the peer."""
        have, config = self._env.progress.of(self.node), self._env.config
        if not antientropy.needs_state(self._env.events.vector(), have, config.checkpoint_events):
            return False
        self._want_state()
        return True

    def _want_state(self) -> None:
        self._env.state.put(State.LACKING, WANTS_STATE)
        self._env.changes.beat(Topic.STATE)

    async def _wait_before_pull(self) -> None:
        """Return when another pull may bring what the last one did not."""
        if State.LACKING in self._env.state:
            await self._env.changes.wait_until(
                lambda: State.LACKING not in self._env.state, Topic.STATE
            )
        else:
            # A newcomer is at no stage until it has learned of one, which takes a moment.
            stages = self._parts.stages
            await self._env.changes.wait_until(
                lambda: stages.mine != self._pulled_at,
                Topic.LAYOUT,
                at_most_s=self._env.config.antientropy_interval_s,
            )

    async def _beat(self) -> None:
        """Greet at every interval; several unanswered greetings in a row lose the link."""
        config = self._env.config
        misses = 0
        while True:
            close = self._parts.freshness.is_close(self.member)
            near_s, far_s = config.heartbeat_interval_s, config.heartbeat_remote_interval_s
            await asyncio.sleep(near_s if close else far_s)
            try:
                timeout_s = config.heartbeat_timeout_s
                greeting = await self._parts.roster.greet(self.node, self.peer.presence, timeout_s)
            except TimeoutError as exc:
                misses += 1
                self._parts.roster.note_doubt(self.node)
                if misses >= config.heartbeat_misses:
                    raise PeerUnreachable(f"{self.node} missed {misses} greetings") from exc
                continue
            misses = 0
            if (greeting.member.node, greeting.member.epoch) != (self.node, self._epoch):
                raise PeerUnreachable(f"{self.node} is another node now, or has another log")
