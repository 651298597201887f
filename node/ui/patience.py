"""How long a page waits for one of its parts."""

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

from cluster.errors import ClusterError
from node.errors import Unconfirmed

T = TypeVar("T")

PART_S: Final = 0.08
"""How long a part may take that waits for another node: of the tenth of a second that a page has,
the rest is for itself. Then the page comes without that part, and says so."""


async def in_time(part: Awaitable[T], seconds: float = PART_S) -> T | None:
    """What *part* gives; None where it is too late, or the cluster cannot tell."""
    try:
        async with asyncio.timeout(seconds):
            return await part
    except (TimeoutError, ClusterError, Unconfirmed):
        return None
