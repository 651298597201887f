"""When something was wrong, and between whom: what the rules allow for, and what they do not."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from cluster.config import ClusterConfig
from tests.netfaults.nodes import REGION_OF, has_majority

Kind = Literal["kill", "stop", "cut", "bridge", "clock", "disk"]

_CONFIG: Final = ClusterConfig()
COPIES: Final = _CONFIG.copies

RECONNECT_S: Final = _CONFIG.backoff_max_s + _CONFIG.heartbeat_timeout_s
"""After a heal two nodes may need this long to be connected again: the longest pause between two
attempts, and a greeting."""


@dataclass(frozen=True, kw_only=True)
class Disturbance:
    """One fault. Times are seconds of the run."""

    name: str
    kind: Kind
    nodes: frozenset[str]
    """
    The nodes that it is about. A cut takes away packets between them and all the others; a bridge
    those between two nodes, whom all the others see.
    """

    start: float
    """When it was begun."""

    holds: float
    """When it was there in full: a cut is made of many rules."""

    loosens: float
    """When lifting it began."""

    end: float
    """When it was lifted. A killed node is started then."""

    both_ways: bool = True
    """Whether nothing at all passed through a cut."""

    ready: float | None = None
    """When a killed node, started again, said that it takes traffic."""

    harmless: bool = False
    """Whether nobody may notice it: a clock that is off by less than what is let pass."""

    def divides(self, one: str, other: str) -> bool:
        """Whether packets between the two are taken away."""
        if self.kind == "bridge":
            return one != other and {one, other} <= self.nodes
        return self.kind == "cut" and (one in self.nodes) != (other in self.nodes)

    def side(self, node: str) -> frozenset[str]:
        """The nodes that are connected with *node*, over whomever, itself included."""
        if self.kind != "cut":
            return frozenset(REGION_OF)
        return self.nodes if node in self.nodes else REGION_OF.keys() - self.nodes

    def leaves_majority(self, node: str) -> bool:
        """
        Whether *node* goes on seeing a majority of its region's quorum. Whose process was gone, or
        stood still, sees nobody at first.
        """
        if self.kind in ("kill", "stop"):
            seen = {node} if node in self.nodes else REGION_OF.keys() - self.nodes
        else:
            seen = {other for other in REGION_OF if not self.divides(node, other)}
        return has_majority(REGION_OF[node], seen)


@dataclass
class Disturbances:
    """All faults of one run."""

    all: list[Disturbance] = field(default_factory=list)

    def __iter__(self) -> Iterator[Disturbance]:
        return iter(self.all)

    def may_lack(self, node: str, writer: str, start: float, end: float) -> bool:
        """
        Whether *node* may be without something that *writer* acknowledged, at some time in
        between: it was cut off from every node that may have been asked to keep it.

        What is acknowledged is on `copies` nodes. On *writer*'s side of a cut there may be that
        many; if there are fewer, one of them is on this side, and is asked.
        """
        return any(
            writer not in each.side(node)
            and len(each.side(writer)) >= COPIES
            and each.start <= end
            and start <= each.end + RECONNECT_S
            for each in self.all
        )

    def is_divided(self, one: str, other: str, start: float, end: float) -> bool:
        """Whether nothing at all could pass from one node to the other, over any third one."""
        return any(
            other not in each.side(one)
            and each.both_ways
            and each.holds <= start
            and end <= each.loosens
            for each in self.all
        )
