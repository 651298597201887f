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
