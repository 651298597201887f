"""
A node's data directory: made if need be, used by one process at a time, and whose it is.

    LOCK   held by the process that uses it
    NODE   the name of the node, from its first start on
    LEFT   there once the node has left its cluster: when
    ADMIN  where the running process serves the admin API: HOST:PORT
    OPERATOR  the secret of its operator, another one with each start; for its user's eyes
"""

import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from cluster.model import NODE_ID
from node.disk.durable import sync_directory, write_durably
from node.errors.startup import DirectoryInUse, HasLeft, StartupError

_NODE: Final = "NODE"
_LEFT: Final = "LEFT"
_ADMIN: Final = "ADMIN"
_OPERATOR: Final = "OPERATOR"

_LOOKED_AT_S: Final = 0.5
"""How long a start waits for who only looks whether a node runs: that takes a moment."""

_PAUSE_S: Final = 0.02


class Space(NamedTuple):
    """The disk of a directory; bytes."""

    all: int
    free: int
    """For this process."""


def space_at(data_dir: Path) -> Space:
    """What the disk of the directory has; nothing where it does not say."""
    try:
        found = os.statvfs(data_dir)
    except OSError:
        return Space(0, 0)
    return Space(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)


def name_in(data_dir: Path) -> str | None:
    """
    The name of the node that the directory belongs to; None for one that had none yet.

    Raises:
        StartupError: it cannot be read.
    """
    text = _read(data_dir / _NODE)
    if text is not None and re.fullmatch(NODE_ID, text) is None:
        raise StartupError(f"{data_dir / _NODE} does not hold the name of a node")
    return text


def refuse_other(data_dir: Path, node: str) -> str | None:
    """
    Return the name that the directory has, if that is *node* or none yet.

    Raises:
        StartupError: it is another node's, or cannot be read.
    """
    found = name_in(data_dir)
    if found not in (None, node):
        raise StartupError(f"the data directory belongs to node {found!r}, not to {node!r}")
    return found


def claim(data_dir: Path, node: str) -> None:
    """
    Make the directory that of *node*, durably.

    Raises:
        StartupError: it is another node's, or cannot be written.
    """
    if refuse_other(data_dir, node) is None:
        _write(data_dir / _NODE, node)


def mark_left(data_dir: Path) -> None:
    """
    Note, durably, that the node has left its cluster: whatever starts processes starts it again.

    Raises:
        StartupError: it cannot be written.
    """
    _write(data_dir / _LEFT, datetime.now(UTC).isoformat(timespec="seconds"))


def refuse_left(data_dir: Path) -> None:
    """
    Return unless the node has left its cluster.

    Raises:
        HasLeft: it has.
    """
    if (when := _read(data_dir / _LEFT)) is not None:
        raise HasLeft(
            f"the node of data directory {data_dir} left its cluster at {when}: remove it from "
            "what starts it, or start it with --rejoin to make it a member again"
        )


def forget_left(data_dir: Path) -> bool:
    """Take back `mark_left`, durably; returns whether there was anything to take back."""
    try:
        (data_dir / _LEFT).unlink(missing_ok=False)
        sync_directory(data_dir)
    except FileNotFoundError:
        return False
    except OSError as exc:
        raise StartupError(f"cannot use data directory {data_dir}: {exc.strerror}") from exc
    return True


@contextmanager
def admin_told(data_dir: Path, address: str) -> Iterator[bool]:
    """
    Have the directory say where the admin API is, for as long as this lasts. Yields whether it
    does: a full disk is no reason not to start.
    """
    path = data_dir / _ADMIN
    try:
        write_durably(path, f"{address}\n".encode())
        told = True
    except OSError:
        told = False
    try:
        yield told
    finally:
        # What a killed process leaves there misleads nobody: see `admin_address`.
        with suppress(OSError):
            path.unlink()


def admin_address(data_dir: Path) -> str:
    """
    Where the node that runs in the directory serves the admin API, HOST:PORT.

    Raises:
        StartupError: there is no such directory, it cannot be read, or no node runs there now.
    """
    if _is_held(data_dir) and (address := _read(data_dir / _ADMIN)):
        return address
    # Another node may have the port by now that one of the last run had.
    raise StartupError(f"no node runs in data directory {data_dir}")


def operator_path(data_dir: Path) -> Path:
    """Where the secret of the operator is."""
    return data_dir / _OPERATOR


def write_operator(data_dir: Path, secret: str) -> None:
    """
    Leave the secret of the operator where who may read the directory, and nobody else, finds it.

    Raises:
        StartupError: it cannot be written.
    """
    path = operator_path(data_dir)
    try:
        write_durably(path, f"{secret}\n".encode(), private=True)
    except OSError as exc:
        raise StartupError(f"cannot write {path}: {exc.strerror}") from exc


def operator_secret(data_dir: Path) -> str | None:
    """That secret; None where there is none that the caller may read."""
    try:
        return operator_path(data_dir).read_text().strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def _is_held(data_dir: Path) -> bool:
    """Whether a process uses the directory."""
    try:
        with shared(data_dir):
            return False
    except DirectoryInUse:
        return True


def _read(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").strip()
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise StartupError(f"cannot read {path}: {exc.strerror}") from exc


def _write(path: Path, text: str) -> None:
    try:
        write_durably(path, f"{text}\n".encode())
    except OSError as exc:
        raise StartupError(f"cannot write {path}: {exc.strerror}") from exc


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
    with _held(lock, fcntl.LOCK_EX, data_dir, patience_s=_LOOKED_AT_S):
        yield data_dir


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
    with _held(lock, fcntl.LOCK_SH, data_dir):
        yield True


@contextmanager
def _held(lock: int, kind: int, data_dir: Path, *, patience_s: float = 0.0) -> Iterator[None]:
    """
    Hold the opened lock file *lock* in the way *kind*, if nobody else does; then close it.

    Who only looks holds it for a moment: it is tried for *patience_s*.
    """
    until = time.monotonic() + patience_s
    try:
        while True:
            try:
                fcntl.flock(lock, kind | fcntl.LOCK_NB)
                break
            except BlockingIOError as exc:
                if time.monotonic() >= until:
                    told = f"data directory {data_dir} is in use by another process"
                    raise DirectoryInUse(told) from exc
            time.sleep(_PAUSE_S)
        yield
    finally:
        os.close(lock)
