"""The member table: who belongs to the cluster, as this node has heard. Pure."""

import hashlib

from cluster.errors import DuplicateNode, PeerRefused
from cluster.membership import precedence
from cluster.membership.versions import check_protocol
from cluster.model import PROTOCOL, Member, NodeId, Rumour, Standing, Status


class Members:
    """
    Every member but this node, how each stands, and which of them are connected.

    A member speaks for itself: what it says in a greeting replaces what is known of it, unless a
    node of that name is connected at another address. What others say comes as rumours, which bear
    the number that tells whether they are newer than what is known (`precedence`).

    Dead members stay members: copies, quorums and the log's floor count them, and links to them go
    on being tried. Those that left are kept for a while so that nobody brings them back by
    mistake, and are no members to anyone else.
    """

    def __init__(self, me: Member, members_max: int) -> None:
        self.me = me
        self._members_max = members_max
        self._others: dict[NodeId, Member] = {}
        self._standings: dict[NodeId, Standing] = {}
        self._connected: set[NodeId] = set()
        self._present: tuple[Member, ...] | None = None
        self._living: tuple[Member, ...] | None = None
        """`others()` and `connected()` as they are until the next change: all are asked often."""
        self._linked: tuple[Member, ...] | None = None
        self._sum: int | None = None

    def is_me(self, member: Member) -> bool:
        """Whether *member* is this very process's node, met through one of its own addresses."""
        return member.node == self.me.node and member == self.me

    def greet(self, member: Member, protocol: int = PROTOCOL) -> None:
        """
        Take over what *member*, which speaks *protocol*, says of itself.

        Raises:
            WrongProtocol: it and this node do not understand each other.
            DuplicateNode: its name is this node's, or that of a connected node elsewhere.
            PeerRefused: the table is full.
        """
        check_protocol(self.me.node, member.node, protocol)
        if member.node == self.me.node:
            raise DuplicateNode.between(self.me, member)
        known = self._others.get(member.node)
        if known is None and len(self._others) >= self._members_max:
            raise PeerRefused(f"the member table is full: {self._members_max} members")
        if known is not None and known.rpc != member.rpc and member.node in self._connected:
            raise DuplicateNode.between(known, member)
        if known != member:
            self._others[member.node] = member
            self._note_change()

    def connect(self, node: NodeId) -> None:
        """Note that the link to a known member is up."""
        assert node in self._others, f"{node} was never greeted"
        self._connected.add(node)
        self._note_change()

    def disconnect(self, node: NodeId) -> None:
        """Note that the link is down. The member stays a member."""
        self._connected.discard(node)
        self._note_change()

    def get(self, node: NodeId) -> Member | None:
        return self._others.get(node)

    def is_connected(self, node: NodeId) -> bool:
        return node in self._connected

    def others(self) -> tuple[Member, ...]:
        """All members but this node and those that left."""
        if self._present is None:
            self._present = tuple(
                m for m in self._others.values() if self.status(m.node) is not Status.LEFT
            )
        return self._present

    @property
    def sum(self) -> int:
        """A sum over the names of all members, this node included: 64 bits of a hash."""
        if self._sum is None:
            names = sorted([self.me.node, *(member.node for member in self.others())])
            hashed = hashlib.blake2b(" ".join(names).encode(), digest_size=8)
            self._sum = int.from_bytes(hashed.digest())
        return self._sum

    def connected(self) -> tuple[Member, ...]:
        """The members whose link is up."""
        if self._linked is None:
            self._linked = tuple(m for m in self.others() if m.node in self._connected)
        return self._linked

    def living(self) -> tuple[Member, ...]:
        """
        The other members that are there, connected or not: those to wait for.

        A suspect is waited for. It may be slow, and then still serves what it has. So is one that
        counts as dead while its link is up: others said so, and it has not contradicted yet.
        """
        if self._living is None:
            self._living = tuple(
                m
                for m in self.others()
                if self.status(m.node) is not Status.DEAD or self.is_connected(m.node)
            )
        return self._living

    def status(self, node: NodeId) -> Status | None:
        """The status of *node*; None when it is not in the table."""
        said = self._standings.get(node)
        if said is not None:
            return said.status
        return None if (known := self.rumour(node)) is None else known.standing.status

    def rumour(self, node: NodeId) -> Rumour | None:
        """All that is known of *node*."""
        member = self._others.get(node)
        if member is None:
            return None
        standing = self._standings.get(node)
        if standing is None:
            return precedence.first_word(member)
        return Rumour(member, standing)

    def rumours(self) -> tuple[Rumour, ...]:
        """All that is known of everybody else, those that left included."""
        found = (self.rumour(node) for node in self._others)
        return tuple(rumour for rumour in found if rumour is not None)

    def take(self, rumour: Rumour) -> Rumour | None:
        """
        Learn from *rumour*; returns what is known now, or None when it brought nothing.

        Ignored are a stranger when the table is full, one that has left, so that nobody is taught
        again what is being forgotten, and another address of a node that is connected: as long as
        it answers there, somebody else must have taken its name.
        """
        member = rumour.member
        known = self.rumour(member.node)
        if known is None:
            full = len(self._others) >= self._members_max
            if full or rumour.standing.status is Status.LEFT:
                return None
            merged = rumour
        else:
            merged = precedence.merge(known, rumour)
            moved = merged.member.rpc != known.member.rpc
            if merged == known or (moved and member.node in self._connected):
                return None
        self._others[member.node] = merged.member
        self._standings[member.node] = merged.standing
        self._note_change()
        return merged

    def restore(self, rumour: Rumour) -> None:
        """
        Take over what was known before a restart.

        A suspicion is not: nobody has waited for an answer meanwhile.
        """
        member, standing = rumour.member, rumour.standing
        if member.node == self.me.node or len(self._others) >= self._members_max:
            return
        if standing.status is Status.SUSPECT:
            standing = Standing(Status.ALIVE, standing.incarnation)
        self._others[member.node] = member
        self._standings[member.node] = standing
        self._note_change()

    def forget(self, node: NodeId) -> None:
        """Drop a member that left."""
        assert self.status(node) is Status.LEFT, f"{node} has not left"
        del self._others[node], self._standings[node]
        self._connected.discard(node)
        self._note_change()

    def _note_change(self) -> None:
        self._present = self._living = self._linked = self._sum = None
