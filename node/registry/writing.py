"""What a client learns of a write besides that it was done."""

from typing import NamedTuple

from cluster.model import Acknowledged, Consistency, Dot
from node.registry.ports import Replicator


class Receipt(NamedTuple):
    """The event of an acknowledged write, and how many nodes have it."""

    event: Dot
    acknowledged: Acknowledged


async def acknowledge(replicator: Replicator, event: Dot, consistency: Consistency) -> Receipt:
    """
    Return once *event* may be acknowledged.

    Raises:
        NotDurable: too few nodes confirmed it in time.
    """
    return Receipt(event, await replicator.wait_durable(event, consistency))
