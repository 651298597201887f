"""Whom to probe next (SWIM, section 4.3: round-robin probe target selection). Pure."""

from collections.abc import Collection

from cluster.model import NodeId
from cluster.ports import Chance


class Schedule:
    """
    Goes through the members in random order, round after round.

    SWIM shuffles anew for each round, so a member that was first in one and last in the next is
    not looked at for two rounds. Here the two halves of the order are shuffled each on its own:
    nobody waits for more than a round and a half, and in a region of three, where few eyes watch,
    for exactly one round.
    """

    def __init__(self, rng: Chance) -> None:
        self._rng = rng
        self._order: list[NodeId] = []
        self._next = 0
        self._urgent: list[NodeId] = []

    def promote(self, node: NodeId) -> None:
        """Take *node* before all others, once."""
        if node not in self._urgent:
            self._urgent.append(node)

    def next(self, candidates: Collection[NodeId]) -> NodeId | None:
        """The next of *candidates*; None when there are none."""
        while self._urgent:
            node = self._urgent.pop(0)
            if node in candidates:
                return node
        for _ in range(2):
            while self._next < len(self._order):
                node = self._order[self._next]
                self._next += 1
                if node in candidates:
                    return node
            self._new_round(candidates)
        return None

    def _new_round(self, candidates: Collection[NodeId]) -> None:
        stayed = [node for node in self._order if node in candidates]
        known = set(stayed)
        order = [*stayed, *sorted(node for node in candidates if node not in known)]
        # The first round has no order to keep to.
        half = len(order) // 2 if stayed else 0
        self._order = [*self._shuffled(order[:half]), *self._shuffled(order[half:])]
        self._next = 0

    def _shuffled(self, nodes: list[NodeId]) -> list[NodeId]:
        return sorted(nodes, key=lambda _: self._rng.random())
