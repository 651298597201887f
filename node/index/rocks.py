"""The `OrderedStore` on disk: one RocksDB, one column family per family. See `rocks_options`."""

import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from weakref import WeakSet

from rocksdict import AccessType, Rdict, ReadOptions, WriteBatch

from cluster.errors import StorageFailure
from node.errors import IndexDamaged, IndexFull, IndexPaused
from node.index.faults import failure_of, storage_failures
from node.index.files import (
    check_descriptors,
    has_room,
    linked,
    log_bytes,
    sync_logs,
)
from node.index.mark import IndexMark
from node.index.rocks_options import MEMORY_BYTES, database_options, share_memory
from node.index.store import FAMILIES, Change, Mutation

_LOCKED: Final = re.compile(r"lock hold by current process|While lock file", re.IGNORECASE)

_RECOVERY_BYTES: Final = 16 << 20
"""Room for a recovery beside a copy of the write-ahead log: its new log, options and manifest."""

_RECOVERY_PAUSE_S: Final = 1.0
"""Between two attempts to go on after a failure that does not end with room on the disk."""

READ_FAILURE_S: Final = 60.0
"""How long a read that failed is told of. Shorter, and a balancer sends clients back to it."""

_RELEASE_TRIES: Final = 100
_RELEASE_PAUSE_S: Final = 0.01


class StoreLocked(StorageFailure):
    """Another process has the index open."""


