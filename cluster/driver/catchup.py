"""Learns what others know: the region before a read, everybody before "not found" (P2)."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Final

from cluster.driver.bootstrap import pull_all
from cluster.driver.freshness import FreshnessDriver
from cluster.driver.intake import Intake
from cluster.driver.link import Link
from cluster.driver.links import Links
from cluster.driver.roll import disk_of
from cluster.environment import Environment
from cluster.errors import ClockOff, ClusterError, NotCaughtUp, StorageFailure
from cluster.gossip import antientropy
from cluster.model import Disk
from cluster.tasks.changes import Topic
from cluster.tasks.groups import task_group
from cluster.tasks.rounds import Rounds, Stopped

_TRY_AGAIN_S: Final = 0.1
"""Between two rounds of a caller that is patient."""


class CatchUp:
    """
    Pulls: from a majority of the region where no leases cover a read, from everyone when a look-up
    misses, and from somebody now and then.

    Callers share rounds: however many there are at once, each peer answers at most two pulls.
    """

    def __init__(
        self,
        env: Environment,
        links: Links,
        freshness: FreshnessDriver,
        intake: Intake,
    ) -> None:
        self._env = env
        self._links = links
        self._freshness = freshness
        self._intake = intake
        self._rounds = Rounds(self._pull_from_all)
        self._near_rounds = Rounds(self._pull_from_near)
        self._region_rounds = Rounds(self._pull_from_region)

    async def run(self) -> None:
        """Own the rounds and the repair of missed pushes until cancelled."""
        async with task_group() as group:
            group.create_task(self._rounds.run(), name="catch-up")
            group.create_task(self._near_rounds.run(), name="near catch-up")
            group.create_task(self._region_rounds.run(), name="region catch-up")
            group.create_task(self._repair(), name="anti-entropy")
            group.create_task(self._pull_for_layouts(), name="layouts")

    async def catch_up(self, *, near: bool = False) -> None:
        """
        Return once everything that connected peers had at the call is here; *near*: those of this
        region.

        A peer that fails meanwhile is passed over: its link ends with that.

        Raises:
            NotCaughtUp: a connected peer did not deliver within `catch_up_timeout_s`, or this
                node has not joined yet.
            ClockOff: events were left at their senders, and it may be this node's clock that is
                wrong: then they are what everybody else has.
            StorageFailure: the local storage failed, so nothing new can be here (P9).
        """
        await self._repeat(self._near_rounds if near else self._rounds, 0.0, lambda: False)

    async def catch_up_region(self, patience_s: float = 0.0) -> bool:
        """
        Return once everything that this region had acknowledged at the call is here: all that a
        majority of its quorum has, and no byte of another region. False where no majority is
        connected: then all is here that those have who are.

        Raises:
            NotCaughtUp, ClockOff, StorageFailure: as of `catch_up`, of a majority of the quorum.
        """
        return await self._repeat(self._region_rounds, patience_s, self._lacks_majority)

    async def _repeat(
        self, rounds: Rounds[list[str]], patience_s: float, is_hopeless: Callable[[], bool]
    ) -> bool:
        """Whether a round brought all, before one was hopeless."""
        until = self._env.clock.now_s() + patience_s
        while (problem := await self._try(rounds)) is not None:
            rest_s = until - self._env.clock.now_s()
            if rest_s <= 0:
                if is_hopeless():
                    return False
                raise NotCaughtUp(problem)
            await asyncio.sleep(min(rest_s, _TRY_AGAIN_S))
        return True

    async def _try(self, rounds: Rounds[list[str]]) -> str | None:
        """Take part in one round; returns why it was not enough."""
        self._env.events.check()
        try:
            async with asyncio.timeout(self._env.config.catch_up_timeout_s):
                # Before that nobody is connected, and everything would be "not found".
                await self._env.changes.wait_until(lambda: self._env.join.joined, Topic.JOINED)
                lag_ms = self._env.clocks.lag_ms()
                behind = await rounds.join()
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
        return await self._pull_from_each(self._links.live())

    async def _pull_from_near(self) -> list[str]:
        """The same of those of this region."""
        self._env.counters.catch_up_rounds += 1
        region = self._env.me.region
        return await self._pull_from_each([x for x in self._links.live() if x.region == region])

    async def _pull_from_each(self, links: Sequence[Link]) -> list[str]:
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

    async def _pull_from_region(self) -> list[str]:
        """
        One round; returns those of the quorum that are missing, if they are too many.

        Whom to ask is a matter of the layout: where that changes meanwhile, those of the next one
        are asked from the beginning.
        """
        self._env.counters.region_rounds += 1
        while True:
            stage = self._env.chronicle.stage
            lacking = await self._ask_majority()
            if self._env.chronicle.stage == stage:
                return lacking

    async def _ask_majority(self) -> list[str]:
        """Who of the quorum has not given all; nobody once those suffice who have."""
        quorum = self._freshness.quorum()
        links = {link.disk: link for link in self._links.live() if link.disk in quorum}
        given = set[Disk]()
        async with task_group() as group:
            pulls = {group.create_task(self._has_given(link)): disk for disk, link in links.items()}
            rest = set(pulls)
            while rest and not self._is_enough(given):
                done, rest = await asyncio.wait(rest, return_when=asyncio.FIRST_COMPLETED)
                given |= {pulls[pull] for pull in done if pull.result()}
            for pull in rest:
                pull.cancel()  # nobody waits for who is slower than a majority
        if self._is_enough(given):
            return []
        lacking = quorum - given - {disk_of(self._env.me)}
        return sorted({disk.node for disk in lacking}) or ["this node's own disk"]

    async def _has_given(self, link: Link) -> bool:
        """Whether everything that a member has is here, and its disk has all that it ever said."""
        whole = self._freshness.is_whole(link.member)
        try:
            async with asyncio.timeout(self._env.config.catch_up_timeout_s):
                return await link.pull() and whole
        except (ClusterError, StorageFailure, TimeoutError):
            return False

    def _is_enough(self, given: Collection[Disk]) -> bool:
        """Whether everything that the region acknowledged is here, by what those have."""
        if not self._env.roll.is_small:
            return self._freshness.suffice(given)
        # It acknowledges without a majority: all that are there are asked.
        there = self._env.roll.there() & self._freshness.quorum()
        return there <= {disk_of(self._env.me), *given} and not self._links.hindered()

    def _lacks_majority(self) -> bool:
        """Whether those are too few from whom a round could bring something."""
        roll, hindered = self._env.roll, set(self._links.hindered())
        mute = {disk_of(m) for m in roll.others() if m.node in hindered}
        return not roll.is_majority(roll.there() | mute)

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

    async def _repair(self) -> None:
        """
        Pull now and then from a random member that has more, which brings what a push missed; or
        from one that may give back what this node's disk lost.
        """
        while True:
            await asyncio.sleep(self._env.config.antientropy_interval_s)
            vector = self._env.events.vector()
            ahead = [
                link
                for link in self._links.live()
                if antientropy.behind(vector, self._env.progress.of(link.node))
                or self._freshness.awaits(link.disk)
            ]
            if ahead:
                link = ahead[int(self._env.rng.random() * len(ahead))]
                try:
                    await link.pull()
                except (ClusterError, StorageFailure) as exc:
                    self._env.log.debug("repair failed", peer=link.node, reason=str(exc))
