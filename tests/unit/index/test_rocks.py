"""RocksDB behind the port, where other threads meet a recovery."""

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from cluster.errors import StorageFailure
from node.errors import IndexFull, IndexPaused
from node.index.rocks import RocksStore
from node.index.store import FAMILIES, Mutation


def test_what_comes_during_a_recovery_is_refused_until_it_is_over(tmp_path, monkeypatch):
    """Broken: an upload that is opened in that moment is answered 500."""
    store = RocksStore(tmp_path / "index")
    reopen = store._open
    met = []

    def open_after_a_write(**_):
        for call in (
            lambda: store.write([Mutation("uploads", b"a\0", b"")]),
            lambda: store.get("uploads", b"a\0"),
            store.sync,
        ):
            with pytest.raises(IndexPaused):
                call()
            met.append(call)
        reopen()

    monkeypatch.setattr(store, "_open", open_after_a_write)
    store.recover()
    assert len(met) == 3
    store.write([Mutation("uploads", b"a\0", b"")])
    assert store.get("uploads", b"a\0") == b""
    store.close()


class BrokenDisk:
    """Stands in for the database; says what RocksDB says after a write that failed."""

    def __init__(self, error: str) -> None:
        self._error = error

    def write(self, *_: object) -> None:
        raise Exception(f"IO error: {self._error}")

    def flush_wal(self, sync: bool) -> None:
        raise Exception("IO error: Writer has previous error.")

    def latest_sequence_number(self) -> int:
        return 0

    def close(self) -> None: ...


def store_after_a_failed_write(path, monkeypatch, error: str) -> RocksStore:
    store = RocksStore(path)
    monkeypatch.setattr(store, "_db", BrokenDisk(error))
    with pytest.raises(StorageFailure, match=r"room|full|failed"):
        store.write([Mutation("uploads", b"a\0", b"")])
    return store


def test_a_sync_after_a_write_that_found_no_room_says_so_too(tmp_path, monkeypatch):
    """Broken: the full disk is taken for a broken one, and the node refuses all until a restart."""
    path = tmp_path / "index"
    store = store_after_a_failed_write(path, monkeypatch, "No space left on device")
    with pytest.raises(IndexFull):
        store.sync()
    monkeypatch.undo()
    store.recover()
    store.sync()
    store.close()


def test_a_write_that_failed_does_not_keep_the_database_open(tmp_path, monkeypatch):
    """Broken: for half a minute a node with room again answers 503, until rubbish is collected."""
    monkeypatch.setattr("node.index.rocks._RELEASE_TRIES", 1)
    store = RocksStore(tmp_path / "index")
    with monkeypatch.context() as broken:
        broken.setattr(store, "_db", BrokenDisk("No space left on device"))
        with pytest.raises(IndexFull) as kept:
            store.write([Mutation("uploads", b"a\0", b"")])
    store.recover()
    assert kept.tb is not None
    store.close()


def test_a_scan_that_failed_does_not_keep_the_database_open(tmp_path, monkeypatch):
    """Broken: as above, where a read met the fault."""
    monkeypatch.setattr("node.index.rocks._RELEASE_TRIES", 1)
    store = RocksStore(tmp_path / "index")
    store.write([Mutation("uploads", b"a\0", b"")])
    rows = store.scan("uploads", b"", b"b")
    next(rows)
    with pytest.raises(StorageFailure, match="cannot be read") as kept:
        rows.throw(Exception("a file cannot be read"))
    store.recover()
    assert kept.tb is not None
    store.close()


