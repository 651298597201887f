"""What counts as harm. Pure: the run's observations in, a list of faults out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.hostile.crowd import Told
from tests.hostile.leftovers import Held
from tests.hostile.load import Observed

SLOWER_MAX_S: Final = 0.250
"""How much slower the healthy p99.9 may be than beside as many well-behaved connections."""

MEMORY_MORE_MAX: Final = 0.15
MEMORY_MORE_BYTES: Final = 32 << 20
"""Resident memory that may stay: an allocator does not give back every page that it was given."""

DESCRIPTORS_MORE_MAX: Final = 4
"""A link between nodes may be made anew at any time."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What was seen beside the well-behaved crowd, beside the strangers, and afterwards."""

    calm: Observed
    harassed: Observed
    neighbours: Told
    strangers: Told
    before: Sequence[Held]
    after: Sequence[Held]
    alarms: float
    """Members suspected or given up while the strangers were there."""

    tracebacks: int
    """In the logs of the nodes."""

    fsck: Sequence[str]
    """What `atoll fsck` found, a text for each node with a problem."""


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile: the smallest value that *share* of all do not exceed."""
    rank = max(1, math.ceil(share * len(values)))
    return sorted(values)[rank - 1]


def slower_s(evidence: Evidence) -> float:
    """By how much the p99.9 of the healthy requests grew."""
    calm, harassed = evidence.calm.seconds, evidence.harassed.seconds
    return percentile(harassed, 0.999) - percentile(calm, 0.999)


def delays(evidence: Evidence) -> list[str]:
    """What took longer than it may. A machine with other things to do brings these about, too."""
    found = []
    if slower_s(evidence) > SLOWER_MAX_S:
        found.append(f"p99.9 is more than {SLOWER_MAX_S * 1000:g} ms above that beside neighbours")
    if evidence.alarms:
        found.append(f"{evidence.alarms:g} members were suspected or given up")
    return found


def faults(evidence: Evidence) -> list[str]:
    """Everything that must not be, however slow the machine is."""
    found = [
        *(f"beside neighbours: {n} x {what}" for what, n in evidence.calm.failures.items()),
        *(f"beside strangers: {n} x {what}" for what, n in evidence.harassed.failures.items()),
        *(
            f"neighbours: {name} got {status}, {n} x"
            for (name, status), n in evidence.neighbours.wrong.items()
        ),
        *(
            f"strangers: {name} got {status}, {n} x"
            for (name, status), n in evidence.strangers.wrong.items()
        ),
        *evidence.fsck,
    ]
    if evidence.tracebacks:
        found.append(f"{evidence.tracebacks} tracebacks in the logs")
    for number, (before, after) in enumerate(zip(evidence.before, evidence.after, strict=True)):
        kept = f"node {number} keeps"
        if after.memory_bytes > memory_max(before):
            had, has = before.memory_bytes >> 20, after.memory_bytes >> 20
            found.append(f"{kept} {has} MiB, it had {had}")
        if after.descriptors > before.descriptors + DESCRIPTORS_MORE_MAX:
            found.append(f"{kept} {after.descriptors} descriptors, it had {before.descriptors}")
    return found


def memory_max(before: Held) -> float:
    """Resident bytes that a node may have afterwards."""
    return before.memory_bytes * (1 + MEMORY_MORE_MAX) + MEMORY_MORE_BYTES


def has_settled(before: Sequence[Held], now: Sequence[Held]) -> bool:
    """Whether nothing is left of the crowd."""
    return all(
        after.memory_bytes <= memory_max(earlier)
        and after.descriptors <= earlier.descriptors + DESCRIPTORS_MORE_MAX
        for earlier, after in zip(before, now, strict=True)
    )
