"""Damaged copies that were set aside: kept for people to look at, and bounded."""

import os
import time
from pathlib import Path
from typing import Final

from cluster.model import Digest
from node.blobs.layout import BlobLayout

FILES_MAX: Final = 1_000
"""Files that are kept at most."""

BYTES_MAX: Final = 10 << 30
"""Bytes that are kept at most, but for the last file set aside, which may be of any size. It takes
no room that it did not have before: it is renamed, not copied."""


class Quarantine:
    """The directory of damaged copies. Blocks; one thread at a time."""

    def __init__(self, layout: BlobLayout) -> None:
        self._layout = layout
        self.files = 0
        """How many there are."""

    def open(self) -> None:
        """Count what earlier runs have left."""
        self.files = len(_oldest_first(self._layout.quarantine))

    def place(self, digest: Digest) -> str | None:
        """
        Where to put one more damaged copy; None when there is no room for it.

        Makes room by removing the oldest of which a whole copy is here again.
        """
        found = _oldest_first(self._layout.quarantine)
        files, size = len(found), sum(path.stat().st_size for path in found)
        for path in found:
            if files < FILES_MAX and size < BYTES_MAX:
                break
            if self._is_replaced(path):
                size -= path.stat().st_size
                files -= 1
                path.unlink()
        self.files = files
        if files >= FILES_MAX or size >= BYTES_MAX:
            return None
        return self._layout.set_aside(digest, time.time_ns())

    def added(self) -> None:
        """Take note that a file was put where `place` said."""
        self.files += 1

    def _is_replaced(self, path: Path) -> bool:
        digest = digest_of(path.name)
        return digest is not None and os.path.lexists(self._layout.blob(digest))


def digest_of(name: str) -> Digest | None:
    """Of which blob a file in the quarantine was a copy; None for a file that is none of ours."""
    algorithm, _, rest = name.partition("-")
    encoded, _, _ = rest.partition(".")
    try:
        return Digest.parse(f"{algorithm}:{encoded}")
    except ValueError:
        return None


def _oldest_first(directory: str) -> list[Path]:
    return sorted(Path(directory).iterdir(), key=lambda path: path.name.rpartition(".")[2])
