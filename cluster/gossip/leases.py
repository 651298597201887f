"""
May a node answer reads from its own index? Leases between the nodes of one region. Pure.

A writer that greets back "you have all I acknowledged" grants a lease: for `lease_s` it will
acknowledge nothing that the reader lacks. The reader counts from when it *asked*, the writer from
when it *answered*, which is later; so the reader's lease is over first. Only the rates of the two
monotonic clocks have to agree, and `DRIFT` allows for those (Gray and Cheriton, "Leases: an
efficient fault-tolerant mechanism for distributed file cache consistency", 1989).

A reader without a lease from everybody looks with its peers before it answers.
"""

from collections.abc import Collection
from typing import Final

from cluster.model import NodeId, Origin, Vector

DRIFT: Final = 1.05
"""How much faster the writer's monotonic clock may run. Oscillators differ by less than 0.1 %."""


def earlier_runs(vector: Vector, own: Origin) -> Vector:
    """
    The part of *vector* that the node which writes *own* wrote in its earlier runs.

    Which of that was acknowledged, the present run does not know: so all of it may have been.
    """
    return {o: seq for o, seq in vector.items() if o.node == own.node and o != own}


class Grants:
    """The writer's side. Times are seconds of this node's monotonic clock."""

    def __init__(self, lease_s: float, now: float) -> None:
        """
        Begin at *now*, with everybody holding a lease.

        The run before this one may have granted some, which ended with nothing but time.
        """
        self._lease_s = lease_s
        self._until: dict[NodeId, float] = {}
        self.become_known(now)

    def become_known(self, now: float) -> None:
        """
        Count everybody as holding a lease from *now* on: another member has just heard of this one.

        Who has not heard of it asks it for none, and reads by those of the others. The lease that
        one grants after it has heard brings the news along; so the last one without it is over when
        a lease of now would be.
        """
        self._inherited_until = now + self._lease_s * DRIFT

    def grant(self, node: NodeId, now: float) -> None:
        """Note that *node* was answered at *now* that it may read here."""
        self._until[node] = now + self._lease_s * DRIFT

    def until(self, node: NodeId) -> float:
        """When the lease of *node* is surely over."""
        return max(self._until.get(node, 0.0), self._inherited_until)

    def running(self, now: float) -> dict[NodeId, float]:
        """The leases that this run granted and that may not be over."""
        return {node: until for node, until in self._until.items() if until > now}


class Leases:
    """The reader's side. Times are seconds of this node's monotonic clock."""

    def __init__(self, lease_s: float) -> None:
        self._lease_s = lease_s
        self._until: dict[NodeId, float] = {}

    def take(self, node: NodeId, asked_at: float) -> None:
        """Note the lease that *node* granted to a question of *asked_at*."""
        self._until[node] = asked_at + self._lease_s

    def cover(self, nodes: Collection[NodeId], now: float) -> bool:
        """Whether every one of *nodes* has granted a lease that is not over."""
        return all(self._until.get(node, 0.0) > now for node in nodes)
