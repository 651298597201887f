"""
Who should hold a blob: weighted rendezvous hashing. Pure.

Each node draws a number for the digest, the highest hold it (Thaler and Ravishankar, "Using
name-based mappings to increase hit rates", 1998; weights after Schindelhauer and Schomaker,
"Weighted Distributed Hash Tables", 2005: -w / ln u makes a node win in proportion to w). A node
that joins or leaves moves only the blobs that it wins or had won.
"""

import math
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final, NamedTuple

from cluster.model import Digest, NodeId, Region

_HASH_BYTES: Final = 8
_DRAW_BITS: Final = 52


class Candidate(NamedTuple):
    """A node that can hold blobs. *weight* is its share of them, relative to the others'."""

    node: NodeId
    region: Region
    weight: float = 1.0


def score(digest: Digest, candidate: Candidate) -> float:
    """The candidate's draw for this digest: the same on every node, independent of the others."""
    drawn = blake2b(digest.encode(), key=candidate.node.encode(), digest_size=_HASH_BYTES).digest()
    # Half a step inside (0, 1), for the logarithm is usable at neither end. With one bit more
    # the half would be rounded away from a float, and the highest draw would become 1.
    steps = int.from_bytes(drawn, "big") >> (8 * _HASH_BYTES - _DRAW_BITS)
    uniform = (steps + 0.5) / (1 << _DRAW_BITS)
    return -candidate.weight / math.log(uniform)


def ranked(digest: Digest, candidates: Iterable[Candidate]) -> list[Candidate]:
    """The candidates, the best holder first."""
    return sorted(candidates, key=lambda c: (score(digest, c), c.node), reverse=True)


def place(
    digest: Digest, me: NodeId, region: Region, candidates: Iterable[Candidate]
) -> list[NodeId]:
    """
    Every candidate in the order in which it should hold the blob; the caller takes `copies`.

    This node comes first, for it has the bytes; then its region, for the 201 waits for the
    nearest copies (P1); then the rest. *candidates* may or may not contain this node.
    """
    ranking = ranked(digest, (c for c in candidates if c.node != me))
    near = [c.node for c in ranking if c.region == region]
    far = [c.node for c in ranking if c.region != region]
    return [me, *near, *far]
