"""The nodes: `atoll serve` processes, each on a host of the network, that faults can reach."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.e2e.processes import (
    OPEN,
    READY_TIMEOUT_S,
    ProcessFailed,
    atoll_command,
    beginning,
    clean_environment,
    is_ready,
    log_tail,
    stop_process,
)
from tests.e2e.small_disk import SmallDisk
from tests.netfaults.network import Network

REGIONS: Final = {"eu": ("eu-0", "eu-1", "eu-2"), "us": ("us-0", "us-1")}
REGION_OF: Final = {node: region for region, nodes in REGIONS.items() for node in nodes}


def has_majority(region: str, seen: Set[str]) -> bool:
    """
    Whether *seen* are a majority of the quorum of *region*: of its nodes, and of a witness of
    another region where they are two. Whichever that is: no fault here makes a difference of it.
    """
    stores = {*REGIONS[region]}
    possible = [stores]
    if len(stores) == 2:
        possible = [stores | {witness} for witness in REGION_OF.keys() - stores]
    return all(len(quorum & seen) > len(quorum) // 2 for quorum in possible)


_HTTP_PORT: Final = 5000
_RPC_PORT: Final = 6000
_POLL_INTERVAL_S: Final = 0.05
_FAKETIME: Final = "faketime/libfaketime.so.1"


@dataclass(kw_only=True)
class Node:
    """One `atoll serve`. Signals go to the process itself: nothing stands between."""

    name: str
    network: Network
    directory: Path
    """Of the run: logs, and a data directory for each node."""

    fake_clock: bool = False
    """Whether libfaketime tells it the time, so that `set_clock` can move it."""

    disk: SmallDisk | None = None
    """What its data directory is on, if that can be filled."""

    options: tuple[str, ...] = ()
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def http(self) -> str:
        return f"{self.network.addresses[self.name]}:{_HTTP_PORT}"

    @property
    def data_dir(self) -> Path:
        return self.directory / self.name

    @property
    def log(self) -> Path:
        return self.directory / f"{self.name}.log"

    @property
    def _clock_file(self) -> Path:
        return self.directory / f"{self.name}.clock"

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process; does not wait until it is ready."""
        assert not self.is_running, f"{self.name} runs already"
        addresses = self.network.addresses
        arguments = [
            *("--data-dir", str(self.data_dir), "--node", self.name),
            *("--region", REGION_OF[self.name]),
            *("--http", self.http, "--rpc", f"{addresses[self.name]}:{_RPC_PORT}"),
            *("--log-format", "json", "--shutdown-drain-s", "0"),
            *(part for peer in addresses.values() for part in ("--join", f"{peer}:{_RPC_PORT}")),
            *beginning(REGION_OF),
            *OPEN,
            *self.options,
        ]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.network.command(self.name, [*atoll_command(), "serve", *arguments]),
                stdout=log,
                stderr=log,
                env=clean_environment() | self._clock(),
            )

    def _clock(self) -> dict[str, str]:
        if not self.fake_clock:
            return {}
        if not self._clock_file.exists():
            self.set_clock(0.0)
        return {
            "LD_PRELOAD": faketime_library(),
            "FAKETIME_TIMESTAMP_FILE": str(self._clock_file),
            "FAKETIME_CACHE_DURATION": "1",
            # A jump of the wall clock is what happens to machines; durations stay true.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
            # Its own guess about condition variables makes every wait of gRPC ten times as long.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        }

    async def wait_ready(self) -> None:
        """
        Wait until the node takes traffic.

        Raises:
            ProcessFailed: it exited, or is not ready after `READY_TIMEOUT_S`.
        """
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                while not await asyncio.to_thread(is_ready, self.http):
                    self.check_running()
                    await asyncio.sleep(_POLL_INTERVAL_S)
        except TimeoutError:
            raise ProcessFailed(f"{self.name} is not ready\n{log_tail(self.log)}") from None

    def check_running(self) -> None:
        """
        Return if the process runs.

        Raises:
            ProcessFailed: nobody killed it, and it is gone.
        """
        if not self.is_running:
            raise ProcessFailed(f"{self.name} is not running\n{log_tail(self.log)}")

    def kill(self) -> None:
        """End the process at once (SIGKILL) and collect it."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def send_kill(self) -> None:
        """End the process at once (SIGKILL); `kill` collects it."""
        self._signal(signal.SIGKILL)

    def pause(self) -> None:
        """Stop every thread of the process (SIGSTOP); its sockets stay open and unanswered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def stop(self) -> None:
        """Ask the process to end (SIGTERM) and wait for it."""
        if self._process is not None:
            stop_process(self._process, self.log)

    def end(self) -> None:
        """See to it that no process is left, whatever state it is in."""
        if self.is_running:
            self.kill()

    def set_clock(self, offset_s: float) -> None:
        """Move the wall clock by *offset_s* from the true time; it is noticed within a second."""
        # Renamed into place: a file that is read while it is written would be no offset at all.
        new = self._clock_file.with_suffix(".new")
        new.write_text(f"{offset_s:+.3f}\n")
        new.rename(self._clock_file)


def faketime_library() -> str:
    """
    Path of libfaketime.

    Raises:
        FileNotFoundError: the Debian package `faketime` is not installed.
    """
    for directory in Path("/usr/lib").glob("*-linux-gnu*"):
        if (directory / _FAKETIME).exists():
            return str(directory / _FAKETIME)
    raise FileNotFoundError("libfaketime.so.1; .ci/tools installs it")
