"""One link: what this node does with one connected peer, from its greeting to its loss."""

import asyncio
from contextlib import aclosing
from typing import NamedTuple, Protocol

from cluster.driver.forwarding import Forwarding
from cluster.driver.intake import Intake
from cluster.driver.pushing import Pushing
from cluster.environment import Environment
from cluster.errors import BelowFloor, ClusterError, PeerUnreachable, StorageFailure
from cluster.gossip import antientropy
from cluster.model import Dot, Greeting, NodeId, Region, Vector
from cluster.objects import claims
from cluster.peering import Peer
from cluster.waiting.groups import first_of, task_group
from cluster.waiting.pulse import Pulse
from cluster.waiting.rounds import Rounds, Stopped
from cluster.waiting.stall import watched


class PullBegun(NamedTuple):
    """When a pull began."""

    departures: int
    """How often neighbours had left (`Leasing.departures`)."""

    clock_lag_ms: float
    """How far this node's wall clock was behind its members'."""


class LinkOwner(Protocol):
    """What a link needs of the table that it is in."""

    async def greet(self, link: "Link", timeout_s: float) -> Greeting:
        """Exchange greetings and take note; raises TimeoutError and `ClusterError`."""
        ...

    def note_caught_up(self, node: NodeId) -> None:
        """Everything that *node* had when the link came up is here now."""
        ...

    def begin_pull(self) -> PullBegun:
        """What has to be known of the time at which a pull begins."""
        ...

    def note_pulled(self, node: NodeId, begun: PullBegun) -> None:
        """A pull from *node* is over, without a gap."""
        ...

    def note_silence(self, node: NodeId) -> None:
        """A greeting was not answered in time."""
        ...

    def is_too_far_behind(self, have: Vector) -> bool:
        """Whether this node had better take over a state than the events up to *have*."""
        ...

    def note_below_floor(self, node: NodeId) -> None:
        """*node* no longer has events that are missing here."""
        ...

    async def wait_before_pull(self) -> None:
        """Return when another pull may bring what the last one did not."""
        ...


class Link:
    """
    Push, heartbeat and pull with one peer, side by side, until the first error.

    For the next attempt a new link is made: nothing of a lost one is used again.
    """

    def __init__(
        self,
        env: Environment,
        owner: LinkOwner,
        peer: Peer,
        greeting: Greeting,
        intake: Intake,
        forwarding: Forwarding,
        changes: Pulse,
        first_pulls: asyncio.Semaphore,
    ) -> None:
        self.peer = peer
        self.node: NodeId = greeting.member.node
        self.region: Region = greeting.member.region
        self._epoch = greeting.member.epoch
        self._began = greeting.began
        self.leaving = greeting.leaving
        self.heard = greeting.heard
        """What the peer has said that it heard of this node."""
        self._pushing = Pushing(env, greeting.member, peer, forwarding, changes)
        self._env = env
        self._owner = owner
        self._intake = intake
        self._changes = changes
        self._first_pulls = first_pulls
        self._pulls = Rounds(self._pull_once)
        self._lost: PeerUnreachable | None = None
        self.caught_up = False

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
                    self._pushing.run(),
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
            # A part cancelled before its first step cannot do this itself.
            self._pulls.stop(Stopped())

    def vouches(self, dot: Dot) -> bool:
        """Whether the holder row that the peer made with *dot* counts as a copy."""
        # What the peer took back at its start has come with the first pull.
        return self.caught_up and claims.stands(dot, self._epoch, self._began)

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
        self._lost = error
        self._changes.beat()

    async def _watch(self) -> None:
        await self._changes.wait_until(lambda: self._lost is not None)
        assert self._lost is not None
        raise self._lost

    async def _catch_up_first(self) -> None:
        """Pull everything once; after that pushes keep this node current."""
        # One link at a time: the peers know nearly the same, and with the second one most of it
        # is here already. Asking all at once would bring every event once per peer.
        while True:
            async with self._first_pulls:
                if await self.pull():
                    break
            await self._owner.wait_before_pull()
        self.caught_up = True
        self._owner.note_caught_up(self.node)

    async def _pull_once(self) -> bool:
        have = self._env.progress.of(self.node)
        if self._env.records.restoring or self._owner.is_too_far_behind(have):
            return False
        gapless, begun = True, self._owner.begin_pull()
        stall_s = self._env.config.stall_timeout_s
        stream = watched(self.peer.pull(self._env.records.vector()), stall_s, antientropy.size_of)
        try:
            async with aclosing(stream) as batches:
                async for batch in batches:
                    gapless &= await self._intake.take(batch)
                    self._changes.beat()
        except BelowFloor:
            self._owner.note_below_floor(self.node)
            return False
        if gapless:
            self._owner.note_pulled(self.node, begun)
        return gapless

    async def _beat(self) -> None:
        """Greet at every interval; several unanswered greetings in a row lose the link."""
        config = self._env.config
        near = self.region == self._env.me.region
        interval_s = config.heartbeat_interval_s if near else config.heartbeat_remote_interval_s
        misses = 0
        while True:
            await asyncio.sleep(interval_s)
            try:
                greeting = await self._owner.greet(self, config.heartbeat_timeout_s)
            except TimeoutError as exc:
                misses += 1
                self._owner.note_silence(self.node)
                if misses >= config.heartbeat_misses:
                    raise PeerUnreachable(f"{self.node} missed {misses} greetings") from exc
                continue
            misses = 0
            if (greeting.member.node, greeting.member.epoch) != (self.node, self._epoch):
                raise PeerUnreachable(f"{self.node} is another node now, or has another log")
