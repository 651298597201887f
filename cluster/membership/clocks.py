"""
Whose clock is wrong? Compares this node's wall clock with the members'. Pure, but for that clock.

Members refuse stamps that are far ahead. So what a node with such a clock accepts would stay with
it: it has to notice, and stop writing, before that.
"""

from typing import Final, NamedTuple

from cluster.model import NodeId
from cluster.ports import Clock

SAMPLES: Final = 4
"""Greetings remembered per member. The one with the shortest round trip counts: of the others the
answer's age is less sure. More ride out longer jitter; fewer notice a jump of the peer sooner."""


class _Sample(NamedTuple):
    ahead_ms: float
    """The peer's wall clock minus this node's *monotonic* one, so a jump here shows at once."""

    round_trip_ms: float
    at: float


class ClockWatch:
    """How far this node's wall clock is from its members'."""

    def __init__(self, clock: Clock, off_max_ms: float, fresh_s: float) -> None:
        """
        *off_max_ms* is the distance from the median beyond which this node is wrong; samples older
        than *fresh_s* seconds do not count.
        """
        self._clock = clock
        self._off_max_ms = off_max_ms
        self._fresh_s = fresh_s
        self._samples: dict[NodeId, tuple[_Sample, ...]] = {}
        self._agreed_ms: float | None = None
        """This node's wall clock minus its monotonic one, when members last found it right."""

    def note(self, node: NodeId, wall_ms: int, asked_at: float) -> None:
        """
        Note the wall clock that *node* told in its answer, which has just come; *asked_at* is
        seconds of this node's monotonic clock.
        """
        answered_at, mine_ms = self._clock.now_s(), self._clock.now_ms()
        if (answered_at - asked_at) * 500 > self._off_max_ms:
            return  # The answer may be older than what it would have to show.
        middle_ms = (asked_at + answered_at) * 500
        sample = _Sample(wall_ms - middle_ms, (answered_at - asked_at) * 1000, answered_at)
        kept = self._samples.get(node, ())[-SAMPLES + 1 :]
        # Replaced as a whole: stamps are made on another thread, which asks `off_ms`.
        self._samples = {**self._samples, node: (*kept, sample)}
        if not self.off_ms(mine_ms):
            self._agreed_ms = mine_ms - answered_at * 1000

    def forget(self, node: NodeId) -> None:
        """Heed *node* no more: it is no member now."""
        self._samples = {name: kept for name, kept in self._samples.items() if name != node}

    def ahead_ms(self, node: NodeId) -> float | None:
        """How far *node*'s clock is ahead of this one; None when it was not heard of lately."""
        now = self._clock.now_s()
        fresh = [s for s in self._samples.get(node, ()) if s.at >= now - self._fresh_s]
        if not fresh:
            return None
        best = min(fresh, key=lambda sample: sample.round_trip_ms)
        return best.ahead_ms - (self._clock.now_ms() - now * 1000)

    def off_ms(self, wall_ms: int | None = None) -> float:
        """
        How far this node's wall clock, which is *wall_ms* now, is ahead of the median; 0 if it is
        fine. Any thread may ask.

        The median is over all members that were heard of lately, this node included; of an even
        number the lower middle. So of two nodes that differ the one ahead is wrong: it is the one
        whose stamps the other cannot take. While there are members and none was heard of, what this
        clock was when they last found it right is the second one: a jump shows without them.
        """
        offsets = self._offsets(self._clock.now_ms() if wall_ms is None else wall_ms)
        off = -offsets[(len(offsets) - 1) // 2]
        return off if abs(off) > self._off_max_ms else 0.0

    def lag_ms(self) -> float:
        """
        How far this node's wall clock may be behind the median, however little; negative if ahead.

        Here an even number's *upper* middle counts. Of two nodes that differ nobody knows which one
        is wrong: so the one ahead writes nothing, and the one behind denies nothing.
        """
        offsets = self._offsets(self._clock.now_ms())
        return offsets[len(offsets) // 2]

    def _offsets(self, wall_ms: int) -> list[float]:
        """How far each clock is ahead of this node's, which is among them; the smallest first."""
        now, samples, agreed_ms = self._clock.now_s(), self._samples, self._agreed_ms
        fresh = ([s for s in kept if s.at >= now - self._fresh_s] for kept in samples.values())
        heard = [min(s, key=lambda sample: sample.round_trip_ms).ahead_ms for s in fresh if s]
        if not heard and samples and agreed_ms is not None:
            heard = [agreed_ms]
        mine = wall_ms - now * 1000
        return sorted([0.0, *(ahead - mine for ahead in heard)])
