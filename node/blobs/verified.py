"""
Which blob files are known to hash to their names, so that not every read has to hash.

A file is known while it is the same one (device, inode), looks untouched (size, mtime, ctime) and
was hashed less than the interval ago. Bytes that rot on the disk touch none of these: only the
interval bounds for how long they go unnoticed.
"""

import hashlib
import mmap
import os
import time
from typing import Final

from cluster.model import Digest

SLOTS: Final = 1 << 20
"""Files that are remembered, 16 bytes each: 16 MiB at most, taken page by page as they are used.
Each digest has one place, and who comes later takes it: a file that lost its place is hashed once
more than it had to be. With half a million files one in five has lost it."""

_WORDS: Final = 2
"""Of a slot: what the file looked like, and when it was hashed."""


class VerifiedFiles:
    """The table of files that were hashed lately. Safe from any thread."""

    def __init__(self, interval_s: float, slots: int = SLOTS) -> None:
        """With an *interval_s* of 0 no file is ever known."""
        self._interval_s = interval_s
        self._slots = slots
        # Two threads may write one slot at once: then its words are of two files, and the first
        # of them, in which the digest is, decides whose slot it is.
        self._table = memoryview(mmap.mmap(-1, slots * _WORDS * 8)).cast("q")

    def note(self, digest: Digest, stat: os.stat_result) -> None:
        """The file was found to be right; *stat* is from before its bytes were read."""
        at = self._at(digest)
        self._table[at] = _looks(digest, stat)
        self._table[at + 1] = _now_ms()

    def knows(self, digest: Digest, stat: os.stat_result) -> bool:
        """Whether the file was found to be right lately, and looks untouched since."""
        at = self._at(digest)
        return (
            self._table[at] == _looks(digest, stat)
            and _now_ms() - self._table[at + 1] < self._interval_s * 1000
        )

    def _at(self, digest: Digest) -> int:
        return int(digest.encoded[:8], 16) % self._slots * _WORDS


class RunningCheck:
    """A hash over all of a blob while its bytes go by, in order. For one thread at a time."""

    def __init__(self, digest: Digest, stat: os.stat_result, verified: VerifiedFiles) -> None:
        self._digest = digest
        self._stat = stat
        self._verified = verified
        self._hash = hashlib.new(digest.algorithm)

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """The next bytes went by."""
        self._hash.update(data)

    def completes(self, last: bytes | bytearray | memoryview) -> bool:
        """Whether the blob is right if *last* is the rest of it."""
        whole = self._hash.copy()
        whole.update(last)
        right = whole.hexdigest() == self._digest.encoded
        if right:
            self._verified.note(self._digest, self._stat)
        return right


def _looks(digest: Digest, stat: os.stat_result) -> int:
    # Never 0, which is what an unused slot holds.
    return (
        hash((digest, stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))
        or 1
    )


def _now_ms() -> int:
    return int(time.monotonic() * 1000)
