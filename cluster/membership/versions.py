"""
Which versions of Atoll work together in one cluster. Pure.

A node speaks one version of the protocol between nodes, and understands the one before it: an
upgrade takes one node after the other. What only some versions can do is a *feature*, with a name.
What a member can do is said by itself, as part of `Member`, and goes with it wherever the member
table goes; so `Members` owns it. A feature is used once every member has it.
"""

from collections.abc import Iterable
from typing import Final

from cluster.errors import WrongProtocol
from cluster.model import PROTOCOL, Member, NodeId

OLDEST_SPOKEN: Final = 5
"""PROTOCOL - 1, or PROTOCOL itself where that breaks with what was before: 5 does. A node of 4
grants leases by another rule, and confirms without saying who reads by its word."""


def check_protocol(me: NodeId, node: NodeId, protocol: int) -> None:
    """
    Return if *node*, which speaks *protocol*, can be a member of this node's cluster.

    A later version decides for itself whom it understands, but it is one step away at most.

    Raises:
        WrongProtocol: the two have no protocol in common.
    """
    if not OLDEST_SPOKEN <= protocol <= PROTOCOL + 1:
        raise WrongProtocol(
            f"{node!r} speaks version {protocol} of the protocol between nodes and {me!r} version "
            f"{PROTOCOL}: their versions of Atoll do not work together (docs/upgrading.md)"
        )


def common_features(me: Member, others: Iterable[Member]) -> frozenset[str]:
    """What every one of them can do."""
    return frozenset(me.features).intersection(*(member.features for member in others))
