"""
Events that this version cannot apply: of an unknown kind, or with a body that makes no sense here.

Each is kept beside its log, so it survives trimming, and goes along in checkpoints. Until it is
applied it is not `seen`: a later event that names it finds nothing to take the place of, and the
object remembers that. At every start, and after a checkpoint, all are tried again: a later version
may know more.
"""

from collections import Counter
from hashlib import blake2b
from typing import Final

from cluster.model import Event, Key, Origin
from cluster.objects import decode_event, encode_event
from node.index import rows
from node.index.merkle import partition_of
from node.index.rows import QuarantineRow
from node.index.store import END, OrderedStore

FAMILY: Final = "quarantine"

_MARK_BYTES: Final = 8


class Quarantine:
    """
    How many events are kept, of which logs, and in which partitions of the sums their objects are.

    Only nodes that keep the same events of a partition have the same rows there; *marks* has for
    each such partition what tells one set of events from another.
    """

    def __init__(self) -> None:
        self.logs: Counter[Origin] = Counter()
        self.marks: dict[int, int] = {}

    @property
    def events(self) -> int:
        return self.logs.total()

    @classmethod
    def load(cls, store: OrderedStore) -> "Quarantine":
        """What *store* keeps. Reads all of it."""
        found = cls()
        for _, row in store.scan(FAMILY, b"", END):
            found.note(event_of(row), 1)
        return found

    def note(self, event: Event, more: int) -> None:
        """*event* came (1) or goes (-1)."""
        self.logs[event.origin] += more
        if not self.logs[event.origin]:
            del self.logs[event.origin]
        partition = partition_of_object(event.key)
        name = blake2b(str(event.dot).encode(), digest_size=_MARK_BYTES).digest()
        mark = self.marks.pop(partition, 0) ^ int.from_bytes(name, "big")
        if mark:
            self.marks[partition] = mark

    def follow(self, before: bytes | None, after: bytes | None) -> None:
        """Take note of a row that changed."""
        if before is not None:
            self.note(event_of(before), -1)
        if after is not None:
            self.note(event_of(after), 1)


def partition_of_object(key: Key) -> int:
    """
    Where the rows of the object are: by its repository, or the type of a setting, or the digest of
    a blob that somebody holds. No event changes rows of another partition.
    """
    return partition_of((key.repository or key.name).encode())


def row_of(event: Event, reason: str) -> bytes:
    """What keeps *event*, under its dot."""
    return rows.encode(QuarantineRow(reason, encode_event(event)))


def event_of(row: bytes) -> Event:
    return decode_event(rows.decode(QuarantineRow, row).event)
