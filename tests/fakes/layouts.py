"""Layouts for tests: members from a line of text, and what there is to know of them."""

import random
from collections.abc import Iterable
from typing import Any

import msgspec

from cluster.layout.changes import Change, Circumstances
from cluster.layout.document import Layout, LayoutMember, Settings
from cluster.layout.proposal import changed, genesis
from cluster.layout.removal import Verdict
from cluster.model import Digest, Disk, NodeId, Region


def member(node: str, region: str = "eu", **fields: Any) -> LayoutMember:
    """A store; its disk is named after it, and *disk* tells the first one from others."""
    store = fields.pop("store", f"{node}-disk{fields.pop('disk', 1)}")
    return LayoutMember(NodeId(node), store, Region(region), **fields)


def layout(text: str, **settings: Any) -> Layout:
    """`"eu: a b c, us: d e"` as a first version."""
    members = []
    for part in text.split(","):
        region, _, nodes = part.partition(":")
        members += [member(node, region.strip()) for node in nodes.split()]
    return genesis(members, Settings(**settings))


def cluster(zones: dict[str, dict[str, int]], region: str = "eu", copies: int = 2) -> Layout:
    """One region: weights by node, by zone."""
    members = [
        member(node, region, zone=zone, weight=weight)
        for zone, nodes in zones.items()
        for node, weight in nodes.items()
    ]
    return genesis(members, Settings(copies=copies))


def random_cluster(rng: random.Random, copies: int) -> Layout:
    """One region of several zones, with room for the copies."""
    count = rng.randrange(copies + 2, 12)
    zones = rng.randrange(1, 5)
    members = [
        member(f"n{n}", zone=f"z{rng.randrange(zones)}", weight=rng.choice([50, 100, 100, 200]))
        for n in range(count)
    ]
    return genesis(members, Settings(copies=copies))


def disk(of: Layout, node: str) -> Disk:
    found = of.member(NodeId(node))
    assert found is not None
    return found.disk


def disks(of: Layout, nodes: str) -> frozenset[Disk]:
    return frozenset(disk(of, node) for node in nodes.split())


def safe(of: Layout, node: str) -> Verdict:
    """Somebody has looked, and nothing is at stake."""
    return Verdict(NodeId(node), of.version, 0, 0, 0, 0, (), True, ())


def changed_by(of: Layout, *changes: Change, **known: Any) -> Layout:
    return changed(of, *changes, circumstances=Circumstances(**known))


def with_member(of: Layout, who: str, **fields: Any) -> Layout:
    """The document as it would be if nobody had checked it."""
    members = tuple(
        msgspec.structs.replace(m, **fields) if m.node == who else m for m in of.members
    )
    return msgspec.structs.replace(of, members=members)


def digests(count: int, salt: str = "") -> Iterable[Digest]:
    return (Digest.of(f"{salt}{number}".encode()) for number in range(count))
