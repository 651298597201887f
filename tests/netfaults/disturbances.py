"""When something was wrong, and between whom: what the rules allow for, and what they do not."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

RECONNECT_S: Final = 6.0
"""After a heal two nodes may need this long to be connected again: the longest pause between two
attempts is 5 s."""

SETTLE_S: Final = 12.0
"""After a heal answers may be 503 for this long: an acknowledgement waits up to 10 s."""


@dataclass(frozen=True, kw_only=True)
class Disturbance:
    """One fault from *start* until it was lifted at *end*. Times are seconds of the run."""

    name: str
    start: float
    end: float
    nodes: frozenset[str]
    """The nodes that it is about."""

    cut: bool = False
    """Whether it takes away packets between `nodes` and all the others."""

    both_ways: bool = True
    """Whether nothing at all passed between them."""

    def divides(self, one: str, other: str) -> bool:
        """Whether the two are on different sides of a cut."""
        return self.cut and (one in self.nodes) != (other in self.nodes)


@dataclass
class Disturbances:
    """All faults of one run."""

    all: list[Disturbance] = field(default_factory=list)

    def is_cut(self, one: str, other: str, start: float, end: float) -> bool:
        """Whether the two nodes may have been without a connection at some time in between."""
        return any(
            each.divides(one, other) and each.start <= end and start <= each.end + RECONNECT_S
            for each in self.all
        )

    def is_divided(self, one: str, other: str, start: float, end: float) -> bool:
        """Whether nothing at all could pass from one node to the other, over any third one."""
        return any(
            each.divides(one, other) and each.both_ways and each.start <= start and end <= each.end
            for each in self.all
        )

    def explain(self, start: float, end: float) -> Iterable[Disturbance]:
        """Those that may have been felt in between."""
        return (each for each in self.all if each.start <= end and start <= each.end + SETTLE_S)
