"""
Sums over the shared rows, by which two nodes find out whether they have the same ones.

Every row falls into one of 256 partitions by what it is about: the repository, the type of the
setting, the digest of the blob that somebody holds. A partition's sum is the XOR of the hashes of
its rows in their canonical form, so it can be kept up row by row, in the batch that changes them;
two nodes with equal vectors must have equal sums. The hash finds mistakes, not forgeries: peers are
trusted.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from typing import Final, NamedTuple
from zlib import crc32

from cluster.objects import COUNT_BYTES, HASH_BYTES, PARTITIONS
from node.index import canonical
from node.index.store import (
    END,
    LOCAL_FAMILIES,
    SHARED_FAMILIES,
    Mutation,
    OrderedStore,
    StoreSnapshot,
)

_PERSON: Final = b"atoll-rows-%d" % canonical.FORM

_NAMED_LAST: Final = "linked"
"""Every other family's keys begin with what the row is about."""


class Partition(NamedTuple):
    """Sum and number of the rows of one partition."""

    sum: int = 0
    rows: int = 0


class RowChange(NamedTuple):
    """One row before and after; None where it is not there."""

    family: str
    key: bytes
    before: bytes | None
    after: bytes | None


@dataclass(frozen=True, slots=True)
class Sums:
    """The partitions' sums. A change makes new ones: whoever holds the old ones keeps them."""

    partitions: tuple[Partition, ...] = (Partition(),) * PARTITIONS

    @property
    def rows(self) -> int:
        """Rows in all partitions together."""
        return sum(partition.rows for partition in self.partitions)

    def after(self, changes: Iterable[RowChange]) -> "tuple[Sums, list[Mutation]]":
        """The sums after *changes*, and the rows that store the difference."""
        touched: dict[int, Partition] = {}
        for family, key, before, after in changes:
            if before == after or family in LOCAL_FAMILIES:
                continue
            number = _partition_of(family, key)
            total, rows = touched.get(number) or self.partitions[number]
            if before is not None:
                total, rows = total ^ _hash(family, key, before), rows - 1
            if after is not None:
                total, rows = total ^ _hash(family, key, after), rows + 1
            touched[number] = Partition(total, rows)
        if not touched:
            return self, []
        partitions = list(self.partitions)
        for number, partition in touched.items():
            partitions[number] = partition
        return Sums(tuple(partitions)), [_stored(number, part) for number, part in touched.items()]

    def encode(self) -> bytes:
        """All partitions in a row, as peers exchange them."""
        return b"".join(map(_encode, self.partitions))

    def stored(self) -> list[Mutation]:
        """The rows that store all of them."""
        return [_stored(number, part) for number, part in enumerate(self.partitions)]

    @classmethod
    def load(cls, store: OrderedStore) -> "Sums":
        """The sums that *store* says it has."""
        partitions = [Partition()] * PARTITIONS
        for key, row in store.scan("merkle", b"", END):
            partitions[key[0]] = _decode(row)
        return cls(tuple(partitions))

    @classmethod
    def recompute(cls, store: OrderedStore) -> "Sums":
        """The sums of the rows that are there. Reads all of them: minutes with many millions."""
        found = cls()
        for page in shared_rows(store, 4096):
            found, _ = found.after(page)
        return found


def shared_rows(store: OrderedStore | StoreSnapshot, page_max: int) -> Iterator[list[RowChange]]:
    """All rows that are summed up, in pages of no more than *page_max*."""
    for family in SHARED_FAMILIES:
        start = b""
        while page := list(islice(store.scan(family, start, END), page_max)):
            yield [RowChange(family, key, None, value) for key, value in page]
            start = page[-1][0] + b"\0"


def partition_of(name: bytes) -> int:
    """The partition of all rows that are about *name*."""
    return crc32(name) & (PARTITIONS - 1)


def _partition_of(family: str, key: bytes) -> int:
    if family == _NAMED_LAST:
        return partition_of(key[:-1].rpartition(b"\0")[2])
    return partition_of(key.partition(b"\0")[0])


def _hash(family: str, key: bytes, value: bytes) -> int:
    row = b"%s\0%d\0%s%s" % (family.encode(), len(key), key, canonical.form(family, value))
    digest = blake2b(row, digest_size=HASH_BYTES, person=_PERSON).digest()
    return int.from_bytes(digest, "big")


def _stored(number: int, partition: Partition) -> Mutation:
    # An empty partition has no row, on every node alike.
    row = None if partition == Partition() else _encode(partition)
    return Mutation("merkle", bytes([number]), row)


def _encode(partition: Partition) -> bytes:
    return partition.sum.to_bytes(HASH_BYTES, "big") + partition.rows.to_bytes(COUNT_BYTES, "big")


def _decode(row: bytes) -> Partition:
    return Partition(
        int.from_bytes(row[:HASH_BYTES], "big"), int.from_bytes(row[HASH_BYTES:], "big")
    )
