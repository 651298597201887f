"""All that the desk shows, part by part: what the API and the pages are made from."""

from dataclasses import dataclass

from node.desk.catalogue_desk import CatalogueDesk
from node.desk.cluster import ClusterDesk


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The parts. Each answers for itself."""

    catalogue: CatalogueDesk
    """Repositories, tags, search."""

    cluster: ClusterDesk
    """Regions, nodes, what goes on, and this node's figures."""
