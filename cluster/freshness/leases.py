"""
The side that reads: by whose word may this node answer from its own index?

The reader counts a lease from when it *asked*, the granter from when it *answered*, which is later;
so the reader's is over first. Only the rates of the two monotonic clocks have to agree, and `DRIFT`
allows for those (Gray and Cheriton, "Leases: an efficient fault-tolerant mechanism for distributed
file cache consistency", 1989).
"""

from collections.abc import Sequence, Set

from cluster.model import Disk


class Leases:
    """The leases that this node has. Times are seconds of its monotonic clock."""

    def __init__(self, lease_s: float) -> None:
        self._lease_s = lease_s
        self._until: dict[Disk, float] = {}

    def take(self, disk: Disk, asked_at: float) -> None:
        """Note the lease that *disk* granted to a question of *asked_at*."""
        self._until[disk] = asked_at + self._lease_s

    def granters(self, now: float) -> Set[Disk]:
        """Whose leases are running."""
        return {disk for disk, until in self._until.items() if until > now}

    def latest_first(self) -> Sequence[tuple[Disk, float]]:
        """Whose leases there are and until when, the one that ends last first."""
        return sorted(self._until.items(), key=lambda lease: (-lease[1], lease[0]))
