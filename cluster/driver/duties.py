"""Which logs this node hands to which peer."""

from collections.abc import Collection, Iterator

from cluster import vectors
from cluster.environment import Environment
from cluster.gossip.relays import relays
from cluster.model import Disk, Member, NodeId, Origin, Region


class Duties:
    """
    This node hands its own log to everybody in the region, and to a few relays in each other one.
    As a relay it hands what came from another region to everybody in its own.

    It keeps nothing of this: what a node has not handed on when it stops, others pull.
    """

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._relayed: dict[Origin, int] = {}
        self._drawn_among: tuple[Collection[Member], Collection[Collection[Disk]]] = (), ()
        self._drawn: dict[Region, frozenset[NodeId]] = {}

    def note_received(self, sender: Region, origins: Collection[Origin]) -> None:
        """
        Note that events of *origins* came from a node in the region *sender*.

        From another region, this node hands them on. From its own, it does not: whoever brought
        them there hands them to everybody.
        """
        if sender == self._env.me.region:
            return
        vector = self._env.events.vector()
        for origin in origins:
            upto = vector.get(origin, 0)
            if origin.node != self._env.me.node and upto:
                self._relayed[origin] = upto

    def forget_retired(self) -> None:
        """Hand on nothing more of the logs that are retired here: everybody has them."""
        for origin in vectors.stood_for(self._relayed, self._env.events.vector()):
            del self._relayed[origin]

    def of(self, node: NodeId, region: Region) -> Iterator[tuple[Origin, int]]:
        """What is to be handed to *node*, the own log first."""
        if region == self._env.me.region or node in self._relays(region):
            own = self._env.events.origin
            yield own, self._env.events.vector().get(own, 0)
        if region == self._env.me.region:
            for origin, upto in self._relayed.items():
                if origin.node != node:
                    yield origin, upto

    def _relays(self, region: Region) -> frozenset[NodeId]:
        connected, quorums = among = self._env.roll.connected(), self._env.roll.quorums()
        if among != self._drawn_among:
            self._drawn_among, self._drawn = among, {}
        if region not in self._drawn:
            nodes = (m.node for m in connected if m.region == region)
            # As many as there must be copies: for a node alone in its region they are all abroad.
            count = max(self._env.config.relays, self._env.roll.copies - 1)
            drawn = relays(self._env.me.node, nodes, count)
            # A witness confirms what this region writes: it is not to wait for a relay.
            quorum = {disk.node for each in quorums for disk in each}
            witnesses = {m.node for m in connected if m.region == region and m.node in quorum}
            self._drawn[region] = drawn | witnesses
        return self._drawn[region]
