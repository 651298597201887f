"""
How many bytes cross between groups of processes on this machine.

The kernel counts what each TCP connection has sent; `ss` (iproute2) tells, for root. So nothing
stands in the way of what is measured.
"""

import re
import subprocess
from collections.abc import Mapping
from typing import Final, NamedTuple

_PID: Final = re.compile(r"pid=(\d+)")
_SENT: Final = re.compile(r"bytes_sent:(\d+)")


class Socket(NamedTuple):
    """One end of a connection."""

    pid: int
    here: str
    there: str
    sent_bytes: int


class Crossings:
    """What the processes of *groups* (a name by pid) have sent to those of other groups."""

    def __init__(self, groups: Mapping[int, str]) -> None:
        self._groups = groups
        self._sent: dict[tuple[str, str], int] = {}
        """By both ends. Connections that are over stay in the sum, as last seen."""

    def look(self) -> int:
        """The bytes so far, TCP's own headers not among them."""
        found = subprocess.run(
            ["ss", "-tinpHO", "state", "established"], capture_output=True, text=True, check=True
        )
        for each in crossing(sockets(found.stdout), self._groups):
            self._sent[each.here, each.there] = each.sent_bytes
        return sum(self._sent.values())


def sockets(told: str) -> list[Socket]:
    """The sockets in what `ss -tinpHO state established` printed."""
    found = []
    for line in told.splitlines():
        _, _, here, there, *_ = line.split()
        pid, sent = _PID.search(line), _SENT.search(line)
        if pid is not None:
            found.append(Socket(int(pid[1]), here, there, int(sent[1]) if sent else 0))
    return found


def crossing(found: list[Socket], groups: Mapping[int, str]) -> list[Socket]:
    """Those of *found* whose other end is a process of another group."""
    owners = {(each.here, each.there): each.pid for each in found if each.pid in groups}
    return [
        each
        for each in found
        if (each.here, each.there) in owners
        and (other := owners.get((each.there, each.here))) is not None
        and groups[other] != groups[each.pid]
    ]
