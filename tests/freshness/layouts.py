"""Layouts for the worlds: one region of some stores, others beside it, and what may follow."""

from collections.abc import Mapping, Sequence

from cluster.layout.document import (
    FORMAT,
    DegradedWrites,
    Layout,
    LayoutMember,
    Settings,
    Witness,
    by_name,
)
from cluster.model import NodeId, Region


def layout(version: int, regions: Mapping[str, Sequence[str]], copies: int) -> Layout:
    """*regions* have these stores. A region of two gets a witness of the next one, if any."""
    members = [
        LayoutMember(NodeId(node), f"{node}-disk1", Region(region))
        for region, nodes in regions.items()
        for node in nodes
    ]
    settings = Settings(copies=copies, degraded_writes=DegradedWrites.REFUSE)
    witnesses = []
    for region, nodes in sorted(regions.items()):
        others = sorted(m.node for m in members if m.region != region)
        if len(nodes) == 2 and others:
            witnesses.append(Witness(Region(region), NodeId(others[0])))
    return Layout(FORMAT, version, by_name(members), witnesses=tuple(witnesses), settings=settings)
