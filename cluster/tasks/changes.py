"""What changes in the engine, for those who wait for it."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Hashable, Mapping
from enum import Enum, auto

from cluster.model import Dot, NodeId, Origin
from cluster.tasks.pulse import Pulse, T, Waiters


class Topic(Enum):
    """
    Something that changes, and that somebody waits for.

    Two kinds more: a `NodeId` is what that node has, or is to be handed; a `Dot` is one event that
    one more node has.
    """

    MEMBERS = auto()
    """Who is a member, alive, connected."""

    JOINED = auto()
    """What joining waits for; with which members this node has caught up."""

    LAYOUT = auto()
    """Who should be there: what is live of the layout."""

    LEASES = auto()
    """Who may read by whose word, and what members confirmed."""

    STATE = auto()
    """What this node is in the middle of."""


class Changes(Pulse):
    """A pulse of topics, that wakes for an event only who waits for that one."""

    def __init__(self) -> None:
        super().__init__()
        self._awaited: dict[Origin, list[int]] = {}
        """Of each log the events that somebody waits for, in order."""

    def note_progress(self, node: NodeId, news: Mapping[Origin, tuple[int, int]]) -> None:
        """*node* has more of each log of *news* than the first number: up to the second."""
        dots = [
            Dot(*origin, seq)
            for origin, (after, upto) in news.items()
            if (seqs := self._awaited.get(origin))
            for seq in seqs[bisect_right(seqs, after) : bisect_right(seqs, upto)]
        ]
        if news:
            self.beat(node, *dots)

    async def _wait(self, waiters: Waiters[T], topics: tuple[Hashable, ...], value: T) -> None:
        dots = [topic for topic in topics if isinstance(topic, Dot)]
        for dot in dots:
            insort(self._awaited.setdefault(dot.origin, []), dot.seq)
        try:
            await super()._wait(waiters, topics, value)
        finally:
            for dot in dots:
                seqs = self._awaited[dot.origin]
                del seqs[bisect_left(seqs, dot.seq)]
                if not seqs:
                    del self._awaited[dot.origin]
