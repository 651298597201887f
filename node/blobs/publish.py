"""The step that makes a blob exist: from a staged file to a name under `blobs/`."""

import os
import threading
import zlib
from contextlib import suppress
from typing import Final

from cluster.model import Digest
from node.blobs.layout import BlobLayout, sync_directory

_STRIPES: Final = 64


class Publisher:
    """
    Renames verified, synced files to their digest. Blocks; safe from many threads.

    A blob that is there already is replaced: ours has just been verified, the old one may have
    rotted since (P6). Whoever has the old file open goes on reading it.
    """

    def __init__(self, layout: BlobLayout) -> None:
        self._layout = layout
        self._locks = tuple(threading.Lock() for _ in range(_STRIPES))
        self._unsure: set[Digest] = set()

    def is_sure(self, digest: Digest) -> bool:
        """
        Whether the blob that was seen under that name stays there: its first copy may have its
        name already, and lose it again. Never blocks.
        """
        return digest not in self._unsure

    def publish(self, staged: str, digest: Digest) -> None:
        """
        Give the file at *staged* its final name, durably.

        Raises:
            OSError: it has no name under `blobs/` now, unless an older copy had it.
        """
        target = self._layout.blob(digest)
        # Two commits of one digest take turns: else one that fails to sync would take back the
        # name that the other one has just made durable.
        with self._locks[zlib.crc32(digest.encode()) % _STRIPES]:
            replaced = os.path.lexists(target)
            if not replaced:
                self._unsure.add(digest)
            try:
                os.rename(staged, target)
                sync_directory(self._layout.blob_directory(digest))
            except OSError:
                # An older copy was durable under this name, so whichever of the two names
                # survives a crash is good. A first copy must not be seen: it could vanish.
                if not replaced:
                    with suppress(OSError):
                        os.unlink(target)
                # It stays unsure: who saw it before is about to ask.
                raise
            self._unsure.discard(digest)
