"""The step that makes a blob exist: from a staged file to a name under `blobs/`; its undoing."""

import os
import threading
import zlib
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from typing import Final

from cluster.model import Digest
from node.blobs.layout import BlobLayout
from node.blobs.quarantine import Quarantine
from node.blobs.verified import VerifiedFiles
from node.disk.durable import sync_directory

_STRIPES: Final = 64

HIDDEN_MAX: Final = 10_000
"""Damaged copies that are hidden where they lie. One more is not hidden: each read of it fails."""


class Withdrawn(Enum):
    """What became of a copy that was found damaged."""

    SET_ASIDE = auto()
    HIDDEN = auto()
    GONE = auto()
    """Somebody else withdrew or replaced it before."""
    KEPT = auto()
    """It could be neither moved nor hidden."""


class Publisher:
    """
    Renames verified, synced files to their digest. Blocks; safe from many threads.

    A blob that is there already is replaced: ours has just been verified, the old one may have
    rotted since (P6). Whoever has the old file open goes on reading it.
    """

    def __init__(self, layout: BlobLayout, verified: VerifiedFiles, quarantine: Quarantine) -> None:
        self._layout = layout
        self._verified = verified
        self._quarantine = quarantine
        self._quarantining = threading.Lock()
        self._locks = tuple(threading.Lock() for _ in range(_STRIPES))
        self.on_withdrawn: Callable[[Digest], None] = lambda digest: None
        """Called in some thread behind each copy that is not served any more, and before anybody
        is told."""
        self._unsure: set[Digest] = set()
        self._hidden: dict[Digest, None] = {}

    def is_sure(self, digest: Digest) -> bool:
        """
        Whether the blob that was seen under that name stays there and is good: its first copy may
        have its name already, and lose it again; a damaged one may be hidden. Never blocks.
        """
        return digest not in self._unsure and digest not in self._hidden

    def hidden(self) -> list[Digest]:
        """The damaged copies that are still under their names."""
        return list(self._hidden)

    def show(self, digest: Digest) -> None:
        """A copy that was hidden proved right after all."""
        self._hidden.pop(digest, None)

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
                # Its bytes were hashed on their way in.
                self._verified.note(digest, os.stat(target))
            except OSError:
                # An older copy was durable under this name, so whichever of the two names
                # survives a crash is good. A first copy must not be seen: it could vanish.
                if not replaced:
                    with suppress(OSError):
                        os.unlink(target)
                # It stays unsure: who saw it before is about to ask.
                raise
            self._unsure.discard(digest)
            self._hidden.pop(digest, None)

    def withdraw(self, digest: Digest, found: os.stat_result, *, keep: bool) -> Withdrawn:
        """
        Take the name from a copy that was found damaged, the file of which *found* speaks.

        It goes to the quarantine. With *keep*, or where that cannot be, it stays and is hidden.
        """
        try:
            return self._withdraw(digest, found, keep=keep)
        finally:
            self.on_withdrawn(digest)

    def _withdraw(self, digest: Digest, found: os.stat_result, *, keep: bool) -> Withdrawn:
        target = self._layout.blob(digest)
        with self._locks[zlib.crc32(digest.encode()) % _STRIPES]:
            try:
                now = os.stat(target)
                if (now.st_dev, now.st_ino) != (found.st_dev, found.st_ino):
                    return Withdrawn.GONE
                if not keep and self._set_aside(digest, target):
                    self._hidden.pop(digest, None)
                    return Withdrawn.SET_ASIDE
            except FileNotFoundError:
                return Withdrawn.GONE
            except OSError:
                # The disk cannot even say or rename: hiding needs no disk.
                pass
            if digest in self._hidden:
                return Withdrawn.GONE
            if len(self._hidden) >= HIDDEN_MAX:
                return Withdrawn.KEPT
            self._hidden[digest] = None
            return Withdrawn.HIDDEN

    def _set_aside(self, digest: Digest, target: str) -> bool:
        with self._quarantining:
            place = self._quarantine.place(digest)
            if place is None:
                return False
            os.rename(target, place)
            self._quarantine.added()
        return True