class RocksStore:
    """
    Rows in RocksDB.

    rocksdict reports every failure as a bare Exception; here they become `StorageFailure`, so that
    none can ever look like a missing row (P9).
    """

    def __init__(
        self,
        path: Path,
        *,
        read_only: bool = False,
        accept_lost_changes: bool = False,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        """
        Open the database in directory *path*, or create it where there never was one.

        With *accept_lost_changes* it may lack what was synced last. *memory_bytes*: see
        `rocks_options`.

        Raises:
            StoreLocked: another process has it open.
            IndexDamaged: a part of it is gone, or not what was written.
            StorageFailure: it cannot be opened.
        """
        self._path = path
        self._read_only = read_only
        self._memory_bytes = memory_bytes
        self._recovering = False
        self._recovered_s = -math.inf
        self._failure: StorageFailure | None = None
        self._damage: IndexDamaged | None = None
        self._unread: tuple[float, StorageFailure] | None = None
        self._links: TemporaryDirectory[str] | None = None
        self._mark = IndexMark(path)
        self._open(accept_lost_changes=accept_lost_changes)

    @property
    def trouble(self) -> StorageFailure | None:
        return self._damage or self._failure

    @property
    def read_failure(self) -> StorageFailure | None:
        if self._unread is None or time.monotonic() > self._unread[0] + READ_FAILURE_S:
            return None
        return self._unread[1]

    @property
    def sequence(self) -> int:
        """How many changes of rows there ever were."""
        found: int = self._db.latest_sequence_number()
        return found

    @storage_failures()
    def _open(self, *, accept_lost_changes: bool = False) -> None:
        new = self._mark.is_new()
        if not new:
            self._mark.check()
        elif not self._read_only:
            self._mark.begin()
        self._open_database(new)
        try:
            self.lost_changes = 0 if new else self._mark.lost(self.sequence)
            if self.lost_changes and not accept_lost_changes:
                raise IndexDamaged(
                    f"the end of its log is gone, and with it the last {self.lost_changes} changes "
                    "of rows (--accept-data-loss goes on without them)"
                )
            if not self._read_only:
                self._mark.opened(self.sequence)
        except BaseException:
            self.close()
            raise
        self._failure = None

    def _open_database(self, new: bool) -> None:
        path = self._path
        if self._read_only:
            self._links = linked(path)
            path = Path(self._links.name)
        access = AccessType.read_only() if self._read_only else AccessType.read_write()
        keep_log = not (self._read_only or has_room(path, log_bytes(path)))
        try:
            if keep_log:
                sync_logs(path)
            options = database_options(create=new, keep_log=keep_log)
            names = _to_open(path, new, self._read_only)
            families = share_memory(options, names, self._memory_bytes)
            self._db: Any = Rdict(str(path), options, families, access)
        except Exception as exc:
            self._drop_links()
            raise self._unopened(exc, new) from exc
        self._families: dict[str, Any] = {name: self._db.get_column_family(name) for name in names}
        self._handles: dict[str, Any] = {
            name: self._db.get_column_family_handle(name) for name in names
        }
        self._snapshots: WeakSet[RocksSnapshot] = WeakSet()

    def _unopened(self, exc: Exception, new: bool) -> StorageFailure:
        """Why the database could not be opened."""
        if _LOCKED.search(str(exc)):
            return StoreLocked(f"{self._path} is in use by another process")
        failure = failure_of(exc)
        if isinstance(failure, IndexPaused) or (isinstance(failure, IndexDamaged) and not new):
            return failure
        return StorageFailure(f"cannot open the index in {self._path}: {exc}")

    def get(self, family: str, key: bytes) -> bytes | None:
        if self._is_missing(family):
            return None
        try:
            value: bytes | None = self._families[family].get(key)
        except Exception as exc:
            raise self._failed(exc) from exc
        return value

    def scan(self, family: str, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        if self._is_missing(family):
            return iter(())
        options = ReadOptions()
        options.set_iterate_upper_bound(stop)
        return _walk(lambda: self._families[family].iter(options), start, stop, self._failed)

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
            raise self._failed(exc, writing=True) from exc
        finally:
            handle = None  # see `recover`

    @storage_failures()
    def sync(self) -> None:
        # Not a write with the option to sync: rocksdict holds the interpreter lock during writes,
        # and so the event loop would stand still for as long as the disk works.
        try:
            sequence = self.sequence
            self._db.flush_wal(True)
        except Exception as exc:
            raise self._failed(exc, writing=True) from exc
        self._mark.synced(sequence)

    def recover(self) -> None:
        # After a failed write RocksDB refuses every other one, and rocksdict cannot resume it: it
        # has to be closed and opened again. Opening copies what the write-ahead log has into
        # new, synced files, so nothing rests on the log whose end is torn.
        #
        # Closing waits for every handle and iterator to go. A failure keeps the frames that it
        # came through for as long as somebody keeps the failure, so none of them may name one.
        if self._damage is not None:
            raise self._damage.with_traceback(None)
        self._check_recoverable()
        self._recovering = True
        self.close()
        for _ in range(_RELEASE_TRIES):
            try:
                self._open()
            except StoreLocked:  # a scan on another thread still keeps the old one
                time.sleep(_RELEASE_PAUSE_S)
            except IndexDamaged as exc:
                self._note_damage(exc)
                raise
            else:
                self._recovering = False
                return
        raise IndexPaused

    @storage_failures()
    def _check_recoverable(self) -> None:
        """
        Return if opening the database again may succeed; until then reads go on.

        Raises:
            IndexPaused: it lacks what it needs, or was tried a moment ago.
        """
        check_descriptors()  # first, as looking at the files takes one
        if not has_room(self._path, log_bytes(self._path) + _RECOVERY_BYTES):
            raise IndexFull
        if isinstance(self._failure, IndexFull):
            return
        now_s = time.monotonic()
        if now_s < self._recovered_s + _RECOVERY_PAUSE_S:
            raise IndexPaused
        self._recovered_s = now_s

    def _failed(self, exc: Exception, *, writing: bool = False) -> StorageFailure:
        """What to raise for *exc*; remembered if nothing can be written any more."""
        if self._recovering:
            return IndexPaused()
        failure = failure_of(exc, self._failure)
        if isinstance(failure, IndexDamaged):
            self._note_damage(failure)
        elif writing:
            # Another one than is raised, whose frames would keep the database open.
            self._failure = failure_of(exc, self._failure)
        elif not isinstance(failure, IndexPaused):
            self._unread = time.monotonic(), failure_of(exc)
        return failure

    @storage_failures()
    def _note_damage(self, damage: IndexDamaged) -> None:
        if self._damage is None and not self._read_only:
            self._damage = IndexDamaged(damage.reason)
            self._mark.note_damage(damage.reason)

    def snapshot(self, families: Sequence[str]) -> "RocksSnapshot":
        try:
            iterators = {family: self._families[family].iter() for family in families}
        except Exception as exc:
            raise self._failed(exc) from exc
        taken = RocksSnapshot(iterators, self._failed)
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
        self._mark.close()
        self._drop_links()

    def _drop_links(self) -> None:
        if self._links is not None:
            self._links.cleanup()


class RocksSnapshot:
    """
    One iterator per family, which sees the rows of the moment it was made in.

    Not rocksdict's own snapshot: the iterators of that one see later writes (0.3.29).
    """

    def __init__(
        self, iterators: dict[str, Any], failed: Callable[[Exception], StorageFailure]
    ) -> None:
        self._iterators = iterators
        self._failed = failed

    def scan(self, family: str, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        return _walk(lambda: self._iterators[family], start, stop, self._failed)

    def close(self) -> None:
        self._iterators.clear()


def _walk(
    rows_of: Callable[[], Any],
    start: bytes,
    stop: bytes,
    failed: Callable[[Exception], StorageFailure],
) -> Iterator[tuple[bytes, bytes]]:
    """The rows of an iterator of RocksDB with *start* <= key < *stop*."""
    rows: Any = None
    try:
        rows = rows_of()
        rows.seek(start)
        while rows.valid() and (key := rows.key()) < stop:
            yield key, rows.value()
            rows.next()
        rows.status()
    except Exception as exc:
        raise failed(exc) from exc
    finally:
        rows = None  # see `RocksStore.recover`


def _to_open(path: Path, new: bool, read_only: bool) -> Sequence[str]:
    """
    The families of this version, and those of a later one that are there: RocksDB opens all or
    none, and by the format's number a start says what is the matter.

    A database that is only read gets no new ones.
    """
    there = [] if new else Rdict.list_cf(str(path), database_options())
    ours = [name for name in FAMILIES if name in there] if read_only else FAMILIES
    return (*ours, *sorted({*there} - {*FAMILIES, "default"}))
