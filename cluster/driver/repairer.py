"""Makes the copies that blobs lack which were accepted while members were away."""

import asyncio
from typing import Final

from cluster.driver.link import Link
from cluster.driver.links import Links
from cluster.environment import Environment
from cluster.errors import ClusterError, StorageFailure
from cluster.messages import NO_STAGE
from cluster.model import Digest
from cluster.replication.durability import Durability
from cluster.tasks.changes import Topic
from cluster.tasks.groups import task_group

_ROWS: Final = 128
"""Blobs looked at between two turns of the event loop: some milliseconds."""

_PAUSE_S: Final = 0.02
"""The rest in between."""

_AT_ONCE: Final = 4
"""Blobs repaired at the same time: far below `replications_max`, so pushes find a place."""

_FAILURES_MAX: Final = 16
"""Failures that end a walk: members without room would refuse the rest as well."""


class Repairer:
    """
    Walks over the blobs that this node holds: now and then, when a member has come, and when the
    layout has changed.

    Nothing is remembered for it: which blobs lack copies follows from the holder rows.
    """

    def __init__(self, env: Environment, links: Links, durability: Durability) -> None:
        self._env = env
        self._links = links
        self._durability = durability
        self._seen: set[Link] = set()
        self._stage = NO_STAGE

    async def run(self) -> None:
        config = self._env.config
        while True:
            await self._env.changes.wait_until(
                self._has_news,
                Topic.JOINED,
                Topic.LAYOUT,
                at_most_s=config.repair_interval_s,
            )
            # A member that has come may first say anew what it holds (`node.copies.holdings`).
            await asyncio.sleep(config.repair_pause_s)
            # A member whose rows are not here yet would count as having nothing.
            await self._env.changes.wait_until(
                lambda: all(link.caught_up for link in self._links.live()),
                Topic.JOINED,
                Topic.MEMBERS,
            )
            self._seen, self._stage = self._present(), self._env.chronicle.stage
            try:
                await self._walk()
            except (ClusterError, StorageFailure) as exc:
                self._env.log.warning("copies not looked after", reason=str(exc))

    def _has_news(self) -> bool:
        """Whether somebody has come, or copies belong elsewhere, since the last walk."""
        return bool(self._present() - self._seen) or self._stage != self._env.chronicle.stage

    def _present(self) -> set[Link]:
        return {link for link in self._links.live() if link.caught_up}

    async def _walk(self) -> None:
        repaired, failures = self._env.counters.copies_repaired, 0
        after: Digest | None = None
        while failures < _FAILURES_MAX and self._seen:
            held = self._env.holders.held_here(after, _ROWS)
            if not held:
                break
            after = held[-1].digest
            short = [blob for blob in held if self._durability.is_short(blob.digest)]
            for start in range(0, len(short), _AT_ONCE):
                few = short[start : start + _AT_ONCE]
                async with task_group() as group:
                    tried = [group.create_task(self._repair(b.digest, b.size)) for b in few]
                failures += sum(not task.result() for task in tried)
            await asyncio.sleep(_PAUSE_S)
        made = self._env.counters.copies_repaired - repaired
        if made or failures:
            self._env.log.info("copies repaired", copies=made, failures=failures)

    async def _repair(self, digest: Digest, size: int) -> bool:
        try:
            await self._durability.repair(digest, size)
        except (ClusterError, StorageFailure) as exc:
            self._env.log.debug("copy not made", digest=digest, reason=str(exc))
            return False
        return True
