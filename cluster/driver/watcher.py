"""Who wants to know what this node finds out about members."""

from collections.abc import Sequence

from cluster.model import Member, NodeId


class Watcher:
    """Told by `driver.roster`; overrides what it wants to know."""

    def heard_of(self, node: NodeId, *, lives: bool) -> None:
        """*node* is a member; *lives* where there is no reason to wait before it is called."""

    def met(self, member: Member) -> None:
        """*member* spoke for itself."""

    def told(self, members: Sequence[Member]) -> None:
        """Somebody counts *members*, who need not be known here."""

    def ended(self, node: NodeId, reason: str) -> None:
        """The run of *node* that was known is over."""

    def link_up(self, node: NodeId) -> None: ...

    def doubted(self, node: NodeId) -> None:
        """The link is lost, or a greeting on it was not answered in time."""
