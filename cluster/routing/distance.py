"""How far the other nodes are from this one, by what their greetings took. Pure."""

from typing import Final

from cluster.model import NodeId

KEPT: Final = 4
"""Round trips remembered of each node. The shortest counts: what took longer was held up. More ride
out longer jitter; fewer notice another route sooner."""


class Distances:
    """Round trips in seconds. Each node has its own; who has to agree on one, decides on it."""

    def __init__(self) -> None:
        self._kept: dict[NodeId, tuple[float, ...]] = {}

    def note(self, node: NodeId, round_trip_s: float) -> None:
        """A greeting of *node* was answered."""
        self._kept[node] = (*self._kept.get(node, ()), round_trip_s)[-KEPT:]

    def forget(self, node: NodeId) -> None:
        """*node* is no member now."""
        self._kept.pop(node, None)

    def to(self, node: NodeId) -> float | None:
        """The round trip to *node*; None when nothing is known of it."""
        return min(self._kept.get(node, ()), default=None)
