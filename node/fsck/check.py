"""The whole check of one data directory."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from node.fsck.blobs import BlobCheck
from node.fsck.index import IndexCheck
from node.fsck.report import Report
from node.index.opening import check_format, index_path, owner
from node.index.rocks import RocksStore
from node.startup import StartupError


class Progress(NamedTuple):
    """Where the check tells how far it is. All are called often and must be quick."""

    rows: Callable[[int], None]
    """So many rows more were checked."""

    expect_bytes: Callable[[int], None]
    """So many bytes of blobs will be read in all."""

    bytes: Callable[[int], None]
    """So many bytes more were read."""


def check_data_dir(data_dir: Path, progress: Progress) -> Report:
    """
    Check the index and the blobs of *data_dir*, whose lock the caller holds.

    Raises:
        StartupError: there is nothing to check, or a newer Atoll wrote it.
        OSError: the index cannot be opened or read.
    """
    path = index_path(data_dir)
    if not path.is_dir():
        raise StartupError(f"{data_dir} is not the data directory of a node")
    store = RocksStore(path, read_only=True)
    report = Report()
    try:
        check_format(store)
        node = owner(store)
        if node is None:
            return report  # a node that was stopped before it had written anything
        index = IndexCheck(store, node, report, progress.rows)
        index.run()
        blobs = BlobCheck(data_dir, report, progress.bytes)
        progress.expect_bytes(blobs.bytes_to_read())
        blobs.run(index.held_by(node))
        blobs.check_staging(index.uploads())
    finally:
        store.close()
    return report
