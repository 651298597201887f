"""Facts of clusters by a layout, for the rules of the desk."""

from collections.abc import Mapping
from typing import Any

from cluster.layout import Layout
from node.attention.facts import (
    BlobSum,
    CopyFacts,
    CopyPlaces,
    Facts,
    LayoutFacts,
    MemberFacts,
    NodeCopies,
    VoterFacts,
)

NOW = 1_800_000_000.0


def facts_of(
    layout: Layout, *, copies: CopyFacts | None = None, **members: Mapping[str, Any]
) -> Facts:
    """All members of *layout* are well, but for what is said of *members*."""
    shown = []
    for member in layout.members:
        told: dict[str, Any] = {"state": "alive", "connected": True, "lag_events": 0}
        told |= members.pop(member.node, {})
        shown.append(
            MemberFacts(
                node=member.node,
                region=member.region,
                zone=member.zone,
                weight=member.weight,
                roles=member.roles,
                availability=member.availability,
                **told,
            )
        )
    assert not members, "no members by the layout"
    voters = tuple(str(disk.node) for disk in layout.voters)
    return Facts(
        node=layout.members[0].node,
        region=layout.members[0].region,
        now=NOW,
        layout=LayoutFacts(layout.version),
        voters=VoterFacts(voters, tuple(m.node for m in shown if not m.connected)),
        members=tuple(shown),
        copies=copies or CopyFacts(9, 90),
        counted=NOW - 5,
    )


def copies_with(
    *, short: int = 0, drained: int = 0, walk: int = 1, **nodes: NodeCopies
) -> CopyFacts:
    """Blobs of 10 bytes each."""
    places = CopyPlaces(nodes, {}, BlobSum(drained, 10 * drained), walk)
    return CopyFacts(100, 1000, short, 10 * short, places=places)


DEAD = {"state": "dead", "connected": False}
