"""What the history of the clients says of two operations: who knew whom, and who had to."""

from typing import TYPE_CHECKING, Final

from cluster import vectors
from cluster.model import Consistency
from tests.sim.history import Op
from tests.sim.plan import WRITES

if TYPE_CHECKING:
    from tests.sim.world import World

UNNOTICED_S: Final = 8.0
"""How long the loss of a disk may go unnoticed: a few greetings."""


WITHOUT_EFFECT: Final = frozenset({"missing", "refused"})
"""Outcomes of writes that have changed nothing: their nodes said so."""


def writes_of(world: "World") -> list[Op]:
    """The writes that have changed something, or may have."""
    history = world.clients.history
    return [op for op in history if op.kind in WRITES and op.outcome not in WITHOUT_EFFECT]


def before(one: Op, other: Op) -> bool:
    """
    Whether *other*'s node knew *one* when it made *other*.

    It had it when it was asked. Or it had to find it first: a write looks as a read does, so what
    had been acknowledged in the region, and is with somebody whom the node may ask, came before.
    """
    dot = one.dot
    known = dot is not None and vectors.reached(other.seen, dot.origin) >= dot.seq
    return known or must_be_seen(other, one, in_region=True)


def must_be_seen(read: Op, write: Op, *, in_region: bool) -> bool:
    """
    Whether the promise covers this read of this write: somebody has it whom the reader may ask.

    Who has it, be it the writer or another node, and wherever that is. With *in_region* the reader
    need not ask: it has to know what its region has acknowledged, or what is here already. Writes
    of consistency `local` are acknowledged before their region knows of them; and an answer that
    says that nobody could confirm it is of what is here.
    """
    dot = write.dot
    if dot is None or write.outcome != "ok" or write.end > read.start or not read.reaches(dot):
        return False
    near = write.region == read.region and write.consistency is not Consistency.LOCAL
    return (near and not read.unconfirmed) or not in_region or read.has(dot)


def may_undo(undo: Op, write: Op, read: Op) -> bool:
    """Whether *undo* may have come after *write* and before the read's answer."""
    return undo is not write and undo.start < read.end and not before(undo, write)


def on_tag(writes: list[Op], repo: str, tag: str) -> list[Op]:
    """The operations on this tag itself; deleting a manifest is about all that point to it."""
    of_name = [w for w in writes if tag and (w.repo, w.tag) == (repo, tag)]
    return [w for w in of_name if w.puts or w.kind == "delete_tag"]
