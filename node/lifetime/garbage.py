"""What lasts as long as the process: the garbage collector need not look at it."""

import gc
from typing import Final

_THRESHOLDS: Final = 20_000, 25, 50
"""Objects that are made before the collector looks at the young ones, which takes a millisecond;
and how often it looks before it looks at older ones. Requests and events leave hardly any cycles:
with Python's own numbers (700, 10, 10) it took a twentieth of the time of a push."""


def leave_alone() -> None:
    """
    Keep the collector from what is there now: modules, descriptions, tables.

    Each look at all of that holds the event loop for 0.1 s. This call looks once more, so its place
    is before clients come.
    """
    gc.unfreeze()  # A run before this one in the same process may be over.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
