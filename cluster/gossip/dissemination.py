"""
When is an event of this node durable enough to be acknowledged? Pure.

    enough nodes anywhere have it (`replication.copies`)            (P1)
    and every member of the own region that may read here has it    (read your writes, P2)

"May read here" is a lease (`cluster.gossip.leases`). A member that is slow loses it after a while,
and then looks with its peers before it answers; so nobody reads an older value after the
acknowledgement, and one slow disk does not hold up the others for long.

That is the rule of consistency `region`. `global` asks every living member besides, connected or
not; `local` asks nobody.

In a small cluster fewer nodes than `copies` may be enough while others are away: then the write is
accepted and counted as degraded, and the peers pull it when they are back.
"""

from collections.abc import Collection
from enum import Enum

from cluster.gossip.progress import Progress
from cluster.model import NodeId, Origin


class Verdict(Enum):
    """How an event stands; the caller waits while it is `WAIT` or `LEASED`."""

    WAIT = "wait"
    """Too few nodes have it."""

    LEASED = "leased"
    """Enough nodes have it; one that may read here does not, and has to lose its lease first."""

    DURABLE = "durable"
    """It may be acknowledged; by fewer than `copies` nodes where no more are connected."""


class Acknowledgements:
    """What of this node's log was acknowledged, and may be: members say how far they have it."""

    def __init__(self, origin: Origin, progress: Progress) -> None:
        """*origin* is this node's log."""
        self._origin = origin
        self._progress = progress
        self._withheld: dict[NodeId, int] = {}
        self._acknowledged = 0

    def acked(self, node: NodeId) -> int:
        """How far *node* has the log; 0 when nothing is known of it."""
        return self._progress.reached(node, self._origin)

    def verdict(
        self,
        seq: int,
        leased: Collection[NodeId],
        awaited: Collection[NodeId] = (),
        *,
        enough: bool,
    ) -> Verdict:
        """
        Judge the event *seq*. *enough*: those that have it suffice. *leased* may hold a lease now,
        and *awaited* must have it in any case.
        """
        if not enough or self.lacking(seq, awaited):
            return Verdict.WAIT
        if self.lacking(seq, leased):
            return Verdict.LEASED
        return Verdict.DURABLE

    def lacking(self, seq: int, nodes: Collection[NodeId]) -> list[NodeId]:
        return [node for node in nodes if self.acked(node) < seq]

    def note_acknowledged(self, seq: int) -> None:
        """The event *seq* is being acknowledged: who lacks it may not read here any more."""
        self._acknowledged = max(self._acknowledged, seq)

    def withhold(self, node: NodeId, seq: int) -> bool:
        """
        Grant no lease to *node* until it has the event *seq*: somebody waits for that.

        Returns whether it could have had one until now.
        """
        could = self.may_grant(node)
        self._withheld[node] = max(seq, self._withheld.get(node, 0))
        return could

    def may_grant(self, node: NodeId) -> bool:
        """Whether *node* has everything that it takes to read here."""
        return self.acked(node) >= max(self._acknowledged, self._withheld.get(node, 0))
