"""
What is known beside the index of the index, so that a part of it that is gone is missed.

RocksDB finds most damage by its own checksums. It cannot see that its newest log, or the end of
one of its files, is gone, and where everything is gone it makes a new database. So two small files
lie next to the directory of the index:

    index.mark      there is an index; what was synced last, and what its manifest was then
    index.damaged   why the index cannot be used any more; goes when it is rebuilt

The mark is written after each sync and not synced itself. After a power cut it may be half a minute
older than the index: then what was lost of that time is not noticed. It is never newer.
"""

import os
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from node.disk.durable import write_durably
from node.errors import IndexDamaged
from node.index.files import WRITTEN_BY_READERS

_NEW: Final = b"new\n"
"""The mark of an index that is being made: it may be missing, or half there."""

_CURRENT: Final = "CURRENT"


class _State(NamedTuple):
    """*manifest_bytes* of the file *manifest* have the checksum *manifest_crc*."""

    sequence: int = 0
    manifest: str = ""
    manifest_bytes: int = 0
    manifest_crc: int = 0

    def encode(self) -> bytes:
        text = f"made {self.sequence:020d} {self.manifest or '-'} "
        line = f"{text}{self.manifest_bytes:020d} {self.manifest_crc:08x} ".encode()
        return line + b"%08x\n" % zlib.crc32(line)


def _decode(line: bytes) -> _State:
    """What a mark says; nothing but that there is an index, if it is damaged itself."""
    text, _, crc = line.rstrip(b"\n").rpartition(b" ")
    try:
        if int(crc, 16) != zlib.crc32(text + b" "):
            return _State()
        _, sequence, manifest, size, manifest_crc = text.decode().split()
        return _State(int(sequence), manifest, int(size), int(manifest_crc, 16))
    except ValueError:
        return _State()


class IndexMark:
    """The mark of the index in directory *index*. Used by one thread at a time."""

    def __init__(self, index: Path) -> None:
        self._index = index
        self._path = index.with_name(index.name + ".mark")
        self._note = index.with_name(index.name + ".damaged")
        self._state = _State()
        self._manifest = index
        """RocksDB's own manifest, once the index is open."""
        self._file: int | None = None

    def is_new(self) -> bool:
        """Whether no index was ever finished here, so that one may be made."""
        try:
            return self._path.read_bytes() == _NEW
        except FileNotFoundError:
            return not has_files(self._index)

    def is_unheard_of(self) -> bool:
        """Whether nothing here tells of an index, whole or not."""
        return not (self._path.exists() or self._note.exists() or has_files(self._index))

    def begin(self) -> None:
        """Note, durably, that an index is going to be made here. There must be none."""
        self._note.unlink(missing_ok=True)
        write_durably(self._path, _NEW)

    def check(self) -> None:
        """
        Hold the files against the mark, before RocksDB opens them.

        Raises:
            IndexDamaged: a part is gone, or it was found damaged earlier.
        """
        if self._note.exists():
            raise IndexDamaged(self._note.read_text(errors="replace").strip() or "not known how")
        if not has_files(self._index):
            raise IndexDamaged(f"{self._index} is gone")
        with suppress(FileNotFoundError):  # an older Atoll kept none
            self._state = _decode(self._path.read_bytes())
        name = self._current()
        if self._state.manifest != name:
            return  # RocksDB has begun a new one since
        size, crc = _checksum(self._index / name, 0, self._state.manifest_bytes)
        if (size, crc) != (self._state.manifest_bytes, self._state.manifest_crc):
            raise IndexDamaged(f"{name} is not what was written")

    def lost(self, sequence: int) -> int:
        """How many changes were synced that are not in an index that ends at *sequence*."""
        return max(0, self._state.sequence - sequence)

    def opened(self, sequence: int) -> None:
        """Begin to keep the mark of an index that was opened to be written, and is whole."""
        if self._file is None:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._state = _State(manifest=self._current())
        self._manifest = self._index / self._state.manifest
        self.synced(sequence)

    def synced(self, sequence: int) -> None:
        """Note that everything up to *sequence* was synced. Takes some microseconds."""
        assert self._file is not None, "opened() comes first"
        if self._manifest.stat().st_size != self._state.manifest_bytes:
            self._follow()
        self._state = self._state._replace(sequence=sequence)
        os.pwrite(self._file, self._state.encode(), 0)

    def _follow(self) -> None:
        """Take note of what RocksDB has added to its manifest, synced before it is noted."""
        with self._manifest.open("rb") as file:
            os.fsync(file.fileno())
        before = self._state
        size, crc = _checksum(self._manifest, before.manifest_bytes, None, before.manifest_crc)
        self._state = before._replace(manifest_bytes=size, manifest_crc=crc)

    def note_damage(self, reason: str) -> None:
        """Have every later `check` fail with *reason*, restarts included."""
        self._note.write_text(reason + "\n")

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _current(self) -> str:
        try:
            return (self._index / _CURRENT).read_text(errors="replace").strip()
        except FileNotFoundError:
            raise IndexDamaged(f"{self._index / _CURRENT} is gone") from None


def has_files(index: Path) -> bool:
    """Whether anything of an index is in directory *index*."""
    try:
        return any(name != WRITTEN_BY_READERS for name in os.listdir(index))
    except FileNotFoundError:
        return False


def _checksum(path: Path, start: int, stop: int | None, crc: int = 0) -> tuple[int, int]:
    """
    Where the file ends, *stop* at most, and the checksum up to there.

    *crc* is that of what comes before *start*.
    """
    try:
        with path.open("rb") as file:
            file.seek(start)
            data = file.read() if stop is None else file.read(stop - start)
    except FileNotFoundError:
        raise IndexDamaged(f"{path} is gone") from None
    return start + len(data), zlib.crc32(data, crc)
