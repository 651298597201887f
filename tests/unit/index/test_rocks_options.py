"""That what RocksDB is told is in force: read back from what it writes and says of itself."""

import os
from configparser import ConfigParser
from pathlib import Path

from node.index.rocks import RocksStore
from node.index.rocks_options import MEMORY_BYTES
from node.index.store import END, FAMILIES, SHARED_FAMILIES, Mutation

SMALL = 16 << 20
WRITTEN = ("log", "manifest_bytes", "holders")


def options_of(path: Path) -> dict[str, dict[str, str]]:
    """The options that RocksDB runs with, by family: its own options file, newest."""
    newest = max(path.glob("OPTIONS-*"), key=lambda file: int(file.name.rpartition("-")[2]))
    parser = ConfigParser(interpolation=None)
    parser.read_string(newest.read_text())
    tables = 'TableOptions/BlockBasedTable "'
    return {
        section.removeprefix(tables).rstrip('"'): dict(parser[section])
        for section in parser.sections()
        if section.startswith(tables)
    }


def measures(store: RocksStore, name: str) -> list[int]:
    return [rows.property_int_value(f"rocksdb.{name}") for rows in store._families.values()]


def test_look_ups_of_what_is_not_there_read_no_tables(tmp_path):
    """Broken: each new row costs a look into a table at every level."""
    path = tmp_path / "index"
    RocksStore(path).close()
    found = options_of(path)
    filtered = {name for name in FAMILIES if found[name]["filter_policy"].startswith("bloom")}
    assert filtered == set(SHARED_FAMILIES)


def test_filters_and_indexes_of_tables_count(tmp_path):
    """Broken: they come on top of the limit, more of them with every table."""
    path = tmp_path / "index"
    RocksStore(path).close()
    found = options_of(path)
    for name in FAMILIES:
        assert found[name]["cache_index_and_filter_blocks"] == "true", name


def test_all_families_share_one_cache(tmp_path):
    """Broken: a limit for each of them is no limit."""
    store = RocksStore(tmp_path / "index")
    assert set(measures(store, "block-cache-capacity")) == {MEMORY_BYTES}
    store.write([Mutation("log", b"a", os.urandom(1 << 20))])
    store._families["log"].flush()
    assert store.get("log", b"a") is not None
    assert min(measures(store, "block-cache-usage")) > 1 << 20
    store.close()


def test_rows_that_are_in_no_table_yet_are_few(tmp_path):
    """Broken: they grow to 64 MiB for each family, and twice that while tables are written."""
    store = RocksStore(tmp_path / "index", memory_bytes=SMALL)
    write_48_mib(store)
    # More than a quarter while tables are being written: nobody waits for that.
    assert sum(measures(store, "cur-size-all-mem-tables")) < 2 * SMALL
    store.close()


def test_what_was_read_stays_within_the_limit(tmp_path):
    """Broken: the index takes the more memory the longer the node runs."""
    store = RocksStore(tmp_path / "index", memory_bytes=SMALL)
    write_48_mib(store)
    store.close()
    store = RocksStore(tmp_path / "index", memory_bytes=SMALL)
    assert sum(1 for name in WRITTEN for _ in store.scan(name, b"", END)) == 3 * 256 * 16
    assert max(measures(store, "block-cache-usage")) < SMALL * 5 // 4
    store.close()


def write_48_mib(store: RocksStore) -> None:
    for batch in range(256):
        rows = [b"%d %d\0" % (batch, row) for row in range(16)]
        store.write([Mutation(name, key, os.urandom(4096)) for name in WRITTEN for key in rows])
