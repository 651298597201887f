"""Who of this region may answer reads from its own index: asking for leases, and granting them."""

from collections.abc import Collection

from cluster.environment import Environment
from cluster.gossip import antientropy
from cluster.gossip.dissemination import Acknowledgements
from cluster.gossip.leases import Grants, Leases, earlier_runs
from cluster.model import Member, NodeId
from cluster.state import Act
from cluster.tasks.changes import Topic


class Leasing:
    """`gossip.leases` among the members of one region. Leases travel in greetings."""

    def __init__(
        self,
        env: Environment,
        acknowledgements: Acknowledgements,
    ) -> None:
        self._env = env
        self._acknowledgements = acknowledgements
        self._grants = Grants(env.config.lease_s, env.clock.now_s())
        self._leases = Leases(env.config.lease_s)
        self.departures = 0
        """How often neighbours have left in this run; a pull notes it as it begins."""
        self._asked: dict[NodeId, int] = {}
        """Who was pulled from, and after how many departures."""
        self._neighbours = frozenset(self.neighbours())
        self._continuous = False
        self._at_stage: set[NodeId] = set()
        """Neighbours that have said that they go by the present layout."""

    def become_known(self) -> None:
        """Note that another run of a member has just heard of this node."""
        self._grants.become_known(self._env.clock.now_s())

    def neighbours(self) -> Collection[NodeId]:
        """The other members of this region."""
        return self._env.roll.neighbours()

    def grant(self, member: Member) -> bool:
        """Grant *member*, which has just been heard, a lease if it may have one."""
        if member.node not in self.neighbours() or not self._env.roll.has(member):
            return False
        if not self._may_read(member):
            return False
        self._grants.grant(member.node, self._env.clock.now_s())
        return True

    def note_layout(self) -> None:
        """
        Note that another layout is live.

        Until each neighbour has heard of it, leases may be granted by the one before; so everybody
        counts as holding one. And no lease speaks for what one that has gone acknowledged.
        """
        before, self._neighbours = self._neighbours, frozenset(self.neighbours())
        self._at_stage.clear()
        self.become_known()
        if before - self._neighbours:
            self.note_departure()

    def is_continuous(self) -> bool:
        """
        Whether this node has what its disk ever said that it has: once in this run every member
        that was there had been pulled from, and a disk that is in use does not forget.
        """
        self._continuous = self._continuous or self.has_asked_all()
        return self._continuous

    def note_at_stage(self, node: NodeId) -> None:
        """
        Note that *node* goes by the same layout. By the one before it grants nothing any more; what
        it granted by that is over a lease from now.
        """
        if node in self._neighbours and node not in self._at_stage:
            self._at_stage.add(node)
            self.become_known()

    def note_departure(self) -> None:
        """
        Note that a neighbour has left: no lease speaks for what it acknowledged any more, and
        anybody may have that.
        """
        self.departures += 1
        self._env.changes.beat(Topic.MEMBERS)

    def note_pulled(self, node: NodeId, departures: int) -> None:
        """All that *node* had is here, by a pull that began after so many *departures*."""
        self._asked[node] = departures

    def has_asked(self, node: NodeId) -> bool:
        """Whether *node* was pulled from since the last departure."""
        return self._asked.get(node, -1) >= self.departures

    def take(self, node: NodeId, asked_at: float) -> None:
        """Note the lease that *node* granted to a question of *asked_at*."""
        self._leases.take(node, asked_at)

    def is_covered(self) -> bool:
        """
        Whether this node may read, by the leases of all its neighbours.

        Those speak of what the neighbours acknowledged. What an earlier run of this node did, on a
        disk that is no more, is here once every member that is there has been pulled from; what a
        member did that has left since, once that has been done again.
        """
        covered = self._leases.cover(self.neighbours(), self._env.clock.now_s())
        return covered and self.has_asked_all(since=self.departures)

    def granted(self) -> dict[NodeId, float]:
        """Who may hold a lease of this node now, and when it is surely over."""
        now, until = self._env.clock.now_s(), self._grants.until
        if self._env.roll.is_coming and not self._at_stage:
            # By the layout before, which does not have this node, neighbours read by each other's
            # leases. That ends a lease after the first of them has moved on.
            self.become_known()
        granted = {node: until(node) for node in self.neighbours() if until(node) > now}
        # One that has gone since then reads on by the lease that it has.
        return self._grants.running(now) | granted

    def _may_read(self, member: Member) -> bool:
        """Whether *member* has all that this node acknowledged, in this run or an earlier one."""
        if not self._env.state.allows(Act.GRANT) or not self.has_asked_all(but=member.node):
            # What an earlier run wrote may be with peers only: this may be a new disk.
            return False
        earlier = earlier_runs(self._env.events.vector(), self._env.events.origin)
        lacks = antientropy.behind(self._env.progress.of(member.node), earlier)
        return not lacks and self._acknowledgements.may_grant(member.node)

    def has_asked_all(self, *, but: NodeId | None = None, since: int = 0) -> bool:
        """
        Whether every other member that is there was pulled from in this run, after *since*
        departures; joining may ask seeds only.

        What the one that reads has it need not be told: *but*.
        """
        there = self._env.roll.living()
        return all(self._asked.get(m.node, -1) >= since for m in there if m.node != but)
