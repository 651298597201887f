"""The whole check of one data directory."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from cluster.model import Digest
from node.errors import IndexDamaged
from node.errors.startup import StartupError
from node.fsck.blobs import BlobCheck
from node.fsck.index import IndexCheck
from node.fsck.report import Report
from node.index.index import index_path, owner
from node.index.mark import IndexMark
from node.index.migrations import FORMATS
from node.index.rocks import RocksStore
from node.recovery.former import FORMER
from node.recovery.repair import ASIDE, WAY_OUT, check_not_lost


class CheckProgress(NamedTuple):
    """Where the check tells how far it is. All are called often and must be quick."""

    rows: Callable[[int], None]
    """So many rows more were checked."""

    expect_bytes: Callable[[int], None]
    """So many bytes of blobs will be read in all."""

    bytes: Callable[[int], None]
    """So many bytes more were read."""


def check_data_dir(data_dir: Path, progress: CheckProgress) -> Report:
    """
    Check the index and the blobs of *data_dir*, whose lock the caller holds.

    Raises:
        StartupError: there is nothing to check, or a newer Atoll wrote it.
        StorageFailure, OSError: the index cannot be opened or read: nothing is known of its files.
    """
    report = Report()
    for _ in data_dir.glob(f"{ASIDE}*"):
        report.note("damaged indexes that were set aside, to be removed by hand")
    for _ in data_dir.glob(f"{FORMER}*"):
        report.note("indexes that were left behind: what nobody else has is only there")
    try:
        held = _check_index(data_dir, report, progress)
    except IndexDamaged as exc:
        report.problem("index", f"is damaged: {exc.reason}; {WAY_OUT}")
        held = _Held({}, {})
    if held is not None:
        blobs = BlobCheck(data_dir, report, progress.bytes)
        progress.expect_bytes(blobs.bytes_to_read())
        blobs.run(held.blobs)
        blobs.check_staging(held.uploads)
        blobs.list_quarantine()
    return report


class _Held(NamedTuple):
    """What the index says is on this disk; sizes in bytes."""

    blobs: dict[Digest, int]
    uploads: dict[str, int]


def _check_index(data_dir: Path, report: Report, progress: CheckProgress) -> _Held | None:
    """Check the index; None when nothing was ever written to it."""
    check_not_lost(data_dir)
    path = index_path(data_dir)
    mark = IndexMark(path)
    if mark.is_unheard_of():
        raise StartupError(f"{data_dir} is not the data directory of a node")
    if mark.is_new():
        report.note("indexes that were never made, or are yet to be taken over: start the node")
        return None
    store = RocksStore(path, read_only=True)
    try:
        FORMATS.check_current(store)
        node = owner(store)
        if node is None and store.sequence:
            raise IndexDamaged("it does not say whose it is")
        if node is None:
            report.note("indexes that nothing was written to: start the node")
            return None
        index = IndexCheck(store, node, report, progress.rows)
        index.run()
        return _Held(index.cached() | index.held_by(node), index.uploads())
    finally:
        store.close()
