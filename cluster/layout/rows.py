"""What the index says of a blob, as the layout needs it."""

from collections.abc import Collection
from typing import NamedTuple

from cluster.model import Digest, NodeId


class Row(NamedTuple):
    """A blob that some repository has, and who holds it by rows that stand; size in bytes."""

    digest: Digest
    size: int
    holders: Collection[NodeId]
