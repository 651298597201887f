"""In which order to try the holders of a blob. Pure, apart from the dice it is given."""

from collections.abc import Collection, Sequence

from cluster.model import Member, NodeId, Region
from cluster.ports import Chance


def order(
    holders: Collection[NodeId],
    connected: Sequence[Member],
    region: Region,
    rng: Chance,
) -> list[NodeId]:
    """
    All connected members: those of *region* first, and in each region the holders first.

    A neighbour says nothing of what came to it with a pull, so it is asked before the blob is
    brought from another region: some milliseconds, where each blob is to come in once (P8). Last
    are those elsewhere whose record may not have arrived: asking them saves a false "unavailable".
    Equals are shuffled, so that many readers spread over many sources.
    """

    def rank(member: Member) -> tuple[bool, bool, float]:
        return (member.region != region, member.node not in holders, rng.random())

    return [member.node for member in sorted(connected, key=rank)]
