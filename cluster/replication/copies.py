"""How many nodes must have a write before it is acknowledged (P1). Pure."""

from cluster.config import ClusterConfig
from cluster.membership.members import Members


def copies_required(config: ClusterConfig, members: Members) -> int:
    """
    Nodes, this one included, that must durably have what is written with consistency `region`.

    `copies`, whoever is away: a node that is cut off must not acknowledge what it could lose alone.
    But a cluster of no more members than that would take no write with one of them away; there
    what is connected is enough, and counted as degraded, unless `refuse_degraded` says otherwise.
    """
    if config.refuse_degraded or 1 + len(members.others()) > config.copies:
        return config.copies
    return min(config.copies, 1 + len(members.connected()))
