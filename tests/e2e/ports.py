"""Free TCP ports on the loopback interface."""

import os
import random
import socket
from contextlib import ExitStack
from typing import Final

RPC_OFFSET: Final = 1000
"""`atoll up` puts a node's RPC port this far above its HTTP port."""

_ADMIN_OFFSET: Final = 2000
"""The same for the port of its admin API."""

# Below the kernel's ephemeral range (32768 and up), so that no outgoing connection of a test
# can take a port between this check and the server's bind.
_LOWEST: Final = 20_000
_HIGHEST: Final = 30_000
_WORKERS: Final = 5
"""How many of pytest's workers have ports of their own. A node that a test has killed holds none of
its ports, and nobody else may take them before it starts again."""

_ATTEMPTS: Final = 200

# Its own generator: the tests' seeded one would give two suites that run at once the same ports.
_random = random.SystemRandom()


def free_base_port(count: int) -> int:
    """Find a base such that all ports of *count* nodes are free that `atoll up` would run there."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    for _ in range(_ATTEMPTS):
        base = _random.randrange(_LOWEST + worker % _WORKERS * 10, _HIGHEST, 10 * _WORKERS)
        offsets = (0, RPC_OFFSET, _ADMIN_OFFSET)
        if _all_free([base + i + offset for i in range(count) for offset in offsets]):
            return base
    raise RuntimeError(f"no {count} free port pairs in {_ATTEMPTS} attempts")


def free_port() -> int:
    """Find one free port."""
    return free_base_port(1)


def _all_free(ports: list[int]) -> bool:
    with ExitStack() as bound:
        for port in ports:
            probe = bound.enter_context(socket.socket())
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True
