"""Waits until an event of any node is in other regions."""

from collections.abc import Sequence

from cluster import vectors
from cluster.environment import Environment
from cluster.errors import UnknownRegion
from cluster.model import Dot, Region, Spread, SpreadNode
from cluster.tasks.changes import Topic


class Arrivals:
    """
    Looks at what the members last said they have; holds no state.

    They say it with every greeting and in answers to pushes, so an answer is at most a heartbeat
    late, and never early: what a member reports is durable there.
    """

    def __init__(self, env: Environment) -> None:
        self._env = env

    async def wait_for(
        self, dot: Dot, regions: Sequence[Region] | None, timeout_s: float
    ) -> Spread:
        """
        Return once every live member of *regions* durably has *dot*; None is every region.

        After *timeout_s* seconds it returns as well, with what is missing.

        Raises:
            UnknownRegion: no member is in one of *regions*.
        """
        known = self._env.roll.regions
        for region in regions or ():
            if region not in known:
                raise UnknownRegion(region)
        await self._env.changes.wait_until(
            lambda: self.where(dot, regions).complete,
            dot,
            Topic.MEMBERS,
            Topic.STATE,
            at_most_s=timeout_s,
        )
        return self.where(dot, regions)

    def where(self, dot: Dot, regions: Sequence[Region] | None) -> Spread:
        """Where *dot* is, as far as this node knows. What is retired is everywhere."""
        me, origin = self._env.me, dot.origin
        own = vectors.reached(self._env.events.vector(), origin)
        nodes = [SpreadNode(me.node, me.region, True, own >= dot.seq)]
        # A member that is merely cut off from here serves its own region all the same.
        living = {member.node for member in self._env.roll.living()}
        for member in self._env.roll.others():
            # A member that is out of reach may be the only one of its region that has it.
            reached = vectors.reached(self._env.progress.of(member.node), origin)
            has = self._env.members.is_connected(member.node) and reached >= dot.seq
            live = member.node in living
            nodes.append(SpreadNode(member.node, member.region, live, has))
        return Spread.of(nodes, regions)
