"""How far members said they are. Pure."""

from collections.abc import Iterable

from cluster.model import Member, NodeId, Vector


class LastSaid:
    """
    What each member said it has, last time it said so in its present run; nothing where it has not.

    What it said in an earlier run may have been on a disk that it has no longer.
    """

    def __init__(self) -> None:
        self._said: dict[NodeId, tuple[int, Vector]] = {}

    def note(self, member: Member, have: Vector) -> None:
        """Take note of a greeting of *member*."""
        self._said[member.node] = member.epoch, have

    def heard(self, member: Member) -> bool:
        """Whether *member* has said anything in its present run."""
        said = self._said.get(member.node)
        return said is not None and said[0] == member.epoch

    def by(self, member: Member) -> Vector:
        """How far *member* is, as it said."""
        epoch, have = self._said.get(member.node, (member.epoch, {}))
        return have if epoch == member.epoch else {}

    def by_each(self, members: Iterable[Member]) -> dict[NodeId, Vector]:
        """The same for all *members*."""
        return {member.node: self.by(member) for member in members}
