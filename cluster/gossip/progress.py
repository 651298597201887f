"""How far each member has each log. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cluster import vectors
from cluster.gossip.differences import NOTHING
from cluster.messages import Heard
from cluster.model import Member, NodeId, Origin, Vector

News = Mapping[Origin, tuple[int, int]]
"""The logs of which a member has more, from where to where."""


@dataclass(slots=True)
class _Run:
    """One run of a member, and what it said it has."""

    epoch: int
    have: dict[Origin, int] = field(default_factory=dict)
    version: int = 0
    """Up to here its greetings have told of every change."""


class Progress:
    """
    What every member durably has, by its own word: in greetings, and in answers to pushes.

    A word holds for the run in which the member gave it. Within a run a member's logs only grow
    (`EventLog.vector`), so an older word that comes late takes nothing back; and what is
    synced survives the loss of a link. The next run of the member may have another disk: of what
    the run before it said nothing holds. Example: B said "A's log up to 9", and starts again with a
    disk that was set back to 3. Whoever counts B's copies counts 0 until B has said 3.
    """

    def __init__(self) -> None:
        self._runs: dict[NodeId, _Run] = {}
        self._names: dict[Origin, Origin] = {}
        """One object for each log's name, whoever names it: with 100 members that have 10,000 logs
        the names would take three times as much as the rest."""

    def heard(self, member: Member, have: Vector, *, since: int = 0, version: int = 0) -> News:
        """
        Note what *member* says in a greeting: how far its logs are that grew after the version
        *since* of its vector, up to *version*. Returns what is news.

        A greeting may tell on from a version that did not come here. What it says is true, and
        something is missing: the member is told so (`heard_of`), and tells it again.
        """
        if not self.has_spoken(member):
            self._runs[member.node] = _Run(member.epoch)
        run = self._runs[member.node]
        if since <= run.version:
            run.version = max(run.version, version)
        return self.pushed(member, have)

    def heard_of(self, node: NodeId) -> Heard:
        """How much of its vector *node* has told here."""
        run = self._runs.get(node)
        return NOTHING if run is None else Heard(run.epoch, run.version)

    def pushed(self, member: Member, answer: Vector) -> News:
        """
        Note what *member* answered to a push; returns what is news.

        An answer of another run than the one that greeted last says nothing of this one.
        """
        if not self.has_spoken(member):
            return {}
        have = self._runs[member.node].have
        news = {
            self._names.setdefault(origin, origin): (before, seq)
            for origin, seq in answer.items()
            if seq > (before := vectors.reached(have, origin))
        }
        have.update((origin, seq) for origin, (_, seq) in news.items())
        if any(vectors.is_mark(origin) for origin in news):
            for origin in vectors.stood_for(have, have):
                del have[origin]
                self._names.pop(origin, None)
        return news

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
        """
        How far *node* has one log by an entry of that; 0 when nothing is known.

        A watermark does not count here. Its log is retired, and nobody waits for events of it; and
        if it is the log of this run after all, then *node* refuses what it writes.
        """
        return self.of(node).get(origin, 0)
