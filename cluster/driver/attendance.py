"""Are enough nodes connected for a write, and is it of use to wait for more?"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from cluster.environment import Environment
from cluster.errors import NotEnoughNodes
from cluster.model import Consistency, NodeId
from cluster.tasks.changes import Topic


class _Need(NamedTuple):
    """So many of *nodes*, besides this one, have to be connected."""

    nodes: frozenset[NodeId]
    number: int


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
        need = self._unmet(consistency)
        if need is None:
            return None
        missing = sorted(need.nodes.intersection(self._env.roll.away()))
        connected = len(need.nodes) - len(missing)
        return NotEnoughNodes(1 + connected, 1 + need.number, missing)

    def check(self, consistency: Consistency) -> None:
        """
        Return if a write may be tried.

        Raises:
            NotEnoughNodes: too few are connected, and waiting is hopeless or not wanted.
        """
        need = self._unmet(consistency)
        if need is None:
            return
        roll = self._env.roll
        refused = roll.refuses_degraded and 1 + len(roll.connected()) < roll.copies
        if refused or self._is_hopeless(need):
            shortage = self.shortage(consistency)
            assert shortage is not None, "nobody has come meanwhile"
            raise shortage

    async def wait(self, consistency: Consistency) -> None:
        """
        Return once enough nodes are connected.

        Raises:
            NotEnoughNodes: they were not within `durable_timeout_s`, or waiting became hopeless.
        """
        now = self._env.clock.now_s
        until = now() + self._env.config.durable_timeout_s
        while (need := self._unmet(consistency)) is not None:
            if now() >= until or self._is_hopeless(need):
                shortage = self.shortage(consistency)
                assert shortage is not None, "nobody has come meanwhile"
                raise shortage
            wake_at = min(until, *self._awaited_until(need))
            await self._env.changes.wait_at_most(wake_at - now(), Topic.MEMBERS)

    def _unmet(self, consistency: Consistency) -> _Need | None:
        """The first of what a write needs that is not met."""
        roll = self._env.roll
        away = roll.away()
        if not away and len(roll.names()) >= self._required(consistency) - 1:
            return None  # everybody is there, and so is a majority of each quorum
        for need in self._needs(consistency):
            if len(need.nodes - away) < need.number:
                return need
        return None

    def _needs(self, consistency: Consistency) -> Iterator[_Need]:
        """As many as must have a copy, and a majority of each quorum of the region."""
        roll, me = self._env.roll, self._env.me.node
        yield _Need(frozenset(roll.names()), self._required(consistency) - 1)
        for quorum in roll.quorums():
            nodes = {disk.node for disk in quorum}
            majority = len(nodes) // 2 + 1
            yield _Need(frozenset(nodes - {me}), majority - (me in nodes))

    def _is_hopeless(self, need: _Need) -> bool:
        away = need.nodes.intersection(self._env.roll.away())
        return len(need.nodes) - len(away) + len(self._awaited_until(need)) < need.number

    def _awaited_until(self, need: _Need) -> list[float]:
        """Until when each of the members that went away a moment ago is worth waiting for."""
        now, wait_s = self._env.clock.now_s(), self._env.config.durable_timeout_s
        away = need.nodes.intersection(self._env.roll.away())
        ends = (self._env.absences.since(node, now) + wait_s for node in away)
        return [end for end in ends if end > now]
