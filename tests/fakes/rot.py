"""Damage to the files of a node, as disks do it."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from cluster.model import Digest


def blob_file(data_dir: Path, digest: Digest) -> Path:
    """The file of a blob."""
    [path] = (data_dir / "blobs").rglob(digest.encoded)
    return path


def flip(path: Path, at: int = 0) -> None:
    """Change one bit and leave the times alone, so far as a process can: ctime moves."""
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(at, os.SEEK_SET if at >= 0 else os.SEEK_END)
        [byte] = file.read(1)
        file.seek(at, os.SEEK_SET if at >= 0 else os.SEEK_END)
        file.write(bytes([byte ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def make_unreadable(monkeypatch: pytest.MonkeyPatch, path: Path, number: int = errno.EIO) -> None:
    """Have every read of the file at *path* fail, however it was opened; others go on."""
    real, inode = os.preadv, path.stat().st_ino
    pread = os.pread

    def failing_preadv(fd: int, buffers: Any, offset: int, flags: int = 0) -> int:
        if os.fstat(fd).st_ino == inode:
            raise OSError(number, os.strerror(number))
        return real(fd, buffers, offset, flags)

    def failing_pread(fd: int, length: int, offset: int) -> bytes:
        if os.fstat(fd).st_ino == inode:
            raise OSError(number, os.strerror(number))
        return pread(fd, length, offset)

    monkeypatch.setattr(os, "preadv", failing_preadv)
    monkeypatch.setattr(os, "pread", failing_pread)
