"""Who of this region may answer reads from its own index: asking for leases, and granting them."""

from collections.abc import Iterable

from cluster.environment import Environment
from cluster.gossip import antientropy
from cluster.gossip.dissemination import Acknowledgements
from cluster.gossip.leases import Grants, Leases, earlier_runs
from cluster.model import Member, NodeId, Status
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
        self._counting_the_left: set[NodeId] = set()

    def become_known(self) -> None:
        """Note that another run of a member has just heard of this node."""
        self._grants.become_known(self._env.clock.now_s())

    def neighbours(self) -> list[NodeId]:
        """The other members of this region."""
        return [m.node for m in self._env.members.others() if m.region == self._env.me.region]

    def grant(self, member: Member) -> bool:
        """Grant *member*, which has just been heard, a lease if it may have one."""
        # One that counts as gone is not waited for by writes, so it gets no lease either; it gets
        # one as soon as it has contradicted.
        if member.node not in self.neighbours() or not self._may_read(member):
            return False
        self._grants.grant(member.node, self._env.clock.now_s())
        return True

    def counts_the_left(self, sender: NodeId, members: Iterable[Member]) -> bool:
        """
        Whether one of the *members* that *sender* counts is a neighbour that has left, as far as is
        known here.

        That one may live, and asks nobody here for a lease: by the sender's this node would read
        what it has replaced. What it does until the sender has heard, the sender may have.
        """
        if any(self._has_left(other) for other in members):
            self._counting_the_left.add(sender)
            return True
        if sender in self._counting_the_left:
            self._counting_the_left.discard(sender)
            self.note_departure()
        return False

    def _has_left(self, member: Member) -> bool:
        left = self._env.members.status(member.node) is Status.LEFT
        return left and member.region == self._env.me.region

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
        return covered and self._has_asked_all(since=self.departures)

    def granted(self) -> dict[NodeId, float]:
        """Who may hold a lease of this node now, and when it is surely over."""
        now, until = self._env.clock.now_s(), self._grants.until
        granted = {node: until(node) for node in self.neighbours() if until(node) > now}
        # One that counts as gone since then reads on by the lease that it has.
        return self._grants.running(now) | granted

    def _may_read(self, member: Member) -> bool:
        """Whether *member* has all that this node acknowledged, in this run or an earlier one."""
        if not self._env.state.allows(Act.GRANT) or not self._has_asked_all(but=member.node):
            # What an earlier run wrote may be with peers only: this may be a new disk.
            return False
        earlier = earlier_runs(self._env.events.vector(), self._env.events.origin)
        lacks = antientropy.behind(self._env.progress.of(member.node), earlier)
        return not lacks and self._acknowledgements.may_grant(member.node)

    def _has_asked_all(self, *, but: NodeId | None = None, since: int = 0) -> bool:
        """
        Whether every other member that is there was pulled from in this run, after *since*
        departures; joining may ask seeds only.

        What the one that reads has it need not be told: *but*.
        """
        there = self._env.members.living()
        return all(self._asked.get(m.node, -1) >= since for m in there if m.node != but)
