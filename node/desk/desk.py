"""All that the desk shows, joined: what the admin API and the pages ask."""

from dataclasses import dataclass

from node.desk.activity import Activity
from node.desk.attached import AttachedThings
from node.desk.images import Images
from node.desk.replication import Replication


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One per node; belongs to its event loop. A new part is added here, and in `desk_of`."""

    images: Images
    attached: AttachedThings
    replication: Replication
    activity: Activity
