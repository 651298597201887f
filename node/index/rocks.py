"""The `OrderedStore` on disk: one RocksDB, one column family per family. The only rocksdict."""

import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from weakref import WeakSet

from rocksdict import AccessType, Options, Rdict, ReadOptions, WriteBatch

from cluster.errors import StorageFull
from node.errors import IndexFull
from node.index.store import FAMILIES, Change, Mutation
from node.room import check_room

_LOCKED: Final = re.compile(r"lock hold by current process|While lock file", re.IGNORECASE)

_WAL_BYTES_MAX: Final = 256 << 20
"""Column families are flushed when the write-ahead log reaches this; bounds start-up replay."""

_FULL: Final = re.compile("No space left|Disk quota exceeded|Max allowed space", re.IGNORECASE)
"""How RocksDB words ENOSPC, EDQUOT and its own limit; writes repeat them until it is reopened."""

_EARLIER: Final = "previous error"
"""What a sync says after a write that failed, whatever that one said."""

_RECOVERY_BYTES: Final = 16 << 20
"""Room for a recovery beside a copy of the write-ahead log: its new log, options and manifest."""

_RELEASE_TRIES: Final = 100
_RELEASE_PAUSE_S: Final = 0.01

_WRITTEN_BY_READERS: Final = "rocksdict-config.json"


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
        self._path = path
        self._read_only = read_only
        self._recovering = False
        self._full = False
        self._scratch: TemporaryDirectory[str] | None = None
        self._open()

    def _open(self) -> None:
        path = self._path
        if self._read_only:
            path = self._window()
        access = AccessType.read_only() if self._read_only else AccessType.read_write()
        try:
            names = _present(path) if self._read_only else FAMILIES
            families = {name: Options(raw_mode=True) for name in names}
            self._db: Any = Rdict(str(path), _options(), families, access)
        except Exception as exc:
            if _LOCKED.search(str(exc)):
                raise StoreLocked(f"{self._path} is in use by another process") from exc
            kind = IndexFull if _FULL.search(str(exc)) else OSError
            raise kind(f"cannot open the index in {self._path}: {exc}") from exc
        self._families: dict[str, Any] = {name: self._db.get_column_family(name) for name in names}
        self._handles: dict[str, Any] = {
            name: self._db.get_column_family_handle(name) for name in names
        }
        self._snapshots: WeakSet[RocksSnapshot] = WeakSet()
        self._full = False

    def _window(self) -> Path:
        """
        A directory of links to the database's files.

        Even to read, rocksdict writes a file beside them, which a read-only disk does not take
        and a check should not do.
        """
        self._scratch = TemporaryDirectory(prefix="atoll-index-")
        window = Path(self._scratch.name)
        for file in self._path.iterdir():
            if file.name == _WRITTEN_BY_READERS:
                shutil.copyfile(file, window / file.name)
            else:
                (window / file.name).symlink_to(file.absolute())
        return window

    def get(self, family: str, key: bytes) -> bytes | None:
        if self._is_missing(family):
            return None
        try:
            value: bytes | None = self._families[family].get(key)
        except Exception as exc:
            raise self._failure(exc) from exc
        return value

    def scan(self, family: str, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        if self._is_missing(family):
            return
        rows: Any = None
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
            raise self._failure(exc) from exc
        finally:
            rows = None  # see `recover`

    def _is_missing(self, family: str) -> bool:
        # Opened to read only, and written before there was such a family.
        return self._read_only and family not in self._handles

    def write(self, batch: Sequence[Change]) -> None:
        writes = WriteBatch(raw_mode=True)
        handle: Any = None
        try:
            # The handles too: a recovery on another thread takes them away.
            for change in batch:
                handle = self._handles[change.family]
                if not isinstance(change, Mutation):
                    writes.delete_range(change.start, change.stop, handle)
                elif change.value is None:
                    writes.delete(change.key, handle)
                else:
                    writes.put(change.key, change.value, handle)
            self._db.write(writes)
        except Exception as exc:
            raise self._failure(exc) from exc
        finally:
            handle = None  # see `recover`

    def sync(self) -> None:
        # Not a write with the option to sync: rocksdict holds the interpreter lock during writes,
        # and so the event loop would stand still for as long as the disk works.
        try:
            self._db.flush_wal(True)
        except Exception as exc:
            raise self._failure(exc) from exc

    def recover(self) -> None:
        # After a failed write RocksDB refuses every other one, and rocksdict cannot resume it: it
        # has to be closed and opened again. Opening copies what the write-ahead log has into
        # new, synced files, so nothing rests on the log whose end is torn.
        #
        # Closing waits for every handle and iterator to go. A failure keeps the frames that it
        # came through for as long as somebody keeps the failure, so none of them may name one.
        try:
            check_room(self._path, self._log_bytes() + _RECOVERY_BYTES, 0)
        except StorageFull as exc:
            raise IndexFull from exc
        self._recovering = True
        self.close()
        for _ in range(_RELEASE_TRIES):
            try:
                self._open()
            except StoreLocked:  # a scan on another thread still keeps the old one
                time.sleep(_RELEASE_PAUSE_S)
            else:
                self._recovering = False
                return
        raise IndexFull("the index is being recovered")

    def _log_bytes(self) -> int:
        return sum(log.stat().st_size for log in self._path.glob("*.log"))

    def _failure(self, exc: Exception) -> OSError:
        if self._recovering:
            return IndexFull("the index is being recovered after the disk was full")
        if _FULL.search(str(exc)) or (self._full and _EARLIER in str(exc)):
            self._full = True
            return IndexFull()
        return OSError(f"index storage failed: {exc}")

    def snapshot(self, families: Sequence[str]) -> "RocksSnapshot":
        try:
            iterators = {family: self._families[family].iter() for family in families}
        except Exception as exc:
            raise self._failure(exc) from exc
        taken = RocksSnapshot(iterators)
        self._snapshots.add(taken)
        return taken

    def close(self) -> None:
        for snapshot in list(self._snapshots):
            snapshot.close()
        # Every handle keeps the database, and so its lock, alive.
        self._families.clear()
        self._handles.clear()
        # After a failed write it tries to flush once more, and repeats the failure. That loses
        # nothing: what was synced is in the write-ahead log.
        with suppress(Exception):
            self._db.close()
        if self._scratch is not None:
            self._scratch.cleanup()


class RocksSnapshot:
    """
    One iterator per family, which sees the rows of the moment it was made in.

    Not rocksdict's own snapshot: the iterators of that one see later writes (0.3.29).
    """

    def __init__(self, iterators: dict[str, Any]) -> None:
        self._iterators = iterators

    def scan(self, family: str, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        rows: Any = None
        try:
            rows = self._iterators[family]
            rows.seek(start)
            while rows.valid() and (key := rows.key()) < stop:
                yield key, rows.value()
                rows.next()
            rows.status()
        except Exception as exc:
            raise OSError(f"the snapshot cannot be read: {exc}") from exc
        finally:
            rows = None  # see `RocksStore.recover`

    def close(self) -> None:
        self._iterators.clear()


def _present(path: Path) -> tuple[str, ...]:
    """The families that the database has: a database that is only read gets no new ones."""
    there = set(Rdict.list_cf(str(path), _options()))
    return tuple(name for name in FAMILIES if name in there)
