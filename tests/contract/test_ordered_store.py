"""The promises of `OrderedStore`, held by RocksDB, the one in memory and the simulated one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.index.rocks import RocksStore, StoreLocked
from node.index.store import FAMILIES, Mutation, OrderedStore, RangeDeletion
from tests.fakes.ordered_store import MemoryStore
from tests.sim.disk import Disk, SimStore


@pytest.fixture(params=["memory", "rocks", "simulated"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OrderedStore]:
    opened: OrderedStore
    match request.param:
        case "memory":
            opened = MemoryStore()
        case "rocks":
            opened = RocksStore(tmp_path)
        case _:
            opened = SimStore(Disk("contract"))
    yield opened
    opened.close()


def put(key: bytes, value: bytes = b"v", family: str = "meta") -> Mutation:
    return Mutation(family, key, value)


def test_a_missing_row_is_none(store: OrderedStore):
    assert store.get("meta", b"k") is None


def test_a_batch_is_visible_at_once_in_every_family(store: OrderedStore):
    store.write([put(b"k", family.encode(), family) for family in FAMILIES])
    assert [store.get(family, b"k") for family in FAMILIES] == [name.encode() for name in FAMILIES]


def test_none_deletes_and_a_missing_row_may_be_deleted(store: OrderedStore):
    store.write([put(b"k")])
    store.write([Mutation("meta", b"k", None), Mutation("meta", b"other", None)])
    assert store.get("meta", b"k") is None


def test_later_mutations_of_a_batch_win(store: OrderedStore):
    store.write([put(b"k", b"1"), Mutation("meta", b"k", None), put(b"k", b"2")])
    assert store.get("meta", b"k") == b"2"


def test_empty_values_are_values(store: OrderedStore):
    store.write([put(b"k", b"")])
    assert store.get("meta", b"k") == b""


def test_a_scan_is_ordered_by_bytes_and_stops_before_its_end(store: OrderedStore):
    names = [b"a\0", b"a\0b", b"a.b\0", b"a\x01", b"b", b"\xff"]
    store.write([put(name) for name in names])
    found = [key for key, _ in store.scan("meta", b"a\0", b"b")]
    assert found == [b"a\0", b"a\0b", b"a\x01", b"a.b\0"]


def test_a_scan_of_nothing(store: OrderedStore):
    store.write([put(b"k")])
    assert list(store.scan("meta", b"l", b"m")) == []
    assert list(store.scan("meta", b"m", b"l")) == []


def test_rows_may_be_written_during_a_scan(store: OrderedStore):
    store.write([put(b"%d" % number) for number in range(5)])
    for key, _ in store.scan("meta", b"0", b"9"):
        store.write([Mutation("meta", key, None)])
    assert list(store.scan("meta", b"0", b"9")) == []


def test_sync_may_be_called_at_any_time(store: OrderedStore):
    store.sync()
    store.write([put(b"k")])
    store.sync()
    store.sync()
    assert store.get("meta", b"k") == b"v"


def test_a_range_is_deleted_in_its_place_in_the_batch(store: OrderedStore):
    store.write([put(name) for name in (b"a", b"b", b"c", b"d")])
    store.write([put(b"bb"), RangeDeletion("meta", b"b", b"d"), put(b"c", b"new")])
    found = dict(store.scan("meta", b"", b"\xff"))
    assert found == {b"a": b"v", b"c": b"new", b"d": b"v"}


def test_a_snapshot_does_not_move(store: OrderedStore):
    """A checkpoint that saw later rows would not be the state of its vector."""
    store.write([put(name, b"old") for name in (b"a", b"b", b"c")])
    store.write([put(b"x", b"old", "tags")])
    snapshot = store.snapshot(("meta", "tags"))
    store.write([RangeDeletion("meta", b"", b"\xff"), put(b"b", b"new"), put(b"bb")])
    store.write([Mutation("tags", b"x", None)])
    assert list(snapshot.scan("meta", b"b", b"\xff")) == [(b"b", b"old"), (b"c", b"old")]
    assert [key for key, _ in snapshot.scan("meta", b"", b"c")] == [b"a", b"b"]
    assert list(snapshot.scan("tags", b"", b"\xff")) == [(b"x", b"old")]
    snapshot.close()
    snapshot.close()


def test_a_store_is_closed_under_an_open_snapshot(tmp_path: Path):
    """A peer that still reads must not keep the database locked."""
    store = RocksStore(tmp_path)
    store.write([put(b"k")])
    snapshot = store.snapshot(("meta",))
    store.close()
    RocksStore(tmp_path).close()
    snapshot.close()


def test_a_range_deletion_that_was_not_synced_is_lost_in_a_crash():
    store = MemoryStore()
    store.write([put(b"a"), put(b"b")])
    store.sync()
    store.write([RangeDeletion("meta", b"", b"\xff")])
    store.crash()
    assert [key for key, _ in store.scan("meta", b"", b"\xff")] == [b"a", b"b"]


def test_rocks_keeps_its_rows(tmp_path: Path):
    store = RocksStore(tmp_path)
    store.write([put(b"k")])
    store.close()
    again = RocksStore(tmp_path)
    assert again.get("meta", b"k") == b"v"
    again.close()


def test_rocks_refuses_a_second_opener(tmp_path: Path):
    store = RocksStore(tmp_path)
    with pytest.raises(StoreLocked):
        RocksStore(tmp_path)
    store.close()


def test_a_crash_of_the_memory_store_loses_what_was_not_synced():
    store = MemoryStore()
    store.write([put(b"kept", b"1")])
    store.sync()
    store.write([put(b"kept", b"2"), put(b"lost")])
    store.crash()
    assert store.get("meta", b"kept") == b"1"
    assert store.get("meta", b"lost") is None
