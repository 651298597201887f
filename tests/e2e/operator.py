"""What an operator types, and what comes of it."""

import json
import subprocess
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from tests.e2e.processes import atoll_command, clean_environment

PATIENCE_S: Final = 60.0


class Typed(NamedTuple):
    """A command that has ended."""

    status: int
    output: str
    told: str


def atoll(*arguments: str, url: str) -> Typed:
    """Run a command of `atoll` that asks the node at *url*."""
    return typed(*arguments, "--url", url)


def typed(*arguments: str) -> Typed:
    """Run `atoll` as a script does: nobody is there to be asked."""
    done = subprocess.run(
        [*atoll_command(), *arguments],
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    return Typed(done.returncode, done.stdout, done.stderr)


class Status(NamedTuple):
    """One answer of `atoll status`."""

    status: int
    document: dict[str, Any]

    def states(self) -> dict[str, str]:
        return {member["node"]: member["state"] for member in self.document["members"]}

    @property
    def attention(self) -> str:
        return "\n".join(self.document["attention"])


def status(url: str) -> Status:
    done = atoll("status", "--json", url=url)
    return Status(done.status, json.loads(done.output))


def wait_status(url: str, wanted: Callable[[Status], bool]) -> Status:
    """The first answer that is as *wanted*; fails with the last one that was not."""
    until = time.monotonic() + PATIENCE_S
    while not wanted(found := status(url)):
        assert time.monotonic() < until, found
        time.sleep(0.2)
    return found


def wait_well(url: str) -> Status:
    """All is well, as the node at *url* sees it."""
    return wait_status(url, lambda found: found.status == 0)
