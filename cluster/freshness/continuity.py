"""
Has this node's disk all that the node ever said it has?

A disk that was synced does not forget (assumption D, docs/decisions/0028). But it may be set back:
a snapshot of the machine, an older copy of the directory, a sync that failed. Then what the node
confirmed is not there, and nothing on the disk says so. So each new run of node q asks the others
what they heard q say in earlier runs; and they look at what they have of q's own logs. Whoever
cannot be reached is passed over after a while. Until then q confirms and grants nothing.

A disk that was set back has everything again once q has pulled from so many others of each quorum
that one of them is in every majority that q was part of. What q confirmed then is at one of them,
or is confirmed later by one that knows of q's new run, and then q's earlier word does not count.
"""

from collections.abc import Collection, Set

from cluster.model import Disk, Vector
from cluster.vectors import covers, merged


class OwnDisk:
    """What the present run of node *me* knows of its disk. Times are seconds, monotonic."""

    def __init__(self, me: Disk, start: Vector, trust_at: float) -> None:
        """*start* is what the disk had when the run began; who is silent is asked to *trust_at*."""
        self._me = me
        self._start = dict(start)
        self._trust_at = trust_at
        self._asked: set[Disk] = set()
        self._pulled: set[Disk] = set()
        self._set_back = False
        self._recovered = False

    @property
    def is_set_back(self) -> bool:
        """Whether the disk lacks what somebody heard this node say that it has."""
        return self._set_back and not self._recovered

    def hear(self, disk: Disk, said: Vector) -> None:
        """Note what *disk* heard this node say in earlier runs, or has of its logs."""
        self._asked.add(disk)
        if not covers(self._start, said) and not self._set_back:
            self._set_back = True

    def awaits(self, disk: Disk) -> bool:
        """Whether *disk* is still to be asked for what this one lost."""
        return self.is_set_back and disk not in self._pulled

    def note_pulled(self, disk: Disk) -> None:
        """All that *disk* has is here; its own has all that it ever said."""
        self._pulled.add(disk)

    def holds(self, quorums: Collection[Set[Disk]], others: Set[Disk], now: float) -> bool:
        """
        Whether this node has all that it ever confirmed. *quorums* are the sets of which majorities
        are counted with it, *others* all other members.
        """
        if self._recovered:
            return True
        if not self._set_back:
            there = frozenset[Disk]().union(*quorums) - {self._me}
            return there <= self._asked or now >= self._trust_at
        self._recovered = bool(quorums) and all(
            len(self._pulled & givers) >= needed
            for givers, needed in (self._needed(quorum, others) for quorum in quorums)
        )
        return self._recovered

    def _needed(self, quorum: Set[Disk], others: Set[Disk]) -> tuple[Set[Disk], int]:
        """Of whom, and of how many, this node has to get everything."""
        if quorum == {self._me}:
            return others, len(others)
        givers, majority = quorum - {self._me}, len(quorum) // 2 + 1
        return givers, min(len(givers), len(quorum) - majority + 1)


class EarlierRuns:
    """What the disks of other members said in runs that are over."""

    def __init__(self) -> None:
        self._said: dict[Disk, Vector] = {}

    def end(self, disk: Disk, said: Vector, *, continuous: bool) -> None:
        """Note what a run said that is over; *continuous*: it had all that those before it said."""
        before = {} if continuous else self._said.get(disk, {})
        self._said[disk] = merged(said, before)

    def of(self, disk: Disk) -> Vector:
        return self._said.get(disk, {})
