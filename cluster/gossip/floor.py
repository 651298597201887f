"""
Up to where the logs can be forgotten. Pure.

A node that needs events below the floor has to take over a whole state. So the floor rises past
what every member has, and only after a long time past what a member lacks that is away.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from cluster import vectors
from cluster.model import NodeId, Origin, Vector


class Candidate(NamedTuple):
    """Events of *origin* up to *upto* may go once they are *age_s* seconds old."""

    origin: Origin
    upto: int
    age_s: float


def candidates(
    own: Vector,
    floor: Vector,
    haves: Mapping[NodeId, Vector],
    members: Collection[NodeId],
    connected: Collection[NodeId],
    *,
    settled_age_s: float,
    away_age_s: float,
) -> list[Candidate]:
    """
    What may be forgotten here.

    *haves* is what the other *members* said they have, as far as they said it since this node
    started; *own* and *floor* are this node's. What everybody has goes at *settled_age_s*. What
    every connected member has goes at *away_age_s*, if those and this node are a majority: the
    smaller side of a partition must not forget what only it has.
    """
    majority = 2 * (len(connected) + 1) > len(members) + 1
    found = []
    for origin, mine in sorted(vectors.logs(own)):
        begin = floor.get(origin, 0)
        settled = _common(origin, mine, haves, members)
        if settled > begin:
            found.append(Candidate(origin, settled, settled_age_s))
        present = _common(origin, mine, haves, connected) if majority else 0
        if present > max(begin, settled):
            found.append(Candidate(origin, present, away_age_s))
    return found


def _common(
    origin: Origin, mine: int, haves: Mapping[NodeId, Vector], nodes: Collection[NodeId]
) -> int:
    """Up to where this node and all of *nodes* are known to have the log."""
    return min((mine, *(vectors.reached(haves.get(node, {}), origin) for node in nodes)))
