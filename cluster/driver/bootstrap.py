"""Takes over the state of a peer when the events that lead there are gone."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from cluster import vectors
from cluster.driver.intake import Intake
from cluster.driver.link import Link
from cluster.driver.links import Links
from cluster.environment import Environment
from cluster.errors import (
    CheckpointUnavailable,
    ClusterError,
    PeerError,
    PeerUnreachable,
    StorageFailure,
)
from cluster.gossip import antientropy
from cluster.membership.backoff import Backoff
from cluster.model import CheckpointPiece, NodeId
from cluster.replication.peers import Peers
from cluster.routing import preference
from cluster.state import WANTS_STATE, State
from cluster.statistics import RestoreStatistics
from cluster.tasks.changes import Topic
from cluster.tasks.groups import task_group
from cluster.tasks.stall import watched


class Bootstrap:
    """
    Restores this node from a checkpoint when it lacks events, when its rows are to be replaced, or
    when an earlier run began to.

    One peer at a time, the nearest first. A broken stream goes on where it ended, at the same
    peer: another one has another state.
    """

    def __init__(self, env: Environment, links: Links, intake: Intake) -> None:
        self._env = env
        self._intake = intake
        self._peers: Peers = links
        self._live = links.live
        self._replacing: NodeId | None = None
        self._rows = self._rows_done = 0
        self.on_restored: Callable[[], None] = lambda: None
        """Told when another state is here; set by who has to know."""

        env.state.watch(State.RESTORING, lambda: WANTS_STATE if env.checkpoints.restoring else None)
        if env.checkpoints.restoring:
            env.state.put(State.LACKING, WANTS_STATE)

    def replace(self, node: NodeId) -> None:
        """
        Take over the state of *node*, though nothing is missing: the rows here are damaged.

        Tried once: as long as nothing was given up, this node goes on with what it has.
        """
        self._replacing = node
        self._env.state.put(State.LACKING, WANTS_STATE)
        self._env.changes.beat(Topic.STATE)

    async def run(self) -> None:
        config = self._env.config
        backoff = Backoff(config.backoff_min_s, config.backoff_max_s, self._env.rng)
        while True:
            await self._env.changes.wait_until(
                lambda: State.LACKING in self._env.state, Topic.STATE
            )
            # Should events be missing after all, the next pull says so again.
            done = await self._comes_as_events() or await self._try_each()
            once, self._replacing = self._replacing is not None, None
            if done or self._is_needless() or (once and not self._env.checkpoints.restoring):
                self._env.state.put(State.LACKING, None)
            self._env.changes.beat(Topic.STATE, self._env.me.node)
            if done:
                backoff.reset()
            else:
                await asyncio.sleep(backoff.next_s())

    def _is_needless(self) -> bool:
        """
        Whether what was missing has come as events meanwhile, from a peer that still had them.

        A member opens few checkpoints: a node that asks for none leaves them to others. Should
        events be missing after all, the next pull says so again.
        """
        events, connected = self._env.events, self._env.roll.connected()
        return (
            not self._env.checkpoints.restoring
            and self._replacing is None
            and bool(connected)
            and not any(
                antientropy.behind(events.vector(), self._env.progress.of(member.node))
                for member in connected
            )
        )

    async def _comes_as_events(self) -> bool:
        """
        Whether what was missing is here, after a pull from everybody if need be.

        The peer that said "below the floor" may have begun with a checkpoint, and have no events
        from before it; most often others have them.
        """
        if self._is_needless():
            return True
        if self._env.checkpoints.restoring or self._replacing is not None:
            return False
        if any(self._env.events.vector().values()):
            await self._wait_for_the_living()
        lacking = self._live()
        # Twice: after the first round a peer that refused may have all that is still missing.
        for _ in range(2):
            async with task_group() as group:
                pulls = [group.create_task(pull_all(link)) for link in lacking]
            lacking = [link for link, pull in zip(lacking, pulls, strict=True) if not pull.result()]
        return bool(self._env.roll.connected()) and not lacking

    async def _wait_for_the_living(self) -> None:
        """Wait for the links to all members that are there: the first ones come up much earlier."""
        roll = self._env.roll
        await self._env.changes.wait_until(
            lambda: len(roll.connected()) >= len(roll.living()),
            Topic.MEMBERS,
            at_most_s=self._env.config.dial_timeout_s,
        )

    def statistics(self) -> RestoreStatistics | None:
        """How far the restore that runs is; None while none does."""
        return RestoreStatistics(self._rows_done, self._rows) if self._rows else None

    async def _try_each(self) -> bool:
        """Whether the state of one of the connected members was taken over."""
        for node in self._sources():
            try:
                await self._take_over(node)
            except (ClusterError, StorageFailure) as exc:
                self._env.log.warning("no checkpoint", peer=node, reason=str(exc))
            else:
                self._env.counters.restores += 1
                return True
            finally:
                self._rows = self._rows_done = 0
        return False

    def _sources(self) -> Sequence[NodeId]:
        if self._replacing is not None and not self._env.checkpoints.restoring:
            return [self._replacing]
        connected = self._env.roll.connected()
        return preference.order((), connected, self._env.me.region, self._env.rng)

    async def _take_over(self, node: NodeId) -> None:
        number, after = 0, b""
        while True:
            place = number, after
            try:
                async with aclosing(self._pieces(node, number, after)) as pieces:
                    async for piece in pieces:
                        if not number:
                            await self._begin(node, piece)
                        number = piece.number
                        await self._env.checkpoints.restore(piece.part)
                        self._rows_done += piece.part.rows
                        after = piece.part.next
                        if not after:
                            await self._env.checkpoints.end_restore()
                            # The checkpoint has filled the gaps that stopped logs.
                            self.on_restored()
                            await self._intake.take(())
                            self._env.log.info("restored", peer=node, rows=self._rows_done)
                            return
                raise PeerUnreachable("the checkpoint ended early")
            except PeerError as exc:
                if place == (number, after):
                    # Not one piece came: nothing suggests that the next attempt gets further.
                    raise
                self._env.log.warning("checkpoint broke off", peer=node, reason=str(exc))
            await self._peers.wait_for_any({node}, self._env.config.checkpoint_keep_s)

    def _pieces(
        self, node: NodeId, number: int, after: bytes
    ) -> AsyncGenerator[CheckpointPiece, None]:
        peer = self._peers.peer(node)
        if peer is None:
            raise PeerUnreachable(f"the link to {node} is down")
        asked = peer.events.checkpoint(self._env.me.node, number, after)
        return watched(asked, self._env.config.stall_timeout_s, lambda piece: len(piece.part.data))

    async def _begin(self, node: NodeId, piece: CheckpointPiece) -> None:
        """
        Give up the state, if what *node* offers is worth it.

        Raises:
            CheckpointUnavailable: it is not.
        """
        mine, checkpoints = self._env.events.vector(), self._env.checkpoints
        wanted = checkpoints.restoring or self._replacing == node
        if not wanted and not antientropy.behind(mine, piece.head.vector):
            raise CheckpointUnavailable("it has nothing that is missing here")
        await checkpoints.begin_restore(piece.head)
        short = {origin.node for origin in vectors.stood_for(mine, piece.head.vector)}
        if nodes := short.intersection(vectors.unmet(mine, piece.head.vector)):
            self._env.log.warning("retired logs differ", peer=node, nodes=sorted(nodes))
        self._rows = piece.head.rows
        self._env.log.info("restoring", peer=node, rows=piece.head.rows)


async def pull_all(link: Link) -> bool:
    """Whether everything that a member has is here; True too if it is gone."""
    try:
        return await link.pull()
    except ClusterError:
        return True
    except StorageFailure:
        # The link logs it. A failing local disk is not the peer's absence.
        return False
