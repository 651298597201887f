"""
What a failure of RocksDB means, told from its words: rocksdict has nothing else to tell it by.

RocksDB reports errors of its background work with the next write, and repeats them until it is
closed and opened again, however well the disk works by then.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from cluster.errors import StorageFailure
from node.errors import IndexDamaged, IndexFull, IndexPaused

_FULL: Final = re.compile("No space left|Disk quota exceeded|Max allowed space", re.IGNORECASE)
"""ENOSPC, EDQUOT and RocksDB's own limit."""

_SHORT: Final = re.compile(
    "Too many open files|Cannot allocate memory|Resource temporarily unavailable", re.IGNORECASE
)
"""EMFILE and ENFILE, ENOMEM, EAGAIN: they pass."""

_DAMAGED: Final = re.compile(
    "Corruption|Invalid argument|No such file or directory|checksum mismatch", re.IGNORECASE
)
"""Of an index that was made already: a file is gone, or is not what was written."""

_EARLIER: Final = re.compile("previous error", re.IGNORECASE)
"""What a sync says after a write that failed, whatever that one said."""


def failure_of(exc: Exception, before: StorageFailure | None = None) -> StorageFailure:
    """What *exc* means; *before* is the failure that RocksDB is still in, if any."""
    text = str(exc)
    if before is not None and _EARLIER.search(text):
        return type(before)(*before.args)
    if _FULL.search(text):
        return IndexFull()
    short = _SHORT.search(text)
    if short is not None:
        return IndexPaused(f"the index of this node cannot be used now: {short.group().lower()}")
    if _DAMAGED.search(text):
        return IndexDamaged(text)
    return StorageFailure(f"index storage failed: {text}")


@contextmanager
def storage_failures() -> Iterator[None]:
    """Turn what the system says of the index's files into what it means. Decorates calls, too."""
    try:
        yield
    except OSError as exc:
        raise failure_of(exc) from exc
