"""Content to push: unique blobs whose digests cost next to nothing to compute."""

import hashlib
import os
from itertools import count
from typing import Final

_MARK_BYTES: Final = 16


class BlobMaker:
    """
    Makes blobs of one size that differ only at their end.

    Every blob is new to every server, so no server can answer from what it has; the common part
    is hashed once, so the making is not measured as pushing.
    """

    def __init__(self, size_bytes: int) -> None:
        self._common = os.urandom(size_bytes - _MARK_BYTES)
        self._hash = hashlib.sha256(self._common)
        self._number = count()

    def make(self) -> tuple[str, bytes]:
        """Return the digest and the bytes of a blob that was never made before."""
        mark = next(self._number).to_bytes(_MARK_BYTES, "big")
        hasher = self._hash.copy()
        hasher.update(mark)
        return f"sha256:{hasher.hexdigest()}", self._common + mark
