"""
The conditions of a node that do not hold, as the one line that its greetings have of them.

    "disk: no room: 12 MiB are free; copies: 1 of the 2 nodes that a write needs are connected"
"""

import re
from collections.abc import Mapping
from typing import Final

CONDITIONS: Final = ("running", "cluster", "index", "blobs", "clock", "copies", "disk")
"""The names that `/readyz` has (`node.lifetime.conditions`)."""

_NAMED: Final = re.compile(rf"(?:^|; )({'|'.join(CONDITIONS)}): ")


def told(reasons: Mapping[str, str]) -> str:
    """The line; empty where all of them hold."""
    return "; ".join(f"{name}: {why}" for name, why in reasons.items())


def heard(line: str) -> dict[str, str]:
    """
    The conditions in a line of `told`, and why each does not hold.

    Under the empty name is what stands before the first that is known: another version of Atoll may
    have others.
    """
    before, *rest = _NAMED.split(line)
    found = {"": before} if before else {}
    return found | dict(zip(rest[::2], rest[1::2], strict=True))
