"""
What no event that is still unseen here can be older than. Pure.

Example: W deletes a tag, and M has an older push of it that nobody else has. W's delete may not be
forgotten as soon as everybody has it, for M has it, too, and has yet to tell of the push. But once
M has said that it has the delete, and this node has all that M had then, the push is here.
"""

from collections.abc import Collection

from cluster import vectors
from cluster.model import NodeId, Vector


class Stability:
    """Belongs to one node. *members* below are the others; each counts until it was removed."""

    def __init__(self) -> None:
        self._waiting: dict[NodeId, Vector] = {}
        """What a member said, until this node has all of it."""
        self._met: dict[NodeId, Vector] = {}
        """The last that a member said of which this node has all."""

    def note(self, member: NodeId, said: Vector, mine: Vector) -> None:
        """Take note of what *member* has by its own word now, and this node durably."""
        met = self._met.get(member)
        if met is not None and not vectors.covers(said, met):
            # Another run, of another disk: what the earlier one said holds no more.
            self._met.pop(member)
            self._waiting.pop(member, None)
        waiting = self._waiting.get(member)
        if waiting is None or not vectors.covers(said, waiting):
            # A word of an earlier run may never come true any more.
            waiting = self._waiting[member] = dict(said)
        if vectors.covers(mine, waiting):
            self._met[member] = waiting
            del self._waiting[member]

    def stable(self, members: Collection[NodeId], mine: Vector) -> Vector:
        """
        Events up to here are at each of *members*, and all that they had before is here.

        What is retired here was stable before that, and stays so (`gossip.retirement`).
        """
        for gone in (self._met.keys() | self._waiting.keys()) - set(members):
            self._met.pop(gone, None)
            self._waiting.pop(gone, None)
        met = [self._met.get(member, {}) for member in members]
        found = vectors.marks(mine)
        for origin, seq in vectors.logs(mine):
            least = min((seq, *(vectors.reached(vector, origin) for vector in met)))
            if least:
                found[origin] = least
        return found
