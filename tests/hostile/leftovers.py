"""What a node's process holds: memory, descriptors, and the failure detector's alarms."""

import os
import re
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

SETTLE_S: Final = 90.0
"""Longest wait for what the strangers left to be cleared away: above every time-out of a body."""

_COUNTED: Final = ("atoll_cluster_deaths_total", "atoll_cluster_suspicions_total")


class Held(NamedTuple):
    """What one process holds."""

    memory_bytes: int
    descriptors: int
    """But for files of the index, which come and go with what is stored."""


def held(pid: int) -> Held:
    """Look at the process *pid*."""
    status = Path(f"/proc/{pid}/status").read_text()
    match = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert match is not None, f"process {pid} has no memory"
    return Held(int(match[1]) << 10, sum("/index/" not in name for name in _open_files(pid)))


def _open_files(pid: int) -> Iterator[str]:
    directory = f"/proc/{pid}/fd"
    for number in os.listdir(directory):
        with suppress(FileNotFoundError):  # closed meanwhile
            yield os.readlink(f"{directory}/{number}")


def alarms(http: str) -> float:
    """Members suspected or given up so far, by the node at *http*."""
    with urllib.request.urlopen(f"http://{http}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(_COUNTED))


def settle(pids: Sequence[int], fits: Callable[[Sequence[Held]], bool]) -> list[Held]:
    """Wait until what the processes hold *fits*, `SETTLE_S` at the most; what they hold then."""
    until = time.monotonic() + SETTLE_S
    while True:
        now = [held(pid) for pid in pids]
        if fits(now) or time.monotonic() > until:
            return now
        time.sleep(0.5)
