"""Files and names that survive a power cut. All of it blocks."""

import os
from pathlib import Path


def write_durably(path: Path, data: bytes, *, private: bool = False) -> None:
    """
    Have *path* hold *data*, or what it held before; on return it is *data*, whatever happens. If it
    is *private*, no other user may read it, at no time.
    """
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)  # it would keep its mode
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT, 0o600 if private else 0o666)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    sync_directory(path.parent)


def sync_directory(path: str | os.PathLike[str]) -> None:
    """Make the names in a directory durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
