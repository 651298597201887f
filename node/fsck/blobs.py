"""Checking the blob files: each hashes to its name, and none that the index names is missing."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from cluster.model import Digest
from node.blobs.filehash import hash_file
from node.blobs.layout import BlobLayout
from node.blobs.quarantine import digest_of
from node.fsck.report import Report


class BlobCheck:
    """One pass over the blob files. *advance* is called with the bytes read since the last call."""

    def __init__(self, data_dir: Path, report: Report, advance: Callable[[int], None]) -> None:
        self._layout = BlobLayout(data_dir)
        self._root = data_dir / "blobs"
        self._report = report
        self._advance = advance

    def bytes_to_read(self) -> int:
        return sum(path.stat().st_size for path in self._files())

    def run(self, held: dict[Digest, int]) -> None:
        """Check the files against *held*: the blobs the index says are here, and their sizes."""
        missing = dict(held)
        for path in self._files():
            digest = self._digest_of(path)
            if digest is None:
                self._report.problem(f"file {path}", "is no blob's file")
                continue
            self._report.checked["blob files"] += 1
            size = missing.pop(digest, None)
            if size is None:
                self._report.note("blob files that no row names")
            self._check_file(path, digest, size)
        for digest in missing:
            self._report.problem(f"blob {digest}", "is held by the index, but has no file")

    def check_staging(self, uploads: dict[str, int]) -> None:
        """Look for staged files without an upload, and uploads that lack bytes."""
        staging = Path(self._layout.staging)
        names = {entry.name for entry in staging.iterdir()} if staging.is_dir() else set()
        for _ in names - uploads.keys():
            self._report.note("unfinished files, removed at the next start")
        for upload_id, offset in uploads.items():
            path = staging / upload_id
            size = path.stat().st_size if upload_id in names else 0
            if size < offset:
                self._report.note("uploads that lost bytes, and will be refused")

    def list_quarantine(self) -> None:
        """Name the damaged copies that were set aside, and whether a whole one is here."""
        directory = Path(self._layout.quarantine)
        # A data directory of an older Atoll has none.
        for path in sorted(directory.iterdir()) if directory.is_dir() else ():
            digest = digest_of(path.name)
            if digest is None:
                self._report.note(f"file that is no copy of a blob: quarantine/{path.name}")
                continue
            here = (
                "another copy is here"
                if Path(self._layout.blob(digest)).exists()
                else ("no other copy is here")
            )
            self._report.note(f"damaged copy set aside, {here}: quarantine/{path.name}")

    def _files(self) -> Iterator[Path]:
        for folder, _, names in os.walk(self._root):
            for name in names:
                yield Path(folder, name)

    def _digest_of(self, path: Path) -> Digest | None:
        algorithm = path.relative_to(self._root).parts[0]
        try:
            digest = Digest.parse(f"{algorithm}:{path.name}")
        except ValueError:
            return None
        return digest if self._layout.blob(digest) == str(path) else None

    def _check_file(self, path: Path, digest: Digest, size: int | None) -> None:
        where = f"blob {digest}"
        try:
            with path.open("rb", buffering=0) as file:
                encoded, found = hash_file(file.fileno(), digest.algorithm, self._advance)
        except OSError as exc:
            self._report.problem(where, f"cannot be read: {exc.strerror}")
            return
        if size is not None and found != size:
            self._report.problem(where, f"has {found} bytes in its file, {size} in the index")
        elif encoded != digest.encoded:
            self._report.problem(where, "does not hash to its digest")
