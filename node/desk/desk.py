"""All that the desk shows, part by part."""

from dataclasses import dataclass

from node.desk.cluster import ClusterDesk


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The parts. Each answers for itself."""

    cluster: ClusterDesk
    """Regions, nodes, what goes on, and this node's figures."""
