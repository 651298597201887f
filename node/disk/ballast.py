"""
A file that takes room on the disk, to be given up when a start needs it.

A full disk keeps RocksDB from opening, as it begins new files then. What any other program takes
first is gone for that; most often nobody does, as those who filled the disk have been refused.
"""

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from cluster.errors import StorageFull
from cluster.ports import Log
from node.disk.room import check_room

BYTES: Final = 16 << 20
"""Opening takes less than 1 MiB of it, whatever the log of the index has; deletes have the rest."""

_NEEDED_BYTES: Final = 4 << 20
"""Free room with which a start is safe without it."""

_INTERVAL_S: Final = 600.0


class Ballast:
    """The file in *data_dir*. It leaves *reserve_bytes* beside itself, or is not made."""

    def __init__(self, data_dir: Path, reserve_bytes: int, log: Log) -> None:
        self._data_dir = data_dir
        self._path = data_dir / "ballast"
        self._reserve_bytes = max(reserve_bytes, BYTES)
        self._log = log

    def make_room(self) -> None:
        """Give the room up if the disk is too full to start."""
        try:
            check_room(self._data_dir, _NEEDED_BYTES, 0)
        except StorageFull:
            with suppress(FileNotFoundError):
                self._path.unlink()
                self._log.warning("disk full: ballast given up to start", bytes=BYTES)

    def keep(self) -> None:
        """Take the room if it is there to be taken."""
        if self._path.exists():
            return
        half = self._path.with_name("ballast.tmp")
        try:
            check_room(self._data_dir, BYTES, self._reserve_bytes)
            with half.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, BYTES)
            half.rename(self._path)
        except (StorageFull, OSError) as exc:
            half.unlink(missing_ok=True)
            self._log.debug("no ballast", reason=str(exc))

    async def run(self) -> None:
        """Take it again when there is room, until cancelled."""
        while True:
            await asyncio.to_thread(self.keep)
            await asyncio.sleep(_INTERVAL_S)
