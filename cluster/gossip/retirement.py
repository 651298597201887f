"""
Which logs of runs that are over need no entry of their own in a vector any more. Pure.

Retired up to epoch e of node N means: all that N ever wrote up to there is here, and whatever else
comes of it is refused. So this node may decide that only where nothing else can come:

- Every member by the layout, dead or alive, has said in its present run how far it has each log of
  N up to e that anybody knows, and all say the same as this node has. "Every member that is there"
  is not enough. Example: A restarted and knows nothing of X. X alone has three events more, which X
  and N acknowledged. A retires the log, X comes back, and A refuses what was acknowledged.
- N runs a later epoch, and ran it for a while when they said so: only a run ends the one before it,
  and who spoke earlier may have taken an event since, and be cut off.
- This node needs none of the logs itself: they are trimmed, and nothing of them is in quarantine.
  What is named and awaited is in quarantine, as no event is applied before those that it names.
- They are *stable* (`gossip.stability`): nothing older than what they deleted can come.

It goes from the earliest log on, and ends at the first that may not go: a watermark stands for all.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from cluster import vectors
from cluster.model import NodeId, Origin, Vector


class Evidence(NamedTuple):
    """What a node goes by. It is of one moment."""

    mine: Vector
    floor: Vector
    stable: Vector
    held: Collection[Origin]
    """The logs with events in quarantine."""

    said: Mapping[NodeId, Vector]
    """What each other member by the layout said in its present run; it may be nothing."""

    known: Mapping[str, Collection[int]]
    """The epochs of each node that this one or anybody of *said* names (`epochs`)."""


def epochs(known: dict[str, set[int]], vector: Vector) -> None:
    """Add what *vector* names to *known*."""
    for origin, seq in vectors.logs(vector):
        if seq:
            known.setdefault(origin.node, set()).add(origin.epoch)


def retirable(node: NodeId, present: int, evidence: Evidence) -> int:
    """
    Up to which epoch the logs of *node* may be retired here; 0: none that is not yet.

    *present* is the epoch of its run, which has lasted for so long that no lease of an earlier one
    can be running.
    """
    candidates = list(_settled(node, present, evidence))
    for epoch in reversed(candidates):
        if all(_agrees(node, epoch, said, evidence) for said in evidence.said.values()):
            return epoch
    return 0


def _settled(node: NodeId, present: int, evidence: Evidence) -> Iterable[int]:
    """The epochs of *node* up to the first that is still needed here."""
    mark = vectors.watermark(evidence.mine, node)
    for epoch in sorted(evidence.known.get(node, ())):
        origin = Origin(node, epoch)
        end = evidence.mine.get(origin, 0)
        if epoch <= mark.epoch:
            continue
        trimmed = evidence.floor.get(origin, 0) == end == evidence.stable.get(origin, 0)
        if not end or not trimmed or origin in evidence.held or epoch >= present:
            return
        yield epoch


def _agrees(node: NodeId, upto: int, said: Vector, evidence: Evidence) -> bool:
    """Whether who *said* that has each log of *node* up to *upto* as far as this node."""
    mine = {epoch: evidence.mine.get(Origin(node, epoch), 0) for epoch in evidence.known[node]}
    theirs = {epoch: said.get(Origin(node, epoch), 0) for epoch in evidence.known[node]}
    my_mark, their_mark = (vectors.watermark(v, node) for v in (evidence.mine, said))
    later = max(my_mark.epoch, their_mark.epoch)
    if my_mark != their_mark and (
        vectors.chain(my_mark, mine, later) != vectors.chain(their_mark, theirs, later)
    ):
        return False
    return all(mine[epoch] == theirs[epoch] for epoch in mine if later < epoch <= upto)
