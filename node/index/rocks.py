"""The `OrderedStore` on disk: one RocksDB, one column family per family. The only rocksdict."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from rocksdict import AccessType, Options, Rdict, ReadOptions, WriteBatch, WriteOptions

from node.index.store import FAMILIES, Mutation

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
        families = {name: Options(raw_mode=True) for name in FAMILIES}
        try:
            self._db: Any = Rdict(str(path), _options(), families, access)
        except Exception as exc:
            if _LOCKED.search(str(exc)):
                raise StoreLocked(f"{path} is in use by another process") from exc
            raise OSError(f"cannot open the index in {path}: {exc}") from exc
        self._families: dict[str, Any] = {
            name: self._db.get_column_family(name) for name in FAMILIES
        }
        self._handles: dict[str, Any] = {
            name: self._db.get_column_family_handle(name) for name in FAMILIES
        }
        self._synced = WriteOptions()
        self._synced.sync = True

    def get(self, family: str, key: bytes) -> bytes | None:
        try:
            value: bytes | None = self._families[family].get(key)
        except Exception as exc:
            raise _failure(exc) from exc
        return value

    def scan(self, family: str, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
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

    def write(self, batch: Sequence[Mutation]) -> None:
        writes = WriteBatch(raw_mode=True)
        for family, key, value in batch:
            if value is None:
                writes.delete(key, self._handles[family])
            else:
                writes.put(key, value, self._handles[family])
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

    def close(self) -> None:
        # Every handle keeps the database, and so its lock, alive.
        self._families.clear()
        self._handles.clear()
        self._db.close()


def _failure(exc: Exception) -> OSError:
    return OSError(f"index storage failed: {exc}")
