"""
What this node is in the middle of, and what it may do meanwhile. Pure; docs/ARCHITECTURE.md has the
table as a picture.

A node may be in several states at once, and may do what each of them allows.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final


class Act(StrEnum):
    """Something that a node does, and may be kept from."""

    CLIENTS = "new clients"
    """Be sent clients: what `/readyz` says."""

    READ = "read"
    """Answer from its own index, without asking its peers."""

    WRITE = "write"
    """Log events for clients."""

    PUSH = "push"
    """Hand events to its members."""

    GRANT = "grant a lease"
    """Let a neighbour read by its word."""

    VOUCH = "vouch"
    """Have others rely on it: on its "not found", and on its copies when they leave."""

    CHECKPOINT = "serve a checkpoint"
    """Give its whole state to a member that takes it over."""


class State(StrEnum):
    """Something that keeps a node from doing all that a node does."""

    JOINING = "joining"
    """It has not heard enough of its cluster yet (`membership.join`)."""

    LACKING = "lacking"
    """It lacks events that are gone from the logs, or its rows are damaged: it looks for a state to
    take over. Its own state is whole: a member that lacks other events may need it."""

    RESTORING = "restoring"
    """It has given up its state, and takes over that of a member; restarts included."""

    DAMAGED = "damaged"
    """Rows of its index are not what was written."""

    FULL = "full"
    """Its disk has no room, or takes no writes."""

    FAILED = "failed"
    """Its index can be neither read nor written, until somebody looks after it."""

    LEAVING = "leaving"
    """It has said that it is about to go for good."""

    STOPPING = "stopping"
    """It serves its last requests."""


ALLOWED: Final[Mapping[State, frozenset[Act]]] = {
    State.JOINING: frozenset({Act.PUSH, Act.CHECKPOINT}),
    State.LACKING: frozenset({Act.PUSH, Act.GRANT, Act.VOUCH, Act.CHECKPOINT}),
    State.RESTORING: frozenset({Act.PUSH, Act.GRANT, Act.VOUCH}),
    State.DAMAGED: frozenset(Act) - {Act.CLIENTS, Act.CHECKPOINT},
    State.FULL: frozenset(Act) - {Act.WRITE},
    State.FAILED: frozenset({Act.GRANT, Act.VOUCH}),
    State.LEAVING: frozenset(Act) - {Act.VOUCH},
    State.STOPPING: frozenset(Act) - {Act.CLIENTS},
}
"""The table. Where the storage is what keeps a node from an act, it refuses by itself."""

WANTS_STATE: Final = "taking over the index of another node"
"""Why a node is lacking, or restoring."""

Check = Callable[[], str | None]
"""Why a node is in a state; None when it is not."""


class NodeState:
    """The states that this node is in, with a line for people of each; none while all is well."""

    def __init__(self) -> None:
        self._told: dict[State, str] = {}
        self._watched: list[tuple[State, Check]] = []
        self._against: dict[Act, list[Check]] = {act: [] for act in Act}
        """Of those that are watched: what may keep the node from an act. Each read asks."""

    def put(self, state: State, why: str | None) -> None:
        """Note why the node is in *state* from now on; None: it is not."""
        if why is None:
            self._told.pop(state, None)
        else:
            self._told[state] = why

    def watch(self, state: State, check: Check) -> None:
        """Have *check*, which must not block, tell whether the node is in *state*."""
        self._watched.append((state, check))
        for act in frozenset(Act) - ALLOWED[state]:
            self._against[act].append(check)

    def why(self, state: State) -> str | None:
        """Why the node is in *state*; None when it is not."""
        checked = (check() for watched, check in self._watched if watched is state)
        told = self._told.get(state)
        return next((why for why in (told, *checked) if why is not None), None)

    def __contains__(self, state: State) -> bool:
        return self.why(state) is not None

    def allows(self, act: Act) -> bool:
        """Whether each state that the node is in allows *act*."""
        if self._told and any(act not in ALLOWED[state] for state in self._told):
            return False
        for check in self._against[act]:  # noqa: SIM110 - each read asks, and `all` takes longer
            if check() is not None:
                return False
        return True
