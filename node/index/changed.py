"""What writes to the index are about, for who keeps something that is made of its rows."""

from collections import deque
from collections.abc import Set
from typing import Final, NamedTuple

from node.index.worded import WrittenBatch

WAITING_MAX: Final = 100_000
"""Batches whose names wait to be taken. Beyond it everything has changed: that takes no memory."""


class ChangedRows(NamedTuple):
    """Whose rows have changed since the last look."""

    names: set[bytes]
    """Repositories and digests, as they stand in keys; only the latter have a colon."""

    everything: bool
    """Any row may be another: a checkpoint was taken over, or the store opened again."""


class ChangedNames:
    """An observer of the index: the names of what was written, for one who takes them."""

    def __init__(self) -> None:
        self._waiting: deque[Set[bytes] | None] = deque()

    def __call__(self, written: WrittenBatch) -> None:
        """Note whose rows may be others now. From any thread."""
        if written.everything or len(self._waiting) >= WAITING_MAX:
            # What waits is a part of it.
            self._waiting.clear()
            self._waiting.append(None)
        elif written.names:
            self._waiting.append(written.names)

    def take(self) -> ChangedRows:
        """All that was noted since the last call. By one taker."""
        names, everything = set[bytes](), False
        while self._waiting:
            # One at a time: the writer goes on meanwhile, and may clear what waits.
            try:
                noted = self._waiting.popleft()
            except IndexError:
                break
            if noted is None:
                everything = True
            else:
                names |= noted
        return ChangedRows(names, everything)
