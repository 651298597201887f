"""
The port under the index: an ordered key-value store with atomic batches.

Two implementations pass one contract suite: RocksDB on disk, and memory for tests and the
simulator, which can lose what was not synced.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, Protocol

from cluster.errors import StorageFailure

SHARED_FAMILIES: Final = (
    "manifests",
    "manifest_bytes",
    "blobs",
    "linked",
    "tags",
    "history",
    "histories",
    "conflicts",
    "tagged",
    "referrers",
    "referrer_types",
    "repositories",
    "settings",
    "holders",
)
"""The same, byte for byte, on two nodes that have applied the same events: summed up, compared."""

SENT_FAMILIES: Final = (
    *SHARED_FAMILIES,
    "deletions",
    "named",
    "kept_named",
    "kept_bytes",
    "quarantine",
)
"""What is in a checkpoint: also what may differ, but whoever takes it over could not make again."""

FAMILIES: Final = (
    *SENT_FAMILIES,
    "meta",
    "own",
    "cached",
    "log",
    "vector",
    "floor",
    "merkle",
    "uploads",
)
"""Every column family, by what it holds (`node.index.keys` draws the keys)."""

LOCAL_FAMILIES: Final = frozenset(FAMILIES) - {*SHARED_FAMILIES}
"""What may differ between two nodes that have applied the same events."""

END: Final = b"\xff\xff"
"""Sorts behind every key: names are ASCII."""


class Mutation(NamedTuple):
    """One row's change; *value* None deletes the row."""

    family: str
    key: bytes
    value: bytes | None


class RangeDeletion(NamedTuple):
    """The end of every row with *start* <= key < *stop*, however many there are."""

    family: str
    start: bytes
    stop: bytes


Change = Mutation | RangeDeletion


class StoreSnapshot(Protocol):
    """The rows of some families as they were at one moment, whatever is written later."""

    def scan(self, family: str, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        """As `OrderedStore.scan`. One scan of a family at a time."""
        ...

    def close(self) -> None:
        """Let go of the rows. Harmless a second time, and after the store's own `close`."""
        ...


class OrderedStore(Protocol):
    """
    Rows of bytes in families, ordered by key.

    Safe to call from many threads at once.
    Every method raises `StorageFailure` when the storage fails: `IndexPaused` when all that it
    lacks is room or another thing that comes back, and `IndexDamaged` when rows are not what was
    written. After a write or a sync that failed nothing is written until `recover`.
    """

    @property
    def trouble(self) -> StorageFailure | None:
        """Why nothing is written until `recover`, or ever again; None when all is well."""
        ...

    @property
    def read_failure(self) -> StorageFailure | None:
        """Why a read failed lately; None if none did. Writing may go on all the same."""
        ...

    def get(self, family: str, key: bytes) -> bytes | None: ...

    def scan(self, family: str, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Rows with *start* <= key < *stop*, in order. May or may not see later writes."""
        ...

    def write(self, batch: Sequence[Change]) -> None:
        """Apply *batch* atomically, in order: visible on return, durable after the next `sync`."""
        ...

    def snapshot(self, families: Sequence[str]) -> StoreSnapshot:
        """The rows of *families* as they are now; of one moment if nobody writes meanwhile."""
        ...

    def sync(self) -> None:
        """Make everything written so far durable."""
        ...

    def recover(self) -> None:
        """
        Take writes again after a failure; blocks, and until it returns reads may fail, too.

        On return everything that was synced before is there. What was written after the last
        sync may be there or not, each batch whole; what is there is durable after the next sync.

        Raises:
            IndexPaused: what was missing still is, or the last attempt was a moment ago.
            StorageFailure: it failed again. `IndexDamaged`: it is of no use any more.
        """
        ...

    def close(self) -> None: ...
