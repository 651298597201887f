"""The process of a target, watched from outside: what hangs or crashes it is known all the same."""

import mmap
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from tests.fuzz.record import Fault, Record

HANG_CPU_S: Final = 30.0
"""Time of the processor after which an input hangs; `trial.CPU_S` is far below, and told by the
process itself as long as it can."""

HANG_WALL_S: Final = 900.0
"""The same by the clock, however busy the machine is."""

_BYTES: Final = 1 << 20
_HEAD: Final = struct.Struct("QQ")


class BlackBox:
    """The input that is tried now, where it outlives the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._number = 0

    def __enter__(self) -> Self:
        with self._path.open("w+b") as file:
            file.truncate(_BYTES)
            self._memory = mmap.mmap(file.fileno(), _BYTES)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._memory.close()

    def note(self, text: str) -> None:
        """*text* is about to be tried."""
        data = text.encode()[: _BYTES - _HEAD.size]
        self._number += 1
        self._memory[_HEAD.size : _HEAD.size + len(data)] = data
        self._memory[: _HEAD.size] = _HEAD.pack(self._number, len(data))


def read_box(path: Path) -> tuple[int, str]:
    """How many inputs were tried, and the last one; 0 before the first."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return 0, ""
    if len(data) < _HEAD.size:
        return 0, ""
    number, length = _HEAD.unpack_from(data)
    return number, data[_HEAD.size : _HEAD.size + length].decode(errors="replace")


class Watched:
    """One target in a process of its own."""

    def __init__(
        self,
        name: str,
        seconds: float,
        seed: int,
        directory: Path,
        program: Sequence[str] = (sys.executable, "-m", "tests.fuzz.drive"),
    ) -> None:
        self.name = name
        self._seed = seed
        self._directory = directory
        self._number, self._cpu_s, self._since = 0, 0.0, time.monotonic()
        command = [*program, name, str(seconds), str(seed)]
        self._output = directory / f"{name}.log"
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [*command, str(directory)], stdout=output, stderr=subprocess.STDOUT
            )

    def poll(self) -> Record | None:
        """The record, if it has ended; who hangs is ended."""
        if self._process.poll() is not None:
            return self._ended()
        number, _ = read_box(self._directory / f"{self.name}.box")
        cpu_s, now = cpu_seconds(self._process.pid), time.monotonic()
        if number != self._number:
            self._number, self._cpu_s, self._since = number, cpu_s, now
        elif cpu_s - self._cpu_s > HANG_CPU_S or now - self._since > HANG_WALL_S:
            self._process.kill()
            self._process.wait()
            return self._failed("it hangs")
        return None

    def end(self) -> None:
        """End it before its time, with its files."""
        self._process.terminate()
        self._process.wait()

    def _ended(self) -> Record:
        kept = self._directory / f"{self.name}.json"
        if self._process.returncode == 0 and kept.exists():
            return msgspec.json.decode(kept.read_bytes(), type=Record)
        code = self._process.returncode
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"status {code}"
        tail = self._output.read_text(errors="replace")[-2000:]
        return self._failed(f"its process ended with {how}: {tail}")

    def _failed(self, says: str) -> Record:
        number, given = read_box(self._directory / f"{self.name}.box")
        record = Record(self.name, self._seed, inputs=number)
        record.faults = [Fault(says, given)]
        return record


def end_on_sigterm() -> None:
    """Have what is asked to end remove its files, and end what it has started."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


def cpu_seconds(process: int) -> float:
    """What a process has taken of the processor, in all its threads."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
