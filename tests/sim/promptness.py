"""How soon a write is answered while nothing is wrong."""

from typing import Final

from cluster.config import ClusterConfig
from cluster.model import Consistency
from node.errors import OutcomeUnknown
from tests.sim.history import Op
from tests.sim.network import FAR_S

PROMPT_S: Final = 0.5
"""How long a write may take: its blobs, and then itself, far away."""


def prompt_s(op: Op, config: ClusterConfig) -> float:
    """How long *op* may take."""
    # Writes may wait for each other's blobs, each a far round trip.
    blobs_s = FAR_S * op.copies / config.replications_max
    return PROMPT_S + blobs_s + (word_s(config) if op.consistency is Consistency.GLOBAL else 0.0)


def word_s(config: ClusterConfig) -> float:
    """
    How long it may take until everybody has said that he has an event.

    Who is no relay of its region says how far it is when it greets, after a pause and a round trip;
    another one may go by in pulling what the event builds on.
    """
    return config.heartbeat_remote_interval_s + 2 * FAR_S


def gave_up_early(op: Op, config: ClusterConfig) -> bool:
    """Whether a `global` write was not waited for until everybody can have said that he has it."""
    waits = op.consistency is Consistency.GLOBAL and op.error.startswith(OutcomeUnknown.__name__)
    return waits and config.durable_timeout_s < word_s(config)
