"""For each alarm, the least that a node has to see: a cause alone, or with what comes of it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from cluster import WANTS_STATE
from cluster.layout import Availability
from node.attention.codes import GRADES, Code, Severity
from node.attention.facts import CopyFacts, Facts, RecentReads
from tests.unit.attention.snapshots import FEW, LEAST, ME, of_member, with_member

_AWAY: Final = (
    Code.NODE_DEAD,
    Code.NODE_UNHEARD,
    Code.NODE_SUSPECT,
    Code.NODE_STOPPED,
    Code.NODE_UNLINKED,
    Code.NODE_LEFT,
    Code.DISK_REPLACED,
)
_OWN: Final = {
    Code.NODE_JOINING: "cluster: it waits for eu-7",
    Code.NODE_RESTORING: f"index: {WANTS_STATE}",
    Code.NODE_STOPPING: "running: stopping",
}

CAUSES: Final[Mapping[tuple[Code, Severity], Facts]] = {
    **{(code, GRADES[code].severity): facts for code, facts in LEAST.items()},
    # Of two, one is away: this one takes no pushes.
    **{(code, Severity.CRITICAL): with_member(LEAST[code], ME, trouble=FEW) for code in _AWAY},
    # It refuses reads, for it is not done.
    **{
        (code, Severity.CRITICAL): replace(
            of_member(ME, trouble=trouble), reads=RecentReads(refused=2)
        )
        for code, trouble in _OWN.items()
    },
    # For more than an hour.
    (Code.VOTERS_LOST, Severity.CRITICAL): LEAST[Code.LOGINS_REFUSED],
    (Code.NODE_DRAINING, Severity.WARNING): replace(
        of_member(availability=Availability.DRAINING),
        copies=CopyFacts(9, 90, short=2, short_bytes=20),
    ),
}
"""By what `atoll_attention` says then."""
