"""Are enough nodes connected for a write, and is it of use to wait for more?"""

from collections.abc import Callable

from cluster.environment import Environment
from cluster.errors import NotEnoughNodes
from cluster.model import Consistency, Member
from cluster.tasks.changes import Topic


class Attendance:
    """
    Looks who is there for a write, before anything of it is written. Holds no state.

    A write waits for members that went away less than `durable_timeout_s` ago. Where they would be
    too few even if all of them came back, it is refused at once: earlier writes have waited for the
    others in vain.
    """

    def __init__(self, env: Environment, required: Callable[[Consistency], int]) -> None:
        """*required* tells how many nodes a write needs, this one included."""
        self._env = env
        self._required = required

    def shortage(self, consistency: Consistency = Consistency.REGION) -> NotEnoughNodes | None:
        """What a write would be refused with if nobody came; None while enough are connected."""
        connected, required = self._env.members.connected(), self._required(consistency)
        if 1 + len(connected) >= required:
            return None
        missing = sorted(member.node for member in self._away())
        return NotEnoughNodes(1 + len(connected), required, missing)

    def check(self, consistency: Consistency) -> None:
        """
        Return if a write may be tried.

        Raises:
            NotEnoughNodes: too few are connected, and waiting is hopeless or not wanted.
        """
        shortage, config = self.shortage(consistency), self._env.config
        if shortage is None:
            return
        refused = config.refuse_degraded and shortage.connected < config.copies
        if refused or self._is_hopeless(shortage):
            raise shortage

    async def wait(self, consistency: Consistency) -> None:
        """
        Return once enough nodes are connected.

        Raises:
            NotEnoughNodes: they were not within `durable_timeout_s`, or waiting became hopeless.
        """
        now = self._env.clock.now_s
        until = now() + self._env.config.durable_timeout_s
        while (shortage := self.shortage(consistency)) is not None:
            if now() >= until or self._is_hopeless(shortage):
                raise shortage
            wake_at = min(until, *self._awaited_until())
            await self._env.changes.wait_at_most(wake_at - now(), Topic.MEMBERS)

    def _away(self) -> list[Member]:
        return [m for m in self._env.members.others() if not self._env.members.is_connected(m.node)]

    def _is_hopeless(self, shortage: NotEnoughNodes) -> bool:
        return shortage.connected + len(self._awaited_until()) < shortage.wanted

    def _awaited_until(self) -> list[float]:
        """Until when each of the members that went away a moment ago is worth waiting for."""
        now, wait_s = self._env.clock.now_s(), self._env.config.durable_timeout_s
        ends = (self._env.absences.since(m.node, now) + wait_s for m in self._away())
        return [end for end in ends if end > now]
