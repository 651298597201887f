"""What a client learns of a write: that it was done and how far, or that nobody knows."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from cluster.errors import ClusterError
from cluster.model import Acknowledged, Consistency, Dot
from node.errors import OutcomeUnknown
from node.registry.ports import Gate


class Receipt(NamedTuple):
    """The event of an acknowledged write, and how many nodes have it."""

    event: Dot
    acknowledged: Acknowledged


async def acknowledge(gate: Gate, event: Dot, consistency: Consistency) -> Receipt:
    """
    Return once *event* may be acknowledged.

    Raises:
        OutcomeUnknown: too few nodes confirmed it in time.
    """
    with logged(event):
        return Receipt(event, await gate.wait_durable(event, consistency))


@contextmanager
def logged(event: Dot) -> Iterator[None]:
    """
    The part of a write behind its log: whatever the cluster refuses in here, *event* stands.

    Before it every refusal means that nothing has changed. From here on nothing is undone, so
    nothing but "unknown" may be said.

    Raises:
        OutcomeUnknown: in the place of every `ClusterError`.
    """
    try:
        yield
    except ClusterError as exc:
        raise OutcomeUnknown(event, str(exc)) from exc
