"""RocksDB behind the port, where other threads meet a recovery."""

import pytest

from node.errors import IndexFull
from node.index.rocks import RocksStore
from node.index.store import Mutation


def test_what_comes_during_a_recovery_is_refused_as_on_a_full_disk(tmp_path, monkeypatch):
    """Broken: an upload that is opened in that moment is answered 500."""
    store = RocksStore(tmp_path / "index")
    reopen = store._open
    met = []

    def open_after_a_write():
        for call in (
            lambda: store.write([Mutation("uploads", b"a\0", b"")]),
            lambda: store.get("uploads", b"a\0"),
            store.sync,
        ):
            with pytest.raises(IndexFull):
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

    def close(self) -> None: ...


def store_after_a_failed_write(path, monkeypatch, error: str) -> RocksStore:
    store = RocksStore(path)
    monkeypatch.setattr(store, "_db", BrokenDisk(error))
    with pytest.raises(OSError, match=r"room|full|failed"):
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
    with pytest.raises(OSError, match="cannot be read") as kept:
        rows.throw(Exception("a file cannot be read"))
    store.recover()
    assert kept.tb is not None
    store.close()


def test_a_sync_after_a_write_that_failed_otherwise_is_a_failure(tmp_path, monkeypatch):
    """Broken: a broken disk is taken for a full one, and what it lost is given out again."""
    store = store_after_a_failed_write(tmp_path / "index", monkeypatch, "Input/output error")
    with pytest.raises(OSError, match="failed") as raised:
        store.sync()
    assert not isinstance(raised.value, IndexFull)
    monkeypatch.undo()
    store.close()
