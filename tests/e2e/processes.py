"""What starting, awaiting and stopping Atoll's processes has in common."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

READY_TIMEOUT_S: Final = 60.0
"""Longest wait for a node or a cluster to take traffic."""

LOG_TAIL_BYTES: Final = 4000
"""How much of a log goes into an error message."""

ANY_ADMIN: Final = ("--admin", "127.0.0.1:0")
"""Flags of a node that serves the admin API wherever there is a free port."""

OPEN: Final = ("--open", "--open-to", "all", *ANY_ADMIN)
"""Flags of a node that lets anybody do anything, whatever address it has."""

_QUIET_S: Final = 0.3
"""How long the nodes listen for a cluster before they begin one: all of them start at once."""

_STOP_TIMEOUT_S: Final = 30.0
_POLL_INTERVAL_S: Final = 0.02


class ProcessFailed(Exception):
    """A process did not do what was asked; the message ends with its log."""


def atoll_command() -> list[str]:
    """Return the command under test: `E2E_ATOLL`, or the one beside this interpreter."""
    override = os.environ.get("E2E_ATOLL")
    if override:
        return override.split()
    return [str(Path(sys.executable).parent / "atoll")]


def clean_environment() -> dict[str, str]:
    """Return our environment without settings that would change a node's behaviour."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ATOLL_")}


def beginning(initial: Iterable[str]) -> list[str]:
    """
    Flags of a node whose cluster the nodes *initial* begin, all that join being taken in.

    Without *initial* it begins none: it waits to be taken in.
    """
    named = [part for name in initial for part in ("--initial", name)]
    return [*named, "--joining", "open", "--quiet-s", str(_QUIET_S)]


def log_tail(path: Path) -> str:
    """Return the end of a log file, for an error message."""
    with suppress(FileNotFoundError):
        return path.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace")
    return "(no log)"


def admin_address(data_dir: Path) -> str:
    """Where the node of *data_dir*, which runs, serves the admin API: host:port."""
    return (data_dir / "ADMIN").read_text().strip()


def is_ready(http: str) -> bool:
    """Whether the node at *http* (host:port) says that it may take traffic."""
    try:
        with urllib.request.urlopen(f"http://{http}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def wait_until_up(
    process: subprocess.Popen[bytes],
    log: Path,
    is_up: Callable[[], bool],
    name: str,
    timeout_s: float = READY_TIMEOUT_S,
) -> None:
    """
    Wait until *is_up* says that *process*, the program *name*, serves.

    Raises:
        ProcessFailed: it exited, or does not serve after *timeout_s*.
    """
    deadline = time.monotonic() + timeout_s
    while not is_up():
        if process.poll() is not None:
            raise ProcessFailed(f"{name} exited while starting\n{log_tail(log)}")
        if time.monotonic() > deadline:
            raise ProcessFailed(f"{name} is not ready after {timeout_s:g} s\n{log_tail(log)}")
        time.sleep(_POLL_INTERVAL_S)


def stop_process(process: subprocess.Popen[bytes], log: Path) -> None:
    """
    Ask a process to stop and wait for it.

    Raises:
        ProcessFailed: it had to be killed.
    """
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise ProcessFailed(
            f"pid {process.pid} ignored SIGTERM for {_STOP_TIMEOUT_S:g} s\n{log_tail(log)}"
        ) from None
