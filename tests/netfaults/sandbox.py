"""
A sandbox that takes everything with it: namespaces of the kernel for network, mounts and processes.

Whatever a run makes (bridge, veths, firewall rules, small disks, nodes, stopped ones included)
lives in namespaces that belong to the runner. When it ends, however it ends, the kernel removes
them: no clean-up code has to run for the machine to be as it was.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

_INSIDE: Final = "ATOLL_NETFAULTS_SANDBOX"
_NAMES: Final = Path("/run/netns")

_UNSHARE: Final = (
    *("unshare", "--net", "--mount", "--pid", "--mount-proc"),
    # The kernel kills what is left in the process namespace when its first process is gone.
    *("--fork", "--kill-child"),
)


class NotRoot(Exception):
    """Namespaces, firewall rules and mounts need root."""


def command(arguments: list[str]) -> list[str]:
    """
    The command that runs this package with *arguments* in a new sandbox.

    Raises:
        NotRoot: this process may not make one.
    """
    if os.geteuid() != 0:
        raise NotRoot("network namespaces need root")
    return [*_UNSHARE, sys.executable, "-m", "tests.netfaults", *arguments]


def environment() -> dict[str, str]:
    """The environment to run `command` in."""
    return {**os.environ, _INSIDE: "1"}


def is_inside() -> bool:
    """Whether this process runs in a sandbox."""
    return os.environ.get(_INSIDE) == "1"


def prepare() -> None:
    """Make the sandbox ready for `ip netns`, whose names are files of the machine otherwise."""
    _NAMES.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "netns", str(_NAMES)], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
