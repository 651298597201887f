"""How full disks are, and would be. Pure."""

from collections.abc import Iterable, Mapping

from cluster.layout import Traffic
from cluster.model import NodeId
from node.attention.facts import MemberFacts
from node.desk.values import DiskUse


def disk_of(member: MemberFacts, more_bytes: int = 0) -> DiskUse | None:
    """That of a node, with *more_bytes* on it; None where it is not known."""
    size, free = member.disk_bytes, member.disk_free_bytes
    if not size or free is None:
        return None
    # What does not fit is not hidden: the share goes beyond 1.
    left = free - more_bytes
    return DiskUse(member.node, size, left, round((size - left) / size, 4))


def fullest(disks: Iterable[DiskUse | None]) -> DiskUse | None:
    """The one that is the fullest by share; of equals the first by name."""
    known = [disk for disk in disks if disk is not None]
    return min(known, key=lambda disk: (-disk.used_share, disk.node), default=None)


def disks_after(
    members: Iterable[MemberFacts], moved: Mapping[NodeId, Traffic]
) -> tuple[DiskUse | None, DiskUse | None]:
    """
    The fullest disk before and after a plan. What a plan makes surplus stays, so nothing is freed.
    """
    known = list(members)
    gets = {str(node): traffic.bytes_in for node, traffic in moved.items()}
    before = fullest(map(disk_of, known))
    return before, fullest(disk_of(m, gets.get(m.node, 0)) for m in known)
