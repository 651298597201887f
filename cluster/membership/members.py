"""The member table: who belongs to the cluster, as this node has heard. Pure."""

from collections.abc import Iterable

from cluster.errors import DuplicateNode, PeerRefused
from cluster.model import Member, NodeId


class Members:
    """
    Every member but this node, and which of them are connected.

    A member speaks for itself: what it says in a greeting replaces what is known of it, unless a
    node of that name is connected at another address. What others say of it only adds members:
    hearsay may be older than what is known.
    """

    def __init__(self, me: Member, members_max: int) -> None:
        self.me = me
        self._members_max = members_max
        self._others: dict[NodeId, Member] = {}
        self._connected: set[NodeId] = set()

    def is_me(self, member: Member) -> bool:
        """Whether *member* is this very process's node, met through one of its own addresses."""
        return member.node == self.me.node and member == self.me

    def greet(self, member: Member) -> None:
        """
        Take over what *member* says of itself.

        Raises:
            DuplicateNode: its name is this node's, or that of a connected node elsewhere.
            PeerRefused: the table is full.
        """
        if member.node == self.me.node:
            raise DuplicateNode.between(self.me, member)
        known = self._others.get(member.node)
        if known is None and len(self._others) >= self._members_max:
            raise PeerRefused(f"the member table is full: {self._members_max} members")
        if known is not None and known.rpc != member.rpc and member.node in self._connected:
            raise DuplicateNode.between(known, member)
        self._others[member.node] = member

    def hear(self, hearsay: Iterable[Member]) -> list[Member]:
        """Add members that somebody else knows; return the new ones."""
        new = []
        for member in hearsay:
            if member.node == self.me.node or member.node in self._others:
                continue
            if len(self._others) >= self._members_max:
                break
            self._others[member.node] = member
            new.append(member)
        return new

    def connect(self, node: NodeId) -> None:
        """Note that the link to a known member is up."""
        assert node in self._others, f"{node} was never greeted"
        self._connected.add(node)

    def disconnect(self, node: NodeId) -> None:
        """Note that the link is down. The member stays a member."""
        self._connected.discard(node)

    def get(self, node: NodeId) -> Member | None:
        return self._others.get(node)

    def is_connected(self, node: NodeId) -> bool:
        return node in self._connected

    def others(self) -> tuple[Member, ...]:
        """All members but this node."""
        return tuple(self._others.values())

    def connected(self) -> tuple[Member, ...]:
        """The members whose link is up."""
        return tuple(m for node, m in self._others.items() if node in self._connected)
