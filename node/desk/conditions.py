"""How a node is, in a word. Pure."""

from collections.abc import Mapping
from typing import Final

from cluster import WANTS_STATE
from cluster.layout import Availability
from node.attention import troubles
from node.attention.codes import Code
from node.attention.facts import MemberFacts
from node.attention.rules.absences import absence_of
from node.desk.values import NodeCondition

_ABSENT: Final[Mapping[Code, NodeCondition]] = {
    Code.NODE_DEAD: "dead",
    Code.NODE_UNHEARD: "unheard",
    Code.NODE_LEFT: "left",
    Code.NODE_SUSPECT: "suspect",
    Code.NODE_STOPPED: "stopped",
    Code.NODE_UNLINKED: "unlinked",
    Code.DISK_REPLACED: "outside",
}

_AVAILABLE: Final[Mapping[Availability, NodeCondition]] = {
    Availability.ACTIVE: "serving",
    Availability.PAUSED: "paused",
    Availability.DRAINING: "draining",
}

_CLOSED: Final = frozenset({"running", "cluster", "index"})
"""Conditions of `/readyz` without which a node answers no clients."""


def condition_of(member: MemberFacts) -> NodeCondition:
    """How it is, by all that is known of it."""
    if (absence := absence_of(member)) is not None:
        return _ABSENT[absence]
    if member.availability is None:
        return "outside"
    told = troubles.heard(member.trouble or "")
    if told.get("index") == WANTS_STATE:
        return "restoring"
    if told.get("running") == "starting" or "cluster" in told:
        return "joining"
    if not _CLOSED.isdisjoint(told):
        return "stopped" if "running" in told else "troubled"
    if told:
        return "troubled"
    return _AVAILABLE[member.availability]


def serves(member: MemberFacts) -> bool:
    """Whether it is there, a member, and answers clients from what it has."""
    if absence_of(member) is not None or member.availability is None:
        return False
    return _CLOSED.isdisjoint(troubles.heard(member.trouble or ""))
