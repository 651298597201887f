"""What lasts as long as the process: the garbage collector need not look at it."""

import gc


def leave_alone() -> None:
    """
    Keep the collector from what is there now: modules, descriptions, tables.

    Each look at all of that holds the event loop for 0.1 s. This call looks once more, so its place
    is before clients come.
    """
    gc.unfreeze()  # A run before this one in the same process may be over.
    gc.collect()
    gc.freeze()
