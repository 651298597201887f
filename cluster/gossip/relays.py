"""
Who brings events to another region. Pure.

A writer hands its events to a few members of each other region, and those hand them on to theirs,
so that each event crosses the long links a fixed number of times, however large the region.
"""

from collections.abc import Iterable
from hashlib import blake2b

from cluster.model import NodeId

_HASH_BYTES = 8


def relays(writer: NodeId, region: Iterable[NodeId], count: int) -> frozenset[NodeId]:
    """
    The *count* members among *region* that relay for *writer*.

    By rendezvous hashing: writers spread over the members, and one that goes away changes only
    the choice of those that had it.
    """

    def drawn(node: NodeId) -> bytes:
        return blake2b(node.encode(), key=writer.encode(), digest_size=_HASH_BYTES).digest()

    return frozenset(sorted(region, key=lambda node: (drawn(node), node))[:count])
