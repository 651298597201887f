"""haproxy in front of nodes, as an operator would put it there, and what it saw of each request."""

import csv
import io
import os
import re
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, Self

import pytest

from tests.e2e.clients import require
from tests.e2e.ports import free_port
from tests.e2e.processes import is_ready, log_tail, stop_process, wait_until_up

_NOTICE_TIMEOUT_S: Final = 30.0
_POLL_INTERVAL_S: Final = 0.02
_ANSWER_BYTES: Final = 1 << 20

DOCUMENT: Final = Path(__file__).resolve().parents[2] / "docs" / "load-balancer.md"


def configuration(http: str, nodes: Sequence[str], control: Path) -> str:
    """Return the documented configuration, for these addresses and for a test that looks on."""
    text = DOCUMENT.read_text().partition("```haproxy\n")[2].partition("```")[0]
    servers = "\n".join(f"    server {node} {node}" for node in nodes)
    for documented, ours in (
        (r"global\n", f"global\n    stats socket {control} mode 600 level user\n"),
        (r"option httplog", 'log-format "%ST %ts %s %HM %HPO"'),
        (r"bind \S+", f"bind {http}"),
        (r"inter \S+", "inter 250ms"),
        (r"(    server .*\n)+", f"{servers}\n"),
    ):
        text, found = re.subn(documented, ours, text)
        assert found == 1, f"{documented!r} is not in {DOCUMENT}"
    return text


class Passed(NamedTuple):
    """One request that went through: a line of the log."""

    status: int
    end: str
    """How it ended: `--` is well; `SD` is a server that broke off in the middle of an answer."""

    node: str
    method: str
    path: str

    @property
    def failed(self) -> bool:
        """Whether a node or the way to it failed, whatever the client made of it."""
        return self.status >= 500 or self.status < 0 or self.end[0] == "S"


@dataclass(kw_only=True)
class Haproxy:
    """A haproxy that shares requests out over *nodes* (host:port). Use as a context manager."""

    directory: Path
    """Must have a short name: a socket lies in it."""

    nodes: Sequence[str]
    http: str = field(default_factory=lambda: f"127.0.0.1:{free_port()}")
    _program: str = field(default_factory=lambda: require("haproxy"))
    _process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.directory / "haproxy.log"

    @property
    def control(self) -> Path:
        """Where it takes questions."""
        return self.directory / "haproxy.sock"

    def __enter__(self) -> Self:
        config = self.directory / "haproxy.cfg"
        config.write_text(self.configured())
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [self._program, "-db", "-f", config], stdout=log, stderr=log
            )
        try:
            wait_until_up(self._process, self.log, self.is_up, "haproxy")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            stop_process(self._process, self.log)

    def configured(self) -> str:
        """Return its configuration."""
        return configuration(self.http, self.nodes, self.control)

    def is_up(self) -> bool:
        """Whether it answers clients, by a node that is ready."""
        return is_ready(self.http)

    def passed(self) -> list[Passed]:
        """Return every request of clients that has ended, in the order of their ends."""
        found: list[Passed] = []
        for line in self.log.read_text().splitlines():
            match = re.fullmatch(r"(-?\d+) (\S{2}) (\S+) ([A-Z]+) (/v2/\S*)", line)
            if match is not None:
                found.append(Passed(int(match[1]), *match.groups()[1:]))
        return found

    def busy(self) -> list[str]:
        """Return the nodes that have a request under way."""
        return [row["svname"] for row in self._servers() if int(row["scur"]) > 0]

    def wait_down(self, node: str) -> None:
        """Wait until *node* gets no requests any more."""
        self._wait_status(node, "DOWN")

    def wait_up(self, node: str) -> None:
        """Wait until *node* gets requests again."""
        self._wait_status(node, "UP")

    def _wait_status(self, node: str, status: str) -> None:
        deadline = time.monotonic() + _NOTICE_TIMEOUT_S
        while (node, status) not in {(row["svname"], row["status"]) for row in self._servers()}:
            if time.monotonic() > deadline:
                pytest.fail(f"haproxy does not find {node} {status}\n{log_tail(self.log)}")
            time.sleep(_POLL_INTERVAL_S)

    def _servers(self) -> list[dict[str, str]]:
        table = csv.DictReader(io.StringIO(self._ask("show stat nodes 4 -1").removeprefix("# ")))
        return list(table)

    def _ask(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(os.fspath(self.control))
            asking.sendall(f"{command}\n".encode())
            answer = b""
            while part := asking.recv(_ANSWER_BYTES):
                answer += part
        return answer.decode()
