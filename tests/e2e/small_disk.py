"""A disk that a test can fill: a file system in memory, a few dozen MiB large."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_FILLER: Final = "filler"
_BLOCK: Final = bytes(1 << 16)


class SmallDisk:
    """A mounted file system of its own. `fill` takes room as any other program would."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def free_bytes(self) -> int:
        space = os.statvfs(self.path)
        return space.f_bavail * space.f_frsize

    def fill(self, leave_bytes: int = 0) -> None:
        """Fill the disk but for *leave_bytes*."""
        with (self.path / _FILLER).open("ab", buffering=0) as filler:
            while (missing := self.free_bytes - leave_bytes) > 0:
                filler.write(_BLOCK[:missing])

    def free(self) -> None:
        """Give back what `fill` took."""
        (self.path / _FILLER).unlink()


@contextmanager
def small_disk(path: Path, size_bytes: int) -> Iterator[SmallDisk]:
    """Mount a file system of *size_bytes* on directory *path*. Needs root."""
    path.mkdir()
    options = f"size={size_bytes},mode=755"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)], check=True)
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", str(path)], check=True)
