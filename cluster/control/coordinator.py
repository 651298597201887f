"""
The port through which the cluster agrees on something. The control log serves it; an etcd could.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from cluster.control.state import ControlState
from cluster.control.values import Author, Command


class Decided(NamedTuple):
    """The proposal is slot *slot*, for good."""

    slot: int


class Current(NamedTuple):
    """A majority knew of no decision after *slot*, at some time after it was asked."""

    slot: int


class Taken(NamedTuple):
    """Nothing changed: the slot that was asked for was decided otherwise. Look and try again."""

    slot: int
    author: Author


class Refused(NamedTuple):
    """Nothing changed: this proposal cannot be made here now, for *reason*."""

    reason: str


class NoMajority(NamedTuple):
    """Nothing changed: too few voters answered. *missing* are the nodes that did not."""

    missing: tuple[str, ...]


class Unknown(NamedTuple):
    """The proposal was sent to voters and may be decided still, or never. *missing*: as above."""

    missing: tuple[str, ...]


Outcome = Decided | Current | Taken | Refused | NoMajority | Unknown


class Coordinator(Protocol):
    """
    One history of decisions for the whole cluster. Safe to call from many tasks at once.

    A decision is durable at a majority before it is reported, and every node reads the same ones in
    the same order.
    """

    @property
    def state(self) -> ControlState:
        """What holds after the decisions that this node has. Others may have more."""
        ...

    async def propose(self, slot: int, commands: Sequence[Command], *, timeout: float) -> Outcome:
        """
        Ask for *commands* to be the decision number *slot*. All of them take effect, or none.

        This is compare-and-set: who has seen all decisions up to *slot* - 1 knows what its commands
        change. Answers within *timeout* seconds. To repeat it after `Unknown` is safe: one slot is
        not decided twice.
        """
        ...

    async def catch_up(self, *, timeout: float) -> Current | NoMajority:
        """Make `state` one with every decision that was reported before this was called."""
        ...
