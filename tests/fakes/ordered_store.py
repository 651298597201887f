"""An `OrderedStore` in memory, for tests and the simulator. Can lose what was not synced."""

import threading
from collections.abc import Iterator, Sequence

from sortedcontainers import SortedDict

from cluster.errors import StorageFailure
from node.errors import IndexFull
from node.index.store import FAMILIES, Change, Mutation, RangeDeletion


class MemoryStore:
    """Rows in sorted dictionaries; `crash` goes back to the last `sync`."""

    trouble: StorageFailure | None = None
    read_failure: StorageFailure | None = None

    def __init__(self) -> None:
        self._families: dict[str, SortedDict] = {name: SortedDict() for name in FAMILIES}
        self._undo: list[Mutation] = []
        self._lock = threading.Lock()

    def get(self, family: str, key: bytes) -> bytes | None:
        value: bytes | None = self._families[family].get(key)
        return value

    def scan(self, family: str, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        rows = self._families[family]
        # A copy of the keys: the caller may write while it iterates, as RocksDB allows.
        with self._lock:
            found = list(rows.irange(start, stop, inclusive=(True, False)))
        for key in found:
            value = rows.get(key)
            if value is not None:
                yield key, value

    def write(self, batch: Sequence[Change]) -> None:
        with self._lock:
            for change in batch:
                if isinstance(change, Mutation):
                    self._mutate(*change)
                else:
                    self._delete(change)

    def _delete(self, gone: RangeDeletion) -> None:
        rows = self._families[gone.family]
        for key in list(rows.irange(gone.start, gone.stop, inclusive=(True, False))):
            self._mutate(gone.family, key, None)

    def _mutate(self, family: str, key: bytes, value: bytes | None) -> None:
        rows = self._families[family]
        self._undo.append(Mutation(family, key, rows.get(key)))
        if value is None:
            rows.pop(key, None)
        else:
            rows[key] = value

    def snapshot(self, families: Sequence[str]) -> "MemorySnapshot":
        with self._lock:
            return MemorySnapshot({family: self._families[family].copy() for family in families})

    def sync(self) -> None:
        with self._lock:
            self._undo.clear()

    def recover(self) -> None:
        self.crash()

    def crash(self) -> None:
        """Forget every write since the last `sync`, as a power cut would."""
        while self._undo:
            family, key, value = self._undo.pop()
            if value is None:
                self._families[family].pop(key, None)
            else:
                self._families[family][key] = value

    def close(self) -> None:
        """Nothing to close; the rows stay, so that a test can open them again."""


class MemorySnapshot:
    """Copies of the dictionaries."""

    def __init__(self, families: dict[str, SortedDict]) -> None:
        self._families = families

    def scan(self, family: str, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        rows = self._families[family]
        for key in rows.irange(start, stop, inclusive=(True, False)):
            yield key, rows[key]

    def close(self) -> None:
        self._families.clear()


class FailingStore(MemoryStore):
    """A store whose disk stops working."""

    failing = False

    def sync(self) -> None:
        if self.failing:
            raise StorageFailure("Input/output error")
        super().sync()

    def get(self, family: str, key: bytes) -> bytes | None:
        if self.failing:
            raise StorageFailure("Input/output error")
        return super().get(family, key)


class FullStore(MemoryStore):
    """A store whose disk has no room for what is written while *full*; it fails at the sync."""

    full = False
    refusing = False

    def sync(self) -> None:
        self.refusing = self.refusing or self.full
        if self.refusing:
            raise IndexFull
        super().sync()

    def recover(self) -> None:
        if self.full:
            raise IndexFull
        self.refusing = False
        super().recover()
