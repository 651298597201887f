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
    Connected holders, those of *region* first; then connected members that may hold it unheard.

    A member becomes a holder here only when its record arrives, which may be later than the
    reference to the blob; asking it costs one round trip and saves a false "unavailable". Equals
    are shuffled, so that many readers spread over many sources.
    """

    def rank(member: Member) -> tuple[bool, bool, float]:
        return (member.node not in holders, member.region != region, rng.random())

    return [member.node for member in sorted(connected, key=rank)]
