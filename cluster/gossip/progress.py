"""How far each member has each log. Pure."""

from typing import NamedTuple

from cluster.model import Member, NodeId, Origin, Vector


class _Run(NamedTuple):
    """One run of a member, and what it said it has."""

    epoch: int
    have: dict[Origin, int]


class Progress:
    """
    What every member durably has, by its own word: in greetings, and in answers to pushes.

    A word holds for the run in which the member gave it. Within a run a member's logs only grow
    (`RecordReplica.vector`), so an older word that comes late takes nothing back; and what is
    synced survives the loss of a link. The next run of the member may have another disk: of what
    the run before it said nothing holds. Example: B said "A's log up to 9", and starts again with a
    disk that was set back to 3. Whoever counts B's copies counts 0 until B has said 3.
    """

    def __init__(self) -> None:
        self._runs: dict[NodeId, _Run] = {}

    def heard(self, member: Member, have: Vector) -> bool:
        """Note what *member* says in a greeting; returns whether that is news."""
        if not self.has_spoken(member):
            self._runs[member.node] = _Run(member.epoch, {})
        return self.pushed(member, have)

    def pushed(self, member: Member, answer: Vector) -> bool:
        """
        Note what *member* answered to a push; returns whether that is news.

        The answer of another run than the one that greeted last is none of this one.
        """
        if not self.has_spoken(member):
            return False
        have = self._runs[member.node].have
        news = {origin: seq for origin, seq in answer.items() if seq > have.get(origin, 0)}
        have.update(news)
        return bool(news)

    def end_run(self, node: NodeId) -> None:
        """Note that the run of *node* that spoke here is over."""
        self._runs.pop(node, None)

    def has_spoken(self, member: Member) -> bool:
        """Whether *member* has greeted in its present run."""
        run = self._runs.get(member.node)
        return run is not None and run.epoch == member.epoch

    def of(self, node: NodeId) -> Vector:
        """What *node* has, as far as its present run has said. It grows as *node* says more."""
        run = self._runs.get(node)
        return {} if run is None else run.have

    def reached(self, node: NodeId, origin: Origin) -> int:
        """How far *node* has one log; 0 when nothing is known."""
        return self.of(node).get(origin, 0)
