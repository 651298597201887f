"""
Which answers may be marked as unconfirmed, and when. Pure.

A node that sees no majority of its region's quorum goes on answering reads, and says with each that
it may not be the latest. That promises nothing, so nobody may say it without need: only while a
fault has taken the majority from that node, and until its links have found each other again.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from tests.netfaults.causes import LINK_S, itself_until
from tests.netfaults.disturbances import Disturbance, Disturbances
from tests.netfaults.history import Op
from tests.netfaults.violation import Violation

NEEDLESS: Final = "unconfirmed without need"

DURING: Final = "during"
AFTER: Final = "after"
CALM: Final = "without need"
"""The phases of a fault for those who count: until its lifting began, and until its nodes had
recovered from it. And all other time."""


def phase(read: Op, disturbances: Disturbances) -> str:
    """When *read*, which is marked, was answered."""
    needs = [fault for fault in disturbances if _takes_majority(fault, read)]
    if not needs:
        return CALM
    return DURING if any(read.end <= fault.loosens for fault in needs) else AFTER


def phases(history: Iterable[Op], disturbances: Disturbances) -> Counter[str]:
    """How many reads were marked in each phase."""
    return Counter(phase(op, disturbances) for op in history if _is_marked_read(op))


def needless(history: Iterable[Op], disturbances: Disturbances) -> Iterable[Violation]:
    """A read is confirmed where a majority could be asked, and a write always is."""
    for op in history:
        if op.is_write and op.unconfirmed and op.outcome == "ok":
            yield Violation(NEEDLESS, (op,), "a write is acknowledged by a majority")
        elif _is_marked_read(op) and phase(op, disturbances) == CALM:
            yield Violation(NEEDLESS, (op,), "its node saw a majority")


def _is_marked_read(op: Op) -> bool:
    return op.unconfirmed and not op.is_write and op.outcome in ("ok", "missing")


def _takes_majority(fault: Disturbance, read: Op) -> bool:
    """Whether the node of *read* may have seen no majority because of *fault*."""
    if fault.harmless or fault.leaves_majority(read.node):
        return False
    late_s = LINK_S if fault.kind == "kill" else 0.0
    return fault.start <= read.end and read.start <= itself_until(fault) + late_s
