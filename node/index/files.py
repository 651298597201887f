"""The files of a RocksDB database, where they are looked at without RocksDB."""

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from cluster.errors import StorageFull
from node.disk.room import check_room
from node.index.faults import failure_of

WRITTEN_BY_READERS: Final = "rocksdict-config.json"
"""What rocksdict writes into the directory of a database, also where it only reads."""

_RECOVERY_DESCRIPTORS: Final = 64
"""Descriptors that have to be free before the index is closed to be opened again."""


def linked(path: Path) -> TemporaryDirectory[str]:
    """
    Make a directory of links to the database's files, to read them by.

    A read-only disk does not take what rocksdict writes beside them, and a check should not do so.
    """
    made = TemporaryDirectory(prefix="atoll-index-")
    for file in path.iterdir():
        link = Path(made.name, file.name)
        if file.name == WRITTEN_BY_READERS:
            shutil.copyfile(file, link)
        else:
            link.symlink_to(file.absolute())
    return made


def log_bytes(path: Path) -> int:
    """The size of the write-ahead log."""
    return sum(log.stat().st_size for log in path.glob("*.log"))


def sync_logs(path: Path) -> None:
    """Sync what an earlier process may have left unsynced; RocksDB syncs new logs only."""
    for log in path.glob("*.log"):
        with log.open("rb") as file:
            os.fsync(file.fileno())


def has_room(path: Path, size: int) -> bool:
    """Whether there is room for *size* bytes more."""
    try:
        check_room(path, size, 0)
    except FileNotFoundError:  # it is new
        return True
    except StorageFull:
        return False
    return True


def check_descriptors() -> None:
    """
    Return if the process may open some files more.

    Raises:
        IndexPaused: it may not.
    """
    held: list[int] = []
    try:
        for _ in range(_RECOVERY_DESCRIPTORS):
            held.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as exc:
        raise failure_of(exc) from exc
    finally:
        for descriptor in held:
            os.close(descriptor)
