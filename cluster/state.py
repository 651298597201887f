"""What this node is in the middle of."""

from collections.abc import Iterator
from enum import StrEnum


class State(StrEnum):
    """Something that keeps a node from doing all that a node does."""

    RESTORING = "restoring"
    """It lacks events that are gone everywhere, or its rows are damaged: it takes over a state."""


class NodeState:
    """The states that this node is in; none while all is well."""

    def __init__(self) -> None:
        self._states: set[State] = set()

    def __contains__(self, state: State) -> bool:
        return state in self._states

    def __iter__(self) -> Iterator[State]:
        return iter(sorted(self._states))

    def enter(self, state: State) -> None:
        self._states.add(state)

    def leave(self, state: State) -> None:
        self._states.discard(state)
