"""
A bridge with one network namespace per node on it, and rules that drop what must not pass.

The clients and proxies are at the bridge's own address and are never cut off: what is tested is
what a node answers that has lost its peers.
"""

import subprocess
from collections.abc import Iterable
from typing import Final

HUB_ADDRESS: Final = "10.77.0.1"
_PREFIX: Final = "/24"
_BRIDGE: Final = "hub"
_FIRST_HOST: Final = 11


class Network:
    """The namespaces and addresses of named hosts. Lives as long as the sandbox does."""

    def __init__(self, names: Iterable[str]) -> None:
        """Build it. Names are at most 11 characters: the kernel has 15 for `veth-NAME`."""
        self.addresses = {name: f"10.77.0.{_FIRST_HOST + i}" for i, name in enumerate(names)}
        _run("ip", "link", "add", _BRIDGE, "type", "bridge")
        _run("ip", "addr", "add", HUB_ADDRESS + _PREFIX, "dev", _BRIDGE)
        _run("ip", "link", "set", _BRIDGE, "up")
        for name, address in self.addresses.items():
            self._attach(name, address)

    def _attach(self, name: str, address: str) -> None:
        outer = f"veth-{name}"
        _run("ip", "netns", "add", name)
        _run("ip", "link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", name)
        _run("ip", "link", "set", outer, "master", _BRIDGE, "up")
        self._inside(name, "ip", "link", "set", "lo", "up")
        self._inside(name, "ip", "addr", "add", address + _PREFIX, "dev", "eth0")
        self._inside(name, "ip", "link", "set", "eth0", "up")

    def command(self, name: str, command: list[str]) -> list[str]:
        """*command* as it runs on host *name*. It replaces `nsenter`, so it keeps the pid."""
        return ["nsenter", f"--net=/run/netns/{name}", "--", *command]

    def drop(self, sender: str, receiver: str) -> None:
        """Let no packet of *sender* reach *receiver*. The other direction stays open."""
        self._inside(receiver, "iptables", "-A", *self._rule(sender))

    def pass_(self, sender: str, receiver: str) -> None:
        """End what `drop` began."""
        self._inside(receiver, "iptables", "-D", *self._rule(sender))

    def _rule(self, sender: str) -> tuple[str, ...]:
        return "INPUT", "-s", self.addresses[sender], "-j", "DROP"

    def _inside(self, name: str, *command: str) -> None:
        _run(*self.command(name, list(command)))

    def close(self) -> None:
        """Take it down, so that the next run of this sandbox begins with nothing."""
        for name in self.addresses:
            _run("ip", "link", "del", f"veth-{name}")
            _run("ip", "netns", "del", name)
        _run("ip", "link", "del", _BRIDGE)


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
