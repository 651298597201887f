"""Finds the cluster: greets the seeds, and waits until that was enough to count as joined."""

import asyncio

from cluster.driver.links import Links
from cluster.driver.roster import Roster
from cluster.environment import Environment
from cluster.errors import ClusterError, JoinRefused, WrongCluster, WrongProtocol
from cluster.membership.backoff import Backoff
from cluster.peer import Transport
from cluster.tasks.changes import Topic
from cluster.tasks.groups import task_group


class Seeds:
    """Asks the seeds and waits; `membership.join` judges when that is enough."""

    def __init__(
        self,
        env: Environment,
        transport: Transport,
        roster: Roster,
        links: Links,
    ) -> None:
        self._env = env
        self._transport = transport
        self._roster = roster
        self._links = links

    async def run(self) -> None:
        """
        Return once this node has joined and every seed has answered.

        Raises:
            JoinRefused: every seed that answered belongs to another cluster, or is of a version
                that is too far from this one.
            DuplicateNode: while joining, a seed knew another running node of this name.
        """
        async with task_group() as group:
            for seed in self._env.config.seeds:
                group.create_task(self._greet_seed(seed), name=f"seed {seed}")
            group.create_task(self._limit_joining(), name="join")

    async def _limit_joining(self) -> None:
        join, timeout_s = self._env.join, self._env.config.join_timeout_s
        await self._env.changes.wait_until(lambda: join.joined, Topic.JOINED, at_most_s=timeout_s)
        if not join.joined:
            self._check_rejection(final=True)
            if self._env.join.knows_nothing:
                self._env.log.warning(
                    "no seed that has an index answers", missing=self._env.join.missing
                )
            # Also for each peer that answers and still has more: without that this node would say
            # that it is ready, and "try again" to everything that it is asked. One that stays
            # behind the layout gives nothing, for as long as its disk is full, say.
            await self._env.changes.wait_until(
                lambda: (
                    self._env.join.joined
                    or (
                        not self._env.join.knows_nothing
                        and all(link.caught_up or link.differs for link in self._links.live())
                    )
                ),
                Topic.JOINED,
                Topic.MEMBERS,
            )
        if not self._env.join.joined:
            self._env.log.warning("joined without all seeds", missing=self._env.join.missing)
            self._env.join.give_up()
            self._env.changes.beat(Topic.JOINED)

    async def _greet_seed(self, seed: str) -> None:
        """Find out who answers at *seed*; the member's own link does the rest."""
        config, reason = self._env.config, ""
        backoff = Backoff(config.backoff_min_s, config.backoff_max_s, self._env.rng)
        while True:
            peer = self._transport.connect(seed)
            try:
                greeting = await self._roster.first_greeting(peer.presence)
            except ClusterError as exc:
                reason = self._roster.note_failure(exc, reason, seed=seed)
                refused = isinstance(exc, WrongCluster | WrongProtocol)
                self._env.join.unanswered(seed, str(exc), refused=refused)
                if refused and not self._env.join.joined:
                    self._check_rejection(final=False)
            else:
                # It may be this node itself: people write one list of seeds for all nodes.
                me = self._env.members.is_me(greeting.member)
                self._env.join.greeted(seed, None if me else greeting.member.node)
                self._env.changes.beat(Topic.JOINED)
                return
            finally:
                await peer.close()
            await asyncio.sleep(backoff.next_s())

    def _check_rejection(self, *, final: bool) -> None:
        rejection = self._env.join.rejection(final=final)
        if rejection is not None:
            raise JoinRefused(rejection)
