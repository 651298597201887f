"""
Who should hold a blob: rendezvous hashing. Pure.

Each node draws a number for the digest, the highest hold it (Thaler and Ravishankar, "Using
name-based mappings to increase hit rates", 1998). A node that joins or leaves moves only the blobs
that it wins or had won.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

from cluster.model import Digest, Member, NodeId

_HASH_BYTES: Final = 8


def place(digest: Digest, me: Member, others: Iterable[Member]) -> list[NodeId]:
    """
    Every node in the order in which it should hold the blob; the caller takes `copies`.

    This node comes first, for it has the bytes; then its region, for the 201 waits for the
    nearest copies (P1); then the rest.
    """

    def draw(member: Member) -> tuple[bool, bytes, NodeId]:
        """The same on every node of a region, and independent of the others."""
        hashed = blake2b(digest.encode(), key=member.node.encode(), digest_size=_HASH_BYTES)
        return member.region == me.region, hashed.digest(), member.node

    return [me.node, *(member.node for member in sorted(others, key=draw, reverse=True))]
