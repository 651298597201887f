"""
What a participant wants done. Its driver does it in this order: what stands behind a `Persist`
waits until that is synced, in later steps too. Paxos rests on "persist, then send".
"""

from typing import NamedTuple

from cluster.control.coordinator import Outcome
from cluster.control.messages import AcceptorState, Letter, Message
from cluster.control.values import Batch, Hash


class Persist(NamedTuple):
    """Write these in one batch and sync them: the acceptor's state, and further decided slots."""

    acceptor: AcceptorState
    slots: tuple[Batch, ...]


class Send(NamedTuple):
    """Send a letter; it may be lost, doubled or late, but not later than `quiet_s`."""

    to: str
    letter: Letter


class ReportOutcome(NamedTuple):
    """Tell who made proposal *number* what came of it."""

    number: int
    outcome: Outcome


class StartEmpty(NamedTuple):
    """Set the directory aside and begin with an empty one: it belongs to no cluster any more."""

    reason: str
    ended: tuple[Hash, ...]
    """Generations that it must not join again."""


class StopNode(NamedTuple):
    """Stop the node and say *reason*: only an operator can tell what is to stay."""

    reason: str


Effect = Persist | Send | ReportOutcome | StartEmpty | StopNode


class Outbox:
    """Collects the effects of one step. The parts of a participant share it."""

    def __init__(self, node: str, store: str) -> None:
        self._node = node
        self._store = store
        self.run = 0
        self.generation = Hash(b"")
        self._effects: list[Effect] = []

    def send(self, to: str, message: Message) -> None:
        letter = Letter(self._node, self._store, self.run, self.generation, message)
        self._effects.append(Send(to, letter))

    def add(self, effect: Effect) -> None:
        self._effects.append(effect)

    def take(self) -> list[Effect]:
        effects, self._effects = self._effects, []
        return effects
