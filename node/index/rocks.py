"""The `OrderedStore` on disk: one RocksDB, one column family per family. The only rocksdict."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from weakref import WeakSet

from rocksdict import AccessType, Options, Rdict, ReadOptions, WriteBatch, WriteOptions

from node.index.store import FAMILIES, Change, Mutation

_LOCKED: Final = re.compile(r"lock hold by current process|While lock file", re.IGNORECASE)

_WAL_BYTES_MAX: Final = 256 << 20
"""Column families are flushed when the write-ahead log reaches this; bounds start-up replay."""


class StoreLocked(OSError):
    """Another process has the index open."""


def _options() -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.create_missing_column_families(True)
    options.set_max_total_wal_size(_WAL_BYTES_MAX)
    options.set_keep_log_file_num(4)
    return options


class RocksStore:
    """
    Rows in RocksDB.

    rocksdict reports every failure as a bare Exception; here they become OSError, so that a
    storage failure can never look like a missing row (P9).
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """
        Open, or create, the database in directory *path*.

        Raises:
            StoreLocked: another process has it open.
            OSError: it cannot be opened.
        """
        access = AccessType.read_only() if read_only else AccessType.read_write()
        try:
            names = _present(path) if read_only else FAMILIES
            families = {name: Options(raw_mode=True) for name in names}
            self._db: Any = Rdict(str(path), _options(), families, access)
        except Exception as exc:
            if _LOCKED.search(str(exc)):
                raise StoreLocked(f"{path} is in use by another process") from exc
            raise OSError(f"cannot open the index in {path}: {exc}") from exc
        self._families: dict[str, Any] = {name: self._db.get_column_family(name) for name in names}
        self._handles: dict[str, Any] = {
            name: self._db.get_column_family_handle(name) for name in names
        }
        self._snapshots: WeakSet[RocksSnapshot] = WeakSet()
        self._synced = WriteOptions()
        self._synced.sync = True

    def get(self, family: str, key: bytes) -> bytes | None:
        rows = self._families.get(family)
        if rows is None:
            return None  # opened to read only, and written before there was such a family
        try:
            value: bytes | None = rows.get(key)
        except Exception as exc:
            raise _failure(exc) from exc
        return value

    def scan(self, family: str, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        if family not in self._families:
            return
        try:
            options = ReadOptions()
            options.set_iterate_upper_bound(stop)
            rows = self._families[family].iter(options)
            rows.seek(start)
            while rows.valid():
                yield rows.key(), rows.value()
                rows.next()
            rows.status()
        except Exception as exc:
            raise _failure(exc) from exc

    def write(self, batch: Sequence[Change]) -> None:
        writes = WriteBatch(raw_mode=True)
        for change in batch:
            handle = self._handles[change.family]
            if not isinstance(change, Mutation):
                writes.delete_range(change.start, change.stop, handle)
            elif change.value is None:
                writes.delete(change.key, handle)
            else:
                writes.put(change.key, change.value, handle)
        try:
            self._db.write(writes)
        except Exception as exc:
            raise _failure(exc) from exc

    def sync(self) -> None:
        # A synced write covers everything before it in the write-ahead log. rocksdict's
        # flush_wal would do too, but it holds the interpreter lock while the disk works.
        marker = WriteBatch(raw_mode=True)
        marker.put(b"synced\0", b"", self._handles["meta"])
        try:
            self._db.write(marker, self._synced)
        except Exception as exc:
            raise _failure(exc) from exc

    def snapshot(self, families: Sequence[str]) -> "RocksSnapshot":
        try:
            taken = RocksSnapshot({family: self._families[family].iter() for family in families})
        except Exception as exc:
            raise _failure(exc) from exc
        self._snapshots.add(taken)
        return taken

    def close(self) -> None:
        for snapshot in list(self._snapshots):
            snapshot.close()
        # Every handle keeps the database, and so its lock, alive.
        self._families.clear()
        self._handles.clear()
        self._db.close()


class RocksSnapshot:
    """
    One iterator per family, which sees the rows of the moment it was made in.

    Not rocksdict's own snapshot: the iterators of that one see later writes (0.3.29).
    """

    def __init__(self, iterators: dict[str, Any]) -> None:
        self._iterators = iterators

    def scan(self, family: str, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        try:
            rows = self._iterators[family]
            rows.seek(start)
            while rows.valid() and (key := rows.key()) < stop:
                yield key, rows.value()
                rows.next()
            rows.status()
        except Exception as exc:
            raise _failure(exc) from exc

    def close(self) -> None:
        self._iterators.clear()


def _present(path: Path) -> tuple[str, ...]:
    """The families that the database has: a database that is only read gets no new ones."""
    there = set(Rdict.list_cf(str(path), _options()))
    return tuple(name for name in FAMILIES if name in there)


def _failure(exc: Exception) -> OSError:
    return OSError(f"index storage failed: {exc}")
