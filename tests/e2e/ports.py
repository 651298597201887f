"""Free TCP ports on the loopback interface."""

import os
import random
import socket
from collections import deque
from contextlib import ExitStack
from functools import cache
from typing import Final

RPC_OFFSET: Final = 1000
"""`atoll up` puts a node's RPC port this far above its HTTP port."""

_ADMIN_OFFSET: Final = 2000
"""The same for the port of its admin API."""

# Below the kernel's ephemeral range (32768 and up), so that no outgoing connection of a test
# can take a port between this check and the server's bind. Three thousand each: no base is the RPC
# or the admin port of another one.
_BLOCKS: Final = (20_000, 23_000, 26_000)
_MOST: Final = 10
"""Nodes above one base."""

_WORKERS: Final = 4
"""How many of pytest's workers have ports of their own."""


@cache
def _bases() -> deque[int]:
    """
    The bases of this process, in the order in which they are given.

    None is given again before all others were: a node that has yet to start, or was killed, holds
    none of its ports. Shuffled, and not by the tests' seed: two suites may run at once.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    every = [base for block in _BLOCKS for base in range(block, block + RPC_OFFSET, _MOST)]
    ours = every[worker % _WORKERS :: _WORKERS]
    random.SystemRandom().shuffle(ours)
    return deque(ours)


def free_base_port(count: int) -> int:
    """Find a base such that all ports of *count* nodes are free that `atoll up` would run there."""
    assert count <= _MOST
    bases = _bases()
    for _ in range(len(bases)):
        base = bases[0]
        bases.rotate(-1)
        offsets = (0, RPC_OFFSET, _ADMIN_OFFSET)
        if _all_free([base + i + offset for i in range(count) for offset in offsets]):
            return base
    raise RuntimeError(f"no {count} free port pairs above any of {len(bases)} bases")


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
