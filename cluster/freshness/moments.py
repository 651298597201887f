"""What this node durably had at each moment of the last while."""

from collections import deque
from collections.abc import Callable
from typing import Final

from cluster import vectors
from cluster.gossip.progress import News
from cluster.model import NodeId, Origin, Vector

GRAIN_S: Final = 0.05
"""What comes within this time is kept as one moment."""


class Moments:
    """
    The vector of one node as it was, rounded to a *later* moment: who has that has more than what
    was asked for, never less. Times are seconds of this node's monotonic clock.
    """

    def __init__(self, span_s: float, counts: Callable[[NodeId], bool]) -> None:
        """Remember *span_s* seconds of the logs whose writers *counts* names."""
        self._span_s = span_s
        self._counts = counts
        self._kept: deque[tuple[float, dict[Origin, int]]] = deque([(0.0, {})])

    def begin(self, vector: Vector, now: float) -> None:
        """Note that *vector* is what this node has. Who counts may be others than before."""
        mine = {o: seq for o, seq in vector.items() if self._counts(NodeId(o.node))}
        # Of the earlier moments nothing is known by this count: they are as now, which is more.
        self._kept = deque([(now, mine)])

    def note(self, news: News, now: float) -> None:
        """Note of each log of *news* how far this node has it from now on."""
        began, latest = self._kept[-1]
        # Each word that this node gives looks whether it is noted; it nearly always is.
        counted = {
            o: upto
            for o, (_, upto) in news.items()
            if upto > latest.get(o, 0) and self._counts(NodeId(o.node))
        }
        if not counted:
            return
        if now - began >= GRAIN_S:
            latest = dict(latest)
            self._kept.append((now, latest))
        for origin, upto in counted.items():
            latest[origin] = upto
        if any(vectors.is_mark(origin) for origin in counted):
            # Nobody is asked for the logs that it stands for any more, but for all of them at once.
            self._kept[-1] = (self._kept[-1][0], vectors.raised(latest, {}))
        while len(self._kept) > 1 and self._kept[1][0] <= now - self._span_s:
            self._kept.popleft()

    def at(self, moment: float) -> Vector:
        """All that this node had at *moment*, and perhaps something that came a little later."""
        for began, vector in reversed(self._kept):
            if began <= moment:
                return vector
        return self._kept[0][1]
