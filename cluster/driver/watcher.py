"""Who wants to know what the links find out about members (`driver.probing`)."""

from typing import Protocol

from cluster.model import Member, NodeId


class Watcher(Protocol):
    """Told by `driver.links`."""

    def met(self, member: Member) -> None:
        """*member* spoke for itself, or was heard of for the first time."""
        ...

    def link_up(self, node: NodeId) -> None: ...

    def doubted(self, node: NodeId) -> None:
        """The link is lost, or a greeting on it was not answered in time."""
        ...
