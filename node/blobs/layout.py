"""
Where blobs lie on disk.

    <data>/
    ├── blobs/
    │   ├── sha256/
    │   │   ├── 00/ ... ff/            all 256 exist from the start
    │   │   │   └── <64 hex digits>    a complete, verified, synced blob
    │   └── sha512/
    │       └── 00/ ... ff/
    │           └── <128 hex digits>
    ├── quarantine/
    │   └── <algorithm>-<digits>.<ns>  a copy that was found damaged, and when; never served
    └── staging/
        ├── .probe                     written now and then, to see whether the disk takes it
        ├── .put-<n>                   a small blob that is being stored in one go
        └── <name>                     bytes on their way in; worth nothing without their owner

Everything under `blobs/` is whole: files only get there by a rename. All trees must be on one
filesystem for that.
"""

import os
import re
from collections.abc import Iterator
from typing import Final

from cluster.model import Digest
from node.disk.durable import sync_directory

_ALGORITHMS: Final = ("sha256", "sha512")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,199}")


class BlobLayout:
    """The paths below one data directory. Computing a path does no I/O."""

    def __init__(self, data_dir: str | os.PathLike[str]) -> None:
        self._data = os.fspath(data_dir)
        self._blobs = os.path.join(self._data, "blobs")
        self.staging = os.path.join(self._data, "staging")
        self.quarantine = os.path.join(self._data, "quarantine")
        self.probe = f"{self.staging}/.probe"

    def blob(self, digest: Digest) -> str:
        encoded = digest.encoded
        return f"{self._blobs}/{digest.algorithm}/{encoded[:2]}/{encoded}"

    def blob_directory(self, digest: Digest) -> str:
        """The directory whose sync makes the name of the blob durable."""
        return f"{self._blobs}/{digest.algorithm}/{digest.encoded[:2]}"

    def staged(self, name: str) -> str:
        """
        The file of staging *name*.

        Raises:
            ValueError: not a name that we would give: letters, digits, `-` and `.` only, and no
                `.` at the start.
        """
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"not a staging name: {name[:80]!r}")
        return f"{self.staging}/{name}"

    def staged_put(self, number: int) -> str:
        """A file for one `put`; the leading dot keeps it apart from every staging name."""
        return f"{self.staging}/.put-{number}"

    def set_aside(self, digest: Digest, ns: int) -> str:
        """The file for a damaged copy that was found *ns* nanoseconds after the epoch."""
        return f"{self.quarantine}/{digest.algorithm}-{digest.encoded}.{ns:020}"

    def create(self) -> None:
        """
        Make all directories and sync their names. Blocks.

        Since the 256 directories per algorithm exist beforehand, a commit has one directory to
        sync and not a chain of them. The sync is done at every start: the last one may have been
        cut off between making and syncing.
        """
        for parent, names in self._tree():
            os.makedirs(parent, exist_ok=True)
            present = set(os.listdir(parent))
            for name in names:
                if name not in present:
                    os.mkdir(os.path.join(parent, name))
            sync_directory(parent)

    def _tree(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        yield self._data, ("blobs", "quarantine", "staging")
        yield self._blobs, _ALGORITHMS
        fan_out = tuple(f"{n:02x}" for n in range(256))
        for algorithm in _ALGORITHMS:
            yield os.path.join(self._blobs, algorithm), fan_out
