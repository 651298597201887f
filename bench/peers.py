"""Start Atoll and the registries it is compared with, each on free ports and fresh directories."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.scratch import scratch
from tests.e2e.distribution import answers, distribution, find_program
from tests.e2e.ports import free_port
from tests.e2e.processes import atoll_command, stop_process, wait_until_up
from tests.e2e.serve_cluster import ServeCluster

_DISTRIBUTIONS: Final = {"Distribution 2.8": "docker-registry", "Distribution 3": "registry"}
ZOT: Final = "zot"
ATOLL: Final = "Atoll"
ATOLL_CLUSTER: Final = "Atoll, 3 nodes"


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
    found = find_program(name)
    if found is None:
        raise SystemExit(f"{name} is not installed; .ci/tools installs it")
    return found


def peers(zot: str | None) -> list[str]:
    """The names of those that Atoll is compared with; *zot* is the path of a program, if any."""
    return [*_DISTRIBUTIONS, *([ZOT] if zot else [])]


@contextmanager
def servers(zot: str | None) -> Iterator[list[Server]]:
    """Run every server, idle until it is asked, with all data on the repository's file system."""
    with ExitStack() as stack:
        directory = stack.enter_context(scratch("bench"))
        running = [
            stack.enter_context(_distribution(name, executable, directory))
            for name, executable in _DISTRIBUTIONS.items()
        ]
        if zot:
            running.append(stack.enter_context(_zot(zot, directory / "zot")))
        yield [
            *running,
            stack.enter_context(_atoll(ATOLL, directory / "single", 1)),
            stack.enter_context(_atoll(ATOLL_CLUSTER, directory / "cluster", 3)),
        ]


def versions(zot: str | None) -> dict[str, str]:
    """Return what each side says of its version."""
    said = {
        name: _first_line([program(executable), "--version"]).split()[-1]
        for name, executable in _DISTRIBUTIONS.items()
    }
    if zot:
        # It tells in a line of its log, with what it was built with.
        told = json.loads(_first_line([zot, "--version"]))
        said[ZOT] = told["commit"] or "unknown"
    return {ATOLL: _first_line([*atoll_command(), "--version"]), **said}


@contextmanager
def _zot(executable: str, directory: Path) -> Iterator[Server]:
    """As its minimal example has it, but for the log, which is as quiet as ours."""
    directory.mkdir()
    port = free_port()
    config, log = directory / "config.json", directory / "log"
    content = {
        "distSpecVersion": "1.1.1",
        "storage": {"rootDirectory": str(directory / "data")},
        "http": {"address": "127.0.0.1", "port": str(port)},
        "log": {"level": "error"},
    }
    config.write_text(json.dumps(content))
    with log.open("wb") as output:
        process = subprocess.Popen([executable, "serve", str(config)], stdout=output, stderr=output)
    try:
        wait_until_up(process, log, lambda: answers(f"127.0.0.1:{port}"), ZOT)
        yield Server(ZOT, f"127.0.0.1:{port}")
    finally:
        stop_process(process, log)


@contextmanager
def _distribution(name: str, executable: str, parent: Path) -> Iterator[Server]:
    with distribution(program(executable), parent / executable) as address:
        yield Server(name, address)


@contextmanager
def _atoll(name: str, directory: Path, nodes: int) -> Iterator[Server]:
    directory.mkdir()
    quiet = ("--log-level", "error")
    with ServeCluster(directory=directory, size=nodes, options=quiet) as cluster:
        yield Server(name, cluster.nodes[0].http)


def _first_line(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    lines = (done.stdout or done.stderr).splitlines()
    return lines[0].strip() if done.returncode == 0 and lines else "unknown"
