"""All that the desk shows, part by part: what the API and the pages are made from."""

from dataclasses import dataclass

from node.desk.activity import Activity
from node.desk.attached import AttachedThings
from node.desk.catalogue_desk import CatalogueDesk
from node.desk.cluster import ClusterDesk
from node.desk.images import Images
from node.desk.replication import Replication
from node.desk.settings import SettingsDesk


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The parts. Each answers for itself; all belong to the node's event loop."""

    catalogue: CatalogueDesk
    """Repositories, tags, search."""

    images: Images
    """Platforms, layers, configurations."""

    attached: AttachedThings
    """What refers to an image."""

    replication: Replication
    """Where images are."""

    activity: Activity
    """What happened lately."""

    cluster: ClusterDesk
    """Regions, nodes, what goes on, and this node's figures."""

    settings: SettingsDesk
    """Those of the cluster, and of this node."""
