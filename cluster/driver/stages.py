"""Serves what belongs to this node's stage of the layout, and learns where others are further."""

from collections.abc import Callable
from typing import Final

from cluster.driver.roll import disk_of
from cluster.environment import Environment
from cluster.errors import PeerRefused, StageDiffers
from cluster.layout.handover import Pulls, Report
from cluster.messages import Decisions, Greeting, Stage
from cluster.model import Disk, Member, NodeId
from cluster.tasks.changes import Topic

_LEARN_S: Final = 1.0
"""How long a request of a later stage waits until this node has learned of it."""


class Stages:
    """
    Keeps what each member said of its stage, and with whom this node is at one.

    Two nodes that go by different layouts confirm nothing to each other: neither a write, nor a
    lease, nor that all of a disk was read (docs/layout.md, "Two versions at once").
    """

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._pulls = Pulls()
        self._reports: dict[NodeId, Report] = {}
        self._joined: set[tuple[NodeId, int]] = set()
        self._decisions: dict[NodeId, Decisions] = {}
        """What each said last that it has of those."""

        self.on_decisions: Callable[[Member, Decisions], None] = lambda *_: None
        """Told when a member says something new of them; set by whoever speaks for the control
        log."""

        self.decisions: Callable[[], Decisions] = Decisions
        """What this node has of them; likewise."""

        self.on_level: Callable[[NodeId], None] = lambda node: None
        """Told of each member that goes by the same layout; likewise."""

        self.is_continuous: Callable[[], bool] = lambda: True
        """Whether this node has what its disk ever said that it has; set by who knows."""

    @property
    def mine(self) -> Stage:
        return self._env.chronicle.stage

    def note(self, greeting: Greeting) -> None:
        """Take note of what a member says of itself."""
        member = greeting.member
        disks = frozenset(self._env.chronicle.disks(greeting.pulled))
        self._reports[member.node] = Report(
            disk_of(member), member.epoch, greeting.stage, disks, greeting.continuous
        )
        if greeting.stage == self.mine:
            self.on_level(member.node)
        if greeting.joined:
            self._joined.add((member.node, member.epoch))
        if self._decisions.get(member.node) != greeting.decisions or greeting.stage > self.mine:
            self._decisions[member.node] = greeting.decisions
            self.on_decisions(member, greeting.decisions)

    def report(self) -> Report:
        """What this node says of itself."""
        me, stage = self._env.me, self.mine
        pulled = self._pulls.at(stage) if stage.joint else frozenset[Disk]()
        return Report(disk_of(me), me.epoch, stage, pulled, self.is_continuous())

    def reports(self) -> tuple[Report, ...]:
        """What each member said last, this node included."""
        return self.report(), *self._reports.values()

    def ask_for_slots(self, node: NodeId) -> None:
        """Ask *node*, which is at a later stage, for what was decided."""
        member, mine = self._env.members.get(node), self.decisions()
        if member is not None:
            known = self._decisions.get(node, mine)
            self.on_decisions(member, known._replace(slot=max(known.slot, mine.slot + 1)))

    def has_joined(self, member: Member) -> bool:
        """Whether *member* has said in this run that it is no newcomer without an index."""
        return (member.node, member.epoch) in self._joined

    def note_pulled(self, stage: Stage, member: Member) -> None:
        """All that *member* had at *stage* is here."""
        self._pulls.note(stage, disk_of(member))

    def lacks_pull(self, member: Member) -> bool:
        """Whether the change that goes on waits for a pull from *member*, as far as it may."""
        stage = self.mine
        return stage.joint and disk_of(member) not in self._pulls.at(stage)

    async def learn(self, node: NodeId, stage: Stage) -> None:
        """Return once this node is at *stage* or later; or soon, if it does not come to be."""
        if self.mine < stage:
            self.ask_for_slots(node)
            await self._env.changes.wait_until(
                lambda: self.mine >= stage, Topic.LAYOUT, at_most_s=_LEARN_S
            )

    async def insist(self, node: NodeId, stage: Stage) -> None:
        """
        Return if this node is at *stage*, perhaps after it has learned of it from *node*.

        Raises:
            StageDiffers: it is not.
        """
        await self.learn(node, stage)
        if self.mine != stage:
            raise StageDiffers(
                f"{self._env.me.node} goes by versions {_text(self.mine)} of the layout, "
                f"not by {_text(stage)}"
            )

    def insist_on_member(self, node: NodeId) -> None:
        """
        Return if events are taken from *node*: it is a member, with the disk that it greeted with.

        Raises:
            PeerRefused: it is not, or has not greeted.
        """
        member = self._env.members.get(node)
        if member is None or not self._env.roll.has(member):
            raise PeerRefused(f"{node} is no member by the layout: nothing is taken from it")


def _text(stage: Stage) -> str:
    return f"{stage.oldest} and {stage.newest}" if stage.joint else str(stage.newest)
