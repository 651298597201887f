"""Who can be asked right now, as replication sees it."""

from collections.abc import Collection
from typing import Protocol

from cluster.errors import PeerUnreachable
from cluster.model import Dot, NodeId
from cluster.peer import Peer


class Peers(Protocol):
    """The links of this node. The answers hold until the next await."""

    def peer(self, node: NodeId) -> Peer | None:
        """The link to *node*; None when it is down."""
        ...

    def has_caught_up(self, node: NodeId) -> bool:
        """Whether the link to *node* is up, and what it had at that time is here."""
        ...

    def vouches(self, dot: Dot) -> bool:
        """
        Whether the holder row made by *dot* counts: its node is connected, has the disk of which
        the row speaks, and has had time to take it back.
        """
        ...

    def report_unreachable(self, node: NodeId, error: PeerUnreachable) -> None:
        """Tell that a call to *node* found it gone: its link goes down at once."""
        ...

    async def wait_for_any(self, nodes: Collection[NodeId], timeout_s: float) -> None:
        """Return once one of *nodes* is connected, or after *timeout_s* seconds."""
        ...
