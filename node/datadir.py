"""A node's data directory: made if need be, and used by one process at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from node.startup import StartupError


@contextmanager
def locked(data_dir: Path) -> Iterator[Path]:
    """
    Hold *data_dir* for this process, making it if need be. The kernel lets go of it however the
    process ends.

    Raises:
        StartupError: it cannot be made or used, or another process holds it.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = os.open(data_dir / "LOCK", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as exc:
        raise StartupError(f"cannot use data directory {data_dir}: {exc.strerror}") from exc
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise StartupError(f"data directory {data_dir} is in use by another process") from exc
        yield data_dir
    finally:
        os.close(lock)


@contextmanager
def shared(data_dir: Path) -> Iterator[bool]:
    """
    Keep nodes off *data_dir* while it is only read; makes nothing there, writes nothing.

    Yields whether it is held: without a lock file, as in a copy, there is nothing to hold.

    Raises:
        StartupError: there is no such directory, it cannot be read, or a node uses it.
    """
    if not data_dir.is_dir():
        raise StartupError(f"there is no data directory {data_dir}")
    try:
        lock = os.open(data_dir / "LOCK", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield False
        return
    except OSError as exc:
        raise StartupError(f"cannot use data directory {data_dir}: {exc.strerror}") from exc
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise StartupError(f"data directory {data_dir} is in use by another process") from exc
        yield True
    finally:
        os.close(lock)
