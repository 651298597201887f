"""
How RocksDB is told to keep the index.

Its memory has one limit, whatever the number of families and tables:

    block cache   blocks that were read; filters and indexes of the tables that are open
    write buffers rows that are in no table yet, a quarter of the limit: they take room in the cache

The limit is what it aims at. It is passed for as long as a table is being written from the buffers,
or readers hold blocks: nobody is stopped for it.
"""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from rocksdict import BlockBasedOptions, Cache, Options, WriteBufferManager

from node.index.files import WRITTEN_BY_READERS
from node.index.store import SHARED_FAMILIES

_WAL_BYTES_MAX: Final = 256 << 20
"""Column families are flushed when the write-ahead log reaches this; bounds start-up replay."""

MEMORY_BYTES: Final = 256 << 20
"""What RocksDB may hold: blocks that were read, filters and indexes of tables, rows not yet in a
table. More saves reads of the disk; what the kernel caches of the same files is not in it."""

_WRITTEN_SHARE: Final = 4
"""One part of so many is for rows that are not in a table yet. More of them make larger tables."""

_ARENA_BYTES: Final = 256 << 10
"""The least that the rows of a family take in memory: a small part of that for all families."""

_BLOOM_BITS: Final = 10
"""For each row: of 100 tables that lack a key one is read all the same."""

OPEN_FILES_MAX: Final = 256
"""Tables that RocksDB keeps open; its logs and what it writes at the time come on top, some 20. Of
the 512 descriptors that connections leave alone, the blob store and the peers have the rest."""

_OPTIONS_FILE: Final = """\
[Version]
  rocksdb_version=9.8.4
  options_file_version=1.1
[DBOptions]
  track_and_verify_wals_in_manifest=true
  avoid_flush_during_recovery={keep_log}
[CFOptions "default"]
[TableOptions/BlockBasedTable "default"]
"""
"""What rocksdict has no setters for. A closed log that is gone or cut is an error, with these."""


def database_options(*, create: bool = False, keep_log: bool = False) -> Options:
    """
    How to open a database; *create* it if need be.

    With *keep_log* the rows of the write-ahead log stay in it, so that opening takes little room;
    otherwise they are written out, and the log is gone.
    """
    with TemporaryDirectory(prefix="atoll-options-") as directory:
        text = _OPTIONS_FILE.format(keep_log=str(keep_log).lower())
        Path(directory, "OPTIONS-000001").write_text(text)
        Path(directory, WRITTEN_BY_READERS).write_text('{"raw_mode":true,"prefix_extractors":{}}')
        options, _ = Options.load_latest(directory)
    options.create_if_missing(create)
    # Of an older format; what the mark says of an index is checked before.
    options.create_missing_column_families(True)
    options.set_max_total_wal_size(_WAL_BYTES_MAX)
    options.set_keep_log_file_num(4)
    options.set_max_open_files(OPEN_FILES_MAX)
    return options


def share_memory(options: Options, names: Sequence[str], limit_bytes: int) -> dict[str, Options]:
    """Have all families share *limit_bytes*; returns the options of each of them."""
    cache = Cache(limit_bytes)
    # No stall: who writes has the interpreter lock, and would stop the event loop.
    options.set_write_buffer_manager(
        WriteBufferManager.new_write_buffer_manager_with_cache(
            limit_bytes // _WRITTEN_SHARE, False, cache
        )
    )
    return {name: _family_options(name, cache) for name in names}


def _family_options(name: str, cache: Cache) -> Options:
    table = BlockBasedOptions()
    table.set_block_cache(cache)
    # Or they are on top, for as long as a table is open.
    table.set_cache_index_and_filter_blocks(True)
    table.set_pin_l0_filter_and_index_blocks_in_cache(True)
    if name in SHARED_FAMILIES:
        # Each change looks up what the row was before, for the sums: most often there was none.
        table.set_bloom_filter(_BLOOM_BITS, block_based=False)
    options = Options(raw_mode=True)
    options.set_block_based_table_factory(table)
    options.set_arena_block_size(_ARENA_BYTES)
    return options
