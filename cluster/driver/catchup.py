"""Learns what every connected peer knows, before this node answers "not found" (P2)."""

import asyncio
from functools import partial
from typing import Final

from cluster.driver.bootstrap import pull_all
from cluster.driver.intake import Intake
from cluster.driver.leasing import Leasing
from cluster.driver.link import Link
from cluster.driver.links import Links
from cluster.environment import Environment
from cluster.errors import ClockOff, ClusterError, NotCaughtUp, StorageFailure
from cluster.gossip import antientropy
from cluster.tasks.changes import Topic
from cluster.tasks.groups import task_group
from cluster.tasks.rounds import Rounds, Stopped

_TRY_AGAIN_S: Final = 0.1
"""Between two rounds of a caller that is patient."""


class CatchUp:
    """
    Pulls: from everyone when a look-up misses, and from somebody now and then.

    Callers share rounds: however many look-ups miss at once, each peer answers at most two pulls.
    """

    def __init__(
        self,
        env: Environment,
        links: Links,
        leasing: Leasing,
        intake: Intake,
    ) -> None:
        self._env = env
        self._links = links
        self._leasing = leasing
        self._intake = intake
        self._rounds = Rounds(self._pull_from_all)

    async def run(self) -> None:
        """Own the rounds and the repair of missed pushes until cancelled."""
        async with task_group() as group:
            group.create_task(self._rounds.run(), name="catch-up")
            group.create_task(self._repair(), name="anti-entropy")
            group.create_task(self._pull_for_layouts(), name="layouts")
            await self._pull_after_departures(group)

    async def catch_up(self, patience_s: float = 0.0) -> None:
        """
        Return once everything that connected peers had at the call is here.

        A peer that fails meanwhile is passed over: its link ends with that. A silent one is asked
        again for *patience_s*, after which it has answered, or its link is down too.

        Raises:
            NotCaughtUp: a connected peer did not deliver within `catch_up_timeout_s`, or this
                node has not joined yet.
            ClockOff: events were left at their senders, and it may be this node's clock that is
                wrong: then they are what everybody else has.
            StorageFailure: the local storage failed, so nothing new can be here (P9).
        """
        until = self._env.clock.now_s() + patience_s
        while (problem := await self._try()) is not None:
            rest_s = until - self._env.clock.now_s()
            if rest_s <= 0:
                raise NotCaughtUp(problem)
            await asyncio.sleep(min(rest_s, _TRY_AGAIN_S))

    async def _try(self) -> str | None:
        """Take part in one round; returns why it was not enough."""
        self._env.events.check()
        try:
            async with asyncio.timeout(self._env.config.catch_up_timeout_s):
                # Before that nobody is connected, and everything would be "not found".
                await self._env.changes.wait_until(lambda: self._env.join.joined, Topic.JOINED)
                lag_ms = self._env.clocks.lag_ms()
                behind = await self._rounds.join()
        except TimeoutError:
            return "peers did not answer in time"
        except Stopped as exc:
            raise NotCaughtUp("this node is stopping") from exc
        self._env.events.check()
        if behind:
            return f"events are still missing from {', '.join(behind)}"
        self._check_clock(lag_ms)
        return None

    def _check_clock(self, lag_ms: float) -> None:
        """Raise `ClockOff` if events may be parked here because this node's clock is behind."""
        if self._intake.parks_wrongly(lag_ms):
            raise ClockOff(-max(lag_ms, self._env.clocks.lag_ms()))

    async def _pull_from_all(self) -> list[str]:
        """One round; returns the peers that still have more, or may have."""
        self._env.counters.catch_up_rounds += 1
        links = self._links.live()
        async with task_group() as group:
            pulls = [group.create_task(self._pull_from(link)) for link in links]
        behind = {link.node for link, pull in zip(links, pulls, strict=True) if not pull.result()}
        return sorted(behind.union(self._links.hindered()))

    async def _pull_from(self, link: Link) -> bool:
        try:
            async with asyncio.timeout(self._env.config.catch_up_timeout_s):
                return await pull_all(link)
        except TimeoutError:
            return False

    async def _pull_after_departures(self, group: asyncio.TaskGroup) -> None:
        """
        Pull from all as soon as a neighbour has left, so that reads need not wait for it. Where
        that fails, the next read tries again.
        """
        while True:
            departures = self._leasing.departures
            await self._env.changes.wait_until(
                partial(self._has_left_since, departures), Topic.MEMBERS
            )
            for link in self._links.live():
                group.create_task(pull_all(link), name=f"pull {link.node}")

    async def _pull_for_layouts(self) -> None:
        """While the layout changes, pull from each member until it has given all at that stage."""
        while True:
            await self._env.changes.wait_until(
                lambda: any(link.is_awaited for link in self._links.live()),
                Topic.LAYOUT,
                Topic.MEMBERS,
            )
            async with task_group() as group:
                for link in self._links.live():
                    if link.is_awaited:
                        group.create_task(self._pull_from(link), name=f"pull {link.node}")
            await asyncio.sleep(_TRY_AGAIN_S)

    def _has_left_since(self, departures: int) -> bool:
        return self._leasing.departures > departures

    async def _repair(self) -> None:
        """
        Pull now and then from a random member that has more, which brings what a push missed; or
        from one that has to be asked again since a departure, in case nobody reads meanwhile.
        """
        while True:
            await asyncio.sleep(self._env.config.antientropy_interval_s)
            vector = self._env.events.vector()
            ahead = [
                link
                for link in self._links.live()
                if antientropy.behind(vector, self._env.progress.of(link.node))
                or not self._leasing.has_asked(link.node)
            ]
            if ahead:
                link = ahead[int(self._env.rng.random() * len(ahead))]
                try:
                    await link.pull()
                except (ClusterError, StorageFailure) as exc:
                    self._env.log.debug("repair failed", peer=link.node, reason=str(exc))
