"""Where an event is by now: which regions durably have it. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from cluster.model import NodeId, Region


class NodeState(NamedTuple):
    """One node, as far as it is known here. *has* is about the event that was asked for."""

    node: NodeId
    region: Region
    live: bool
    has: bool


class Spread(NamedTuple):
    """The nodes of the regions that were asked about."""

    nodes: tuple[NodeState, ...]

    @property
    def complete(self) -> bool:
        """
        Whether every live node has the event, and in every region at least one.

        A region without a live node does not have it, whatever its nodes said before they went.
        """
        return not self.missing

    @property
    def missing(self) -> tuple[NodeState, ...]:
        """The nodes that the wait is for."""
        having = {state.region for state in self.nodes if state.live and state.has}
        return tuple(
            state
            for state in self.nodes
            if (state.live and not state.has) or (not state.live and state.region not in having)
        )


def spread(nodes: Sequence[NodeState], regions: Sequence[Region] | None) -> Spread:
    """The part of *nodes* that is in *regions*; None is all of them."""
    wanted = None if regions is None else set(regions)
    return Spread(tuple(s for s in nodes if wanted is None or s.region in wanted))
