"""A cluster under `atoll up`: what `make run` starts, in a directory of its own."""

import json
import os
import queue
import signal
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from tests.e2e.ports import free_base_port
from tests.e2e.processes import (
    READY_TIMEOUT_S,
    ProcessFailed,
    atoll_command,
    clean_environment,
    log_tail,
    stop_process,
)

REGIONS: Final = ("eu", "us", "ap")


@dataclass(frozen=True, kw_only=True)
class Node:
    """One node as `cluster.json` describes it."""

    id: str
    region: str
    http: str
    rpc: str
    admin: str
    pid: int
    data_dir: Path


@dataclass(kw_only=True)
class UpCluster:
    """`atoll up` in a directory of its own, on free ports. Use as a context manager."""

    data_dir: Path
    size: int = 3
    is_open: bool = True
    nodes: list[Node] = field(default_factory=list)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.data_dir.parent / f"{self.data_dir.name}.log"

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _start(self) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        arguments = [
            *("--nodes", str(self.size)),
            *("--regions", ",".join(REGIONS[: self.size])),
            *("--base-port", str(free_base_port(self.size))),
            *("--data-dir", str(self.data_dir)),
            *(["--open"] if self.is_open else []),
        ]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*atoll_command(), "up", *arguments],
                stdout=subprocess.PIPE,
                stderr=log,
                env=clean_environment(),
            )
        self._wait_ready(self._process)
        described = json.loads((self.data_dir / "cluster.json").read_bytes())["nodes"]
        self.nodes = [
            Node(
                id=node["id"],
                region=node["region"],
                http=node["http"],
                rpc=node["rpc"],
                admin=node["admin"],
                pid=node["pid"],
                data_dir=Path(node["data_dir"]),
            )
            for node in described
        ]

    def _wait_ready(self, process: subprocess.Popen[bytes]) -> None:
        """Wait for the line `ready`; keep reading afterwards, so that the pipe never fills."""
        seen: queue.SimpleQueue[bool] = queue.SimpleQueue()

        def read() -> None:
            assert process.stdout is not None
            with process.stdout, self.log.open("ab") as log:
                for line in process.stdout:
                    log.write(line)
                    log.flush()
                    if line.strip() == b"ready":
                        seen.put(True)
            seen.put(False)

        threading.Thread(target=read, daemon=True).start()
        try:
            ready = seen.get(timeout=READY_TIMEOUT_S)
        except queue.Empty:
            ready = False
        if not ready:
            raise ProcessFailed(f"atoll up did not become ready\n{log_tail(self.log)}")

    def _stop(self) -> None:
        if self._process is None:
            return
        try:
            stop_process(self._process, self.log)
        finally:
            survivors = [node for node in self.nodes if _runs(node.pid)]
            for node in survivors:
                os.kill(node.pid, signal.SIGKILL)
        if survivors:
            raise ProcessFailed(f"atoll up left {survivors} running\n{log_tail(self.log)}")


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
