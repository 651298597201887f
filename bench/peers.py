"""Start Atoll and the registries it is compared with, each on free ports and fresh directories."""

import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.scratch import ROOT, scratch
from tests.e2e.ports import free_port
from tests.e2e.processes import atoll_command, log_tail, stop_process
from tests.e2e.serve_cluster import ServeCluster

PEERS: Final = ("Distribution 2.8", "Distribution 3")
ATOLL: Final = "Atoll"
ATOLL_CLUSTER: Final = "Atoll, 3 nodes"

_START_TIMEOUT_S: Final = 30.0
_POLL_INTERVAL_S: Final = 0.05

# What the project's own example configuration has: a file system, an in-memory descriptor
# cache. Logs as quiet as ours.
_DISTRIBUTION: Final = """\
version: 0.1
log:
  level: error
  accesslog:
    disabled: true
storage:
  filesystem:
    rootdirectory: {directory}
  cache:
    blobdescriptor: inmemory
  delete:
    enabled: true
http:
  addr: {address}
"""


@dataclass(frozen=True)
class Server:
    """A registry that answers at *address* (host:port)."""

    name: str
    address: str


def program(name: str) -> str:
    """
    Find a program in .tools/bin or on the PATH.

    Raises:
        SystemExit: it is not there. A benchmark without one of its sides compares nothing.
    """
    path = os.pathsep.join([str(ROOT / ".tools" / "bin"), os.environ.get("PATH", "")])
    found = shutil.which(name, path=path)
    if found is None:
        raise SystemExit(f"{name} is not installed; .ci/tools installs it")
    return found


@contextmanager
def servers() -> Iterator[list[Server]]:
    """Run every server, idle until it is asked, with all data on the repository's file system."""
    with ExitStack() as stack:
        directory = stack.enter_context(scratch("bench"))
        peers = [
            stack.enter_context(_distribution(name, executable, directory))
            for name, executable in zip(PEERS, ("docker-registry", "registry"), strict=True)
        ]
        yield [
            *peers,
            stack.enter_context(_atoll(ATOLL, directory / "single", 1)),
            stack.enter_context(_atoll(ATOLL_CLUSTER, directory / "cluster", 3)),
        ]


def versions() -> dict[str, str]:
    """Return what each side says of its version."""
    said = {
        name: _first_line([program(executable), "--version"]).split()[-1]
        for name, executable in zip(PEERS, ("docker-registry", "registry"), strict=True)
    }
    return {ATOLL: _first_line([*atoll_command(), "--version"]), **said}


@contextmanager
def _distribution(name: str, executable: str, parent: Path) -> Iterator[Server]:
    directory = parent / executable
    directory.mkdir()
    address = f"127.0.0.1:{free_port()}"
    config, log = directory / "config.yml", directory / "log"
    config.write_text(_DISTRIBUTION.format(directory=directory / "data", address=address))
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program(executable), "serve", str(config)],
            stdout=output,
            stderr=output,
            # Version 3 sends traces to a collector by default; there is none here.
            env={**os.environ, "OTEL_TRACES_EXPORTER": "none"},
        )
    try:
        _wait_answering(address, process, log)
        yield Server(name, address)
    finally:
        stop_process(process, log)


@contextmanager
def _atoll(name: str, directory: Path, nodes: int) -> Iterator[Server]:
    directory.mkdir()
    quiet = ("--log-level", "error")
    with ServeCluster(directory=directory, size=nodes, options=quiet) as cluster:
        yield Server(name, cluster.nodes[0].http)


def _wait_answering(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while True:
        try:
            urllib.request.urlopen(f"http://{address}/v2/", timeout=5).close()
            return
        except urllib.error.URLError as failure:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{address} does not answer\n{log_tail(log)}") from failure
        time.sleep(_POLL_INTERVAL_S)


def _first_line(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    lines = (done.stdout or done.stderr).splitlines()
    return lines[0].strip() if done.returncode == 0 and lines else "unknown"
