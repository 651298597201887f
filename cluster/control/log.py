"""The learner: the decided slots that this node has, in order and without gaps."""

from collections.abc import Iterable, Sequence
from typing import Final

from cluster.control.messages import Slots
from cluster.control.state import EMPTY, ControlState, apply, why_not
from cluster.control.values import Batch

PAGE: Final = 32
"""Slots in one message."""


class Forked(Exception):
    """Two histories of one generation. The rules exclude it; a node that sees it has to stop."""

    def __init__(self, slot: int, reason: str) -> None:
        super().__init__(f"slot {slot}: {reason}")
        self.slot = slot


class ControlLog:
    """Decided slots, and the state that they add up to."""

    def __init__(self, slots: Iterable[Batch] = ()) -> None:
        self._slots: list[Batch] = []
        self.state = EMPTY
        self.extend(slots)

    @property
    def last(self) -> int:
        return len(self._slots)

    def __getitem__(self, slot: int) -> Batch:
        return self._slots[slot - 1]

    @property
    def slots(self) -> Sequence[Batch]:
        return self._slots

    def beyond(self, slot: int) -> tuple[Batch, ...]:
        """The first slots after *slot*, as many as one message has."""
        return tuple(self._slots[slot : slot + PAGE])

    def page(self, slot: int) -> Slots:
        """The message that brings what is after *slot*."""
        return Slots(self.beyond(slot), self.last)

    def extend(self, slots: Iterable[Batch]) -> list[tuple[Batch, ControlState]]:
        """
        Append those of *slots* that follow; returns them, each with the state after it.

        What is behind a gap is dropped: it is asked for again once the gap is closed.

        Raises:
            Forked: one of them differs from what was decided here, or does not follow it.
        """
        new: list[tuple[Batch, ControlState]] = []
        for batch in slots:
            if batch.slot <= self.last:
                if self[batch.slot] != batch:
                    raise Forked(batch.slot, "decided twice")
            elif batch.slot == self.last + 1:
                if (reason := why_not(self.state, batch)) is not None:
                    raise Forked(batch.slot, reason)
                self._slots.append(batch)
                self.state = apply(self.state, batch)
                new.append((batch, self.state))
        return new
