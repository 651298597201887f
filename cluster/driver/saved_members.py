"""Keeps the member table over a restart."""

import asyncio

from cluster.environment import Environment
from cluster.errors import StorageFailure
from cluster.model import Status
from cluster.ports import MemberStore
from cluster.tasks.changes import Topic


class SavedMembers:
    """Brings back the members that the last run knew, and saves what changes."""

    def __init__(self, env: Environment, store: MemberStore) -> None:
        self._env = env
        self._store = store
        self._changed = asyncio.Event()
        for rumour in store.load():
            env.members.restore(rumour)
        for member in env.members.others():
            env.join.remember(member.node, dead=env.members.status(member.node) is Status.DEAD)

    def note_change(self) -> None:
        """Save soon. Changes while a save runs are saved together by the next."""
        self._changed.set()

    async def run(self) -> None:
        """Save until cancelled, from when this node has joined or is not empty."""
        # An empty node waits for a member that is not (`membership.join`). If it is started again
        # meanwhile, it must find no members here: it would pass for one that was a member before.
        # One that has something saves them, or it would pass for a cluster of one.
        await self._env.changes.wait_until(
            lambda: self._env.join.joined or bool(self._env.events.vector()),
            Topic.JOINED,
            self._env.me.node,
        )
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._store.save(self._env.members.rumours())
            except StorageFailure as exc:
                # The next start learns of the members anew: nothing acknowledged depends on this.
                # The index has an alarm of its own for the disk.
                self._env.log.warning("members not saved", reason=str(exc))
