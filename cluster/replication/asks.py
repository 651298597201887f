"""Who is asked next to hold a blob, and who has not answered. Pure."""

import math
from collections.abc import Iterable, Mapping

from cluster.model import NodeId


class Asks:
    """
    The nodes that were asked to hold one blob.

    One that has said nothing for *patience_s* seconds is silent. It may still answer, and that
    counts; but the next node is asked beside it, and when there is none, it is asked once more:
    to hold a blob twice is the same as once.
    """

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._silent_at: dict[NodeId, float] = {}
        """From when on each counts as silent that was asked and has not answered."""

        self._refusals: dict[NodeId, Exception] = {}

    @property
    def refusals(self) -> Mapping[NodeId, Exception]:
        """Why those who said so do not hold it, and those given up. They are not asked again."""
        return self._refusals

    @property
    def awaited(self) -> bool:
        """Whether somebody may still answer, silent or not."""
        return bool(self._silent_at)

    def choose(self, placed: Iterable[NodeId], wanted: int, now_s: float) -> list[NodeId]:
        """
        Who of *placed*, best first, is to be asked now, if *wanted* of them are to hold the blob.

        Those that nobody asked come first, then those that have been silent for longest.
        """
        waited_for = self._waited_for(now_s)
        able = [n for n in placed if n not in waited_for and n not in self._refusals]
        able.sort(key=lambda node: self._silent_at.get(node, -math.inf))
        return able[: max(0, wanted - len(waited_for))]

    def begin(self, node: NodeId, now_s: float) -> None:
        """Note that *node* is asked."""
        self._silent_at[node] = now_s + self._patience_s

    def end(self, node: NodeId, refusal: Exception | None) -> None:
        """Note what *node* answered, to any of the times that it was asked."""
        self._silent_at.pop(node, None)
        if refusal is not None:
            self._refusals[node] = refusal

    def pause_s(self, now_s: float) -> float | None:
        """Seconds until the next of them is silent; None when all are."""
        ends = [self._silent_at[node] for node in self._waited_for(now_s)]
        return min(ends) - now_s if ends else None

    def _waited_for(self, now_s: float) -> set[NodeId]:
        return {node for node, at in self._silent_at.items() if now_s < at}