def test_a_sync_after_a_write_that_failed_otherwise_is_a_failure(tmp_path, monkeypatch):
    """Broken: a broken disk is taken for a full one, and what it lost is given out again."""
    store = store_after_a_failed_write(tmp_path / "index", monkeypatch, "Input/output error")
    with pytest.raises(StorageFailure, match="failed") as raised:
        store.sync()
    assert not isinstance(raised.value, IndexFull)
    monkeypatch.undo()
    store.close()


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Take every file descriptor that this process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held: list[int] = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 1024), hard))
        with suppress(OSError):
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_lack_of_descriptors_is_survived_like_a_full_disk(tmp_path, monkeypatch):
    """Broken: out of descriptors once, and every index write is 500 until a restart."""
    monkeypatch.setattr("node.index.rocks._RECOVERY_PAUSE_S", 0.0)
    store = RocksStore(tmp_path / "index")
    store.write([Mutation("uploads", b"a\0", b"before")])
    store.sync()
    with no_descriptors():
        with suppress(Exception):
            store._families["uploads"].flush()  # as RocksDB does by itself when a table is full
        with pytest.raises(IndexPaused, match="too many open files"):
            store.write([Mutation("uploads", b"b\0", b"")])
        assert isinstance(store.trouble, IndexPaused)
        with pytest.raises(IndexPaused, match="too many open files"):
            store.recover()
        assert store.get("uploads", b"a\0") == b"before", "it was not closed in vain"
    with pytest.raises(IndexPaused):
        store.write([Mutation("uploads", b"b\0", b"")])
    store.recover()
    assert store.trouble is None
    store.write([Mutation("uploads", b"b\0", b"after")])
    store.sync()
    store.close()
    again = RocksStore(tmp_path / "index")
    assert again.get("uploads", b"a\0") == b"before"
    assert again.get("uploads", b"b\0") == b"after"
    again.close()


def test_a_second_attempt_waits(tmp_path, monkeypatch):
    """Broken: under load a disk that fails is closed and opened a hundred times a second."""
    store = RocksStore(tmp_path / "index")
    store._failure = StorageFailure("index storage failed")
    store.recover()
    store._failure = StorageFailure("index storage failed")
    with pytest.raises(IndexPaused):
        store.recover()
    store._failure = IndexFull()
    store.recover()
    store.close()


class Unreadable:
    """Stands in for a family of rows on a part of the disk that cannot be read."""

    def get(self, key: bytes) -> bytes:
        raise Exception("IO error: While pread: 000009.sst: Input/output error")


def test_a_read_that_failed_is_told_for_a_while(tmp_path, monkeypatch):
    """Broken: each GET of some rows is 500, and /readyz says ready."""
    store = RocksStore(tmp_path / "index")
    rows = dict(store._families)
    monkeypatch.setitem(store._families, "tags", Unreadable())
    with pytest.raises(StorageFailure, match="Input/output error"):
        store.get("tags", b"a\0")
    assert store.read_failure is not None
    assert store.trouble is None, "writing goes on"
    monkeypatch.setattr("node.index.rocks.READ_FAILURE_S", -1.0)
    assert store.read_failure is None
    store._families["tags"] = rows["tags"]
    store.close()


def test_a_family_of_a_later_version_does_not_keep_an_index_closed(tmp_path, monkeypatch):
    """
    Broken: a node that was set back to an earlier version calls its index damaged, and has its
    operator rebuild it, where the line about its format would have him start the right version.
    """
    path = tmp_path / "index"
    with monkeypatch.context() as later:
        later.setattr("node.index.rocks.FAMILIES", (*FAMILIES, "signatures"))
        store = RocksStore(path)
        store.write([Mutation("signatures", b"a\0", b"kept")])
        store.sync()
        store.close()
    store = RocksStore(path)
    store.write([Mutation("meta", b"a\0", b"")])
    store.recover()
    store.close()
    RocksStore(path, read_only=True).close()
    monkeypatch.setattr("node.index.rocks.FAMILIES", (*FAMILIES, "signatures"))
    store = RocksStore(path)
    assert store.get("signatures", b"a\0") == b"kept"
    store.close()


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.EIO, StorageFailure), (errno.ENOSPC, IndexFull)]
)
def test_what_the_system_says_of_other_files_of_the_index_means_the_same(
    tmp_path, monkeypatch, number, kind
):
    """Broken: the mark cannot be written, and the writer takes that for a fault of the change."""
    store = RocksStore(tmp_path / "index")

    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as failing:
        failing.setattr(store._mark, "synced", fail)
        with pytest.raises(StorageFailure) as raised:
            store.sync()
    assert type(raised.value) is kind
    store.close()
