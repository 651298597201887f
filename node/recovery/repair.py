"""
Opening the index of a data directory: one that is not whole is never taken for an empty one.

    whole                       it is opened
    never was one               it is made
    damaged, or partly gone     the node does not start, and says what to do
    the same, to be rebuilt     it is set aside, and the node joins its cluster with an empty one

The blobs stay where they are; once the rows that speak of them have come from the other nodes, the
node says anew which it holds (`node.copies.holdings`). To the cluster a new index is another disk,
and the node a newcomer under its old name.
"""

import errno
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cluster.errors import StorageFailure
from cluster.ports import Log
from node.disk.datadir import name_in
from node.errors import IndexDamaged
from node.errors.startup import StartupError
from node.index.index import index_path
from node.index.journal import RESTORING
from node.index.mark import IndexMark
from node.index.merkle import Sums
from node.index.migrations import FORMATS
from node.index.rocks import RocksStore
from node.index.rocks_options import MEMORY_BYTES
from node.index.store import END, FAMILIES

ASIDE: Final = "index.aside-"
"""What the name of a damaged index begins with that was set aside; nobody reads it again."""

WAY_OUT: Final = (
    "start the node once with --rebuild-index: it takes the index over from the other nodes and "
    "keeps its blobs (docs/damage.md)"
)

NEWCOMER: Final = (
    "the node is a newcomer to its cluster: where joining is closed an operator takes it in "
    "(docs/damage.md)"
)
"""What an index that was set aside means for the node."""

_NOBODY: Final = (
    "--rebuild-index needs another node to take the index from: give the address of one with "
    "--join. If there is none, --accept-data-loss begins with an empty index: every tag and "
    "manifest that no other node has is lost"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """What an operator allows at this start."""

    rebuild: bool = False
    """Set an index aside that is not whole, and take over that of the other nodes."""

    accept_data_loss: bool = False
    """Go on without the last changes; or, to rebuild, without anybody to take the index from."""


_UNREADABLE: Final = os.strerror(errno.EIO)
"""What the disk says of a part that it cannot read: no better than one that is gone."""

NO_REPAIR: Final = Repair()


def open_store(
    data_dir: Path,
    repair: Repair,
    *,
    has_peers: bool,
    log: Log,
    memory_bytes: int = MEMORY_BYTES,
) -> RocksStore:
    """
    Open the index of *data_dir*, or make it where there never was one.

    Raises:
        StartupError: it is not whole, and may not be rebuilt. `str()` says what to do.
        StorageFailure, OSError: it cannot be opened for another reason.
    """
    path = index_path(data_dir)
    if repair.rebuild:
        damage = find_damage(data_dir)
        if damage is None:
            log.info("index not rebuilt: it is whole")
        elif has_peers or repair.accept_data_loss:
            directory = str(set_aside(path, ASIDE))
            log.warning("index set aside", reason=damage, directory=directory, then=NEWCOMER)
        else:
            raise StartupError(f"the index in {path} is damaged: {damage}. {_NOBODY}")
    try:
        if not repair.rebuild:
            check_not_lost(data_dir)
        lossy = repair.accept_data_loss
        store = RocksStore(path, accept_lost_changes=lossy, memory_bytes=memory_bytes)
    except IndexDamaged as exc:
        raise StartupError(f"the index in {path} is damaged: {exc.reason}; {WAY_OUT}") from exc
    if store.lost_changes:
        log.warning("index lacks its last changes, as accepted", rows=store.lost_changes)
    return store


def find_damage(data_dir: Path) -> str | None:
    """
    Read the whole index; returns what is wrong with it, if anything is.

    Raises:
        StorageFailure, OSError: it cannot be read for a reason that says nothing of its files.
    """
    try:
        check_not_lost(data_dir)
        path = index_path(data_dir)
        if IndexMark(path).is_new():
            return None
        store = RocksStore(path, read_only=True)
        try:
            return _read_all(store)
        finally:
            store.close()
    except IndexDamaged as exc:
        return exc.reason
    except (StorageFailure, OSError) as exc:
        if _UNREADABLE not in str(exc):
            raise
        return str(exc)


def _read_all(store: RocksStore) -> str | None:
    for family in FAMILIES:
        for _ in store.scan(family, b"", END):
            pass
    if store.get("meta", RESTORING) is not None or not FORMATS.is_current(store):
        return None  # what a start completes by itself, or refuses
    if Sums.load(store) != Sums.recompute(store):
        return "its rows are not those of its sums"
    return None


def check_not_lost(data_dir: Path) -> None:
    """
    Return if there is an index, or nothing that one could be missed by.

    Raises:
        IndexDamaged: there are blobs, and there is no index.
    """
    path = index_path(data_dir)
    if IndexMark(path).is_unheard_of() and (name_in(data_dir) or _has_blobs(data_dir)):
        raise IndexDamaged(f"{path} is gone, though a node has used {data_dir}")


def _has_blobs(data_dir: Path) -> bool:
    return any(names for _, _, names in os.walk(data_dir / "blobs"))


def set_aside(path: Path, prefix: str) -> Path:
    """
    Rename the index to *prefix* and the time, and remember that a new one is to be made. Returns
    what it is called now; there may be none, after a process that was killed here.
    """
    target = path.with_name(f"{prefix}{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
    if path.exists():
        path.rename(target)
    IndexMark(path).begin()
    return target
