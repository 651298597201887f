"""What this node says of itself: everything in the first greeting of a link, then what changes."""

from msgspec.structs import replace

from cluster.driver.freshness import FreshnessDriver
from cluster.driver.stages import Stages
from cluster.environment import Environment
from cluster.gossip.differences import NOTHING, Differences
from cluster.messages import Greeting, Heard
from cluster.model import NodeId


class Greetings:
    """
    Makes the greetings of this node.

    The first one of a link tells everything, and so does its answer. The ones behind it are
    *brief*: they leave out what holds for the run, and tell of the vector what the other side has
    not heard.

    SWIM's rumours make members known (`membership.rumours`), so an answer names them only where the
    two sides count different ones.
    """

    def __init__(self, env: Environment, stages: Stages, freshness: FreshnessDriver) -> None:
        self._env = env
        self._stages = stages
        self._freshness = freshness
        self._differences = Differences(env.me.epoch)
        self._heard_by: dict[NodeId, Heard] = {}
        """What the other side of each link has said that it heard of this node."""

    def brief(self, to: NodeId) -> Greeting:
        """A later question to *to*, which has answered the first one."""
        heard_by_peer = self._heard_by.get(to, NOTHING)
        greeting = self._brief(self._env.progress.heard_of(to), heard_by_peer)
        member = self._env.members.get(to)
        confirmation = None if member is None else self._freshness.confirmation(member)
        return replace(greeting, confirmation=confirmation)

    def note(self, greeting: Greeting) -> None:
        self._heard_by[greeting.member.node] = greeting.heard

    def answer(self, question: Greeting, *, current: bool = False) -> Greeting:
        """The answer to *question*; *current*: with a lease."""
        member, brief = question.member, question.brief
        of_sender = self._env.progress.heard_of(member.node)
        answer = self._brief(of_sender, question.heard) if brief else self.whole(of_sender)
        return replace(
            answer,
            current=current,
            known=() if question.members == answer.members else self._env.members.others(),
            confirmation=self._freshness.confirmation(member),
            earlier=None if brief else dict(self._freshness.earlier(member)),
        )

    def whole(self, heard_of_peer: Heard = NOTHING) -> Greeting:
        """The question that begins a link."""
        return replace(
            self._brief(heard_of_peer, NOTHING),
            brief=False,
            began=dict(self._env.events.began),
            settings=dict(self._env.config.settings),
        )

    def _brief(self, heard_of_peer: Heard, heard_by_peer: Heard) -> Greeting:
        report = self._stages.report()
        self._differences.note(self._env.events.vector())
        since = self._differences.base(heard_by_peer)
        return Greeting(
            cluster=self._env.config.cluster,
            member=self._env.me,
            known=(),
            have=self._differences.since(since),
            wall_ms=self._env.clock.now_ms(),
            joined=self._env.join.joined,
            brief=True,
            members=self._env.members.sum,
            since=since,
            version=self._differences.version,
            heard=heard_of_peer,
            stage=report.stage,
            pulled=tuple(sorted(disk.store for disk in report.pulled)),
            continuous=report.continuous,
            decisions=self._stages.decisions(),
            vitals=self._freshness.vitals(),
        )
