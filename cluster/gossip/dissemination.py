"""
When is an event of this node durable enough to be acknowledged? Pure.

    every connected member of the own region has it     (read your writes, P2)
      except laggards, `laggard_s` after the wait began, while `copies` nodes have it
    and min(copies - 1, connected members) others anywhere have it      (P1)

With nobody connected the second rule asks for nobody: the write is accepted and counted as
degraded, and the peers pull it when they are back.
"""

from enum import Enum

from cluster.model import NodeId, Region


class Verdict(Enum):
    """How an event stands; the caller waits while it is `WAIT` or `LAGGARD`."""

    WAIT = "wait"
    """Too few nodes have it."""

    LAGGARD = "laggard"
    """Enough nodes have it; a member of the region does not, and may be left out in a while."""

    DURABLE = "durable"
    """It may be acknowledged."""

    DEGRADED = "degraded"
    """It may be acknowledged, though fewer than `copies` nodes have it: no more are connected."""


class Acknowledgements:
    """
    How far each member durably has this node's log, and who is connected.

    A member that went away keeps its count: what it has synced survives its absence.
    """

    def __init__(self, region: Region, copies: int) -> None:
        self._region = region
        self._copies = copies
        self._acked: dict[NodeId, int] = {}
        self._connected: dict[NodeId, Region] = {}

    def connect(self, node: NodeId, region: Region, acked: int) -> None:
        """Note a peer and how far it has the log, by its word. A wiped disk may have less."""
        self._connected[node] = region
        self._acked[node] = acked

    def disconnect(self, node: NodeId) -> None:
        """Leave a peer out of the waits from now on."""
        self._connected.pop(node, None)

    def acknowledge(self, node: NodeId, seq: int) -> bool:
        """Note that *node* durably has the log up to *seq*; return whether that is news."""
        if seq <= self.acked(node):
            return False
        self._acked[node] = seq
        return True

    def acked(self, node: NodeId) -> int:
        """How far *node* has the log; 0 when nothing is known of it."""
        return self._acked.get(node, 0)

    def verdict(self, seq: int) -> Verdict:
        """Judge the event *seq* by the rules above."""
        having = sum(acked >= seq for acked in self._acked.values())
        if having < min(self._copies - 1, len(self._connected)):
            return Verdict.WAIT
        if any(self._acked[node] < seq for node in self._neighbours()):
            return Verdict.LAGGARD if having >= self._copies - 1 else Verdict.WAIT
        return Verdict.DURABLE if having >= self._copies - 1 else Verdict.DEGRADED

    def _neighbours(self) -> list[NodeId]:
        return [node for node, region in self._connected.items() if region == self._region]
