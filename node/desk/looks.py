"""One look at the cluster, and the nodes and regions that it shows. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cluster.layout import Live
from node.attention.facts import Facts, MemberFacts
from node.desk.conditions import condition_of, serves
from node.desk.disks import disk_of, fullest
from node.desk.stops import may_stop, stop_verdict
from node.desk.values import DeskLink, DeskNode, DeskNodes, DeskRegion, DeskRegions


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterLook:
    """What one node knows at one moment."""

    facts: Facts
    live: Live | None
    """None while there is no layout."""

    round_trips_s: Mapping[str, float] = field(default_factory=dict)
    """To each node that it was measured to."""

    behind_s: Mapping[str, float | None] = field(default_factory=dict)
    """Of each other member, how old the first event of this node is that it is not known to have: 0
    without any, None where that is not known."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Members of which nothing is heard now."""
        found = self.facts.members
        return tuple(m.node for m in found if m.availability is not None and not m.connected)

    @property
    def lag_s(self) -> float | None:
        """That of the connected member which is behind the most; None where it is not known."""
        found = [self.behind_s.get(m.node) for m in self._others() if m.connected]
        known = [behind for behind in found if behind is not None]
        return None if len(known) < len(found) else max(known, default=0.0)

    def _others(self) -> Sequence[MemberFacts]:
        members = self.facts.members
        return [m for m in members if m.node != self.facts.node and m.availability is not None]


def nodes_of(look: ClusterLook) -> DeskNodes:
    """All nodes, one by one."""
    facts = look.facts
    nodes = sorted((_node(look, m) for m in facts.members), key=_by_trouble)
    stoppable = [n.node for n in nodes if n.stop is not None and n.stop.there and n.stop.safe]
    return DeskNodes(
        facts.node,
        facts.region,
        round(facts.now, 3),
        facts.counted,
        look.missing,
        sorted(stoppable),
        nodes,
    )


def _by_trouble(node: DeskNode) -> tuple[bool, str, str]:
    return node.condition == "serving", node.region, node.node


def _node(look: ClusterLook, member: MemberFacts) -> DeskNode:
    node, trip_s = member.node, look.round_trips_s.get(member.node)
    is_member = member.availability is not None
    return DeskNode(
        node,
        member.region,
        member.zone,
        condition_of(member),
        member.roles,
        member.availability,
        member.weight,
        member.connected,
        member.http,
        member.version,
        disk_of(member),
        member.blobs,
        member.blob_bytes,
        member.clock_ahead_ms,
        None if trip_s is None or not member.connected else round(1000 * trip_s, 2),
        member.lag_events,
        _rounded(0.0 if node == look.facts.node else look.behind_s.get(node)),
        member.settings_differing,
        member.trouble,
        member.uncovered,
        stop_verdict(node, look.live, look.facts) if is_member else None,
    )


def regions_of(look: ClusterLook) -> DeskRegions:
    """All regions of the layout; without one that of the node that looks."""
    facts = look.facts
    members = [m for m in facts.members if m.availability is not None]
    names = sorted({m.region for m in members} or {facts.region})
    stoppable = set(may_stop(look.live, facts))
    regions = [_region(look, name, [m for m in members if m.region == name], stoppable)
               for name in names]  # fmt: skip
    links = [
        DeskLink(facts.region, r.region, r.round_trip_ms, r.behind_events, r.behind_s)
        for r in regions
        if r.region != facts.region
    ]
    return DeskRegions(
        facts.node,
        facts.region,
        round(facts.now, 3),
        facts.counted,
        look.missing,
        regions,
        links,
    )


def _region(
    look: ClusterLook, name: str, members: Sequence[MemberFacts], stoppable: Iterable[str]
) -> DeskRegion:
    facts = look.facts
    others = [m for m in members if m.node != facts.node and m.lag_events is not None]
    last = max(others, key=lambda m: (m.lag_events or 0, m.node), default=None)
    short = None
    if facts.copies is not None:
        short = facts.copies.places.regions.get(name, (0, 0))
    trips = [look.round_trips_s[m.node] for m in others if m.node in look.round_trips_s]
    return DeskRegion(
        name,
        len(members),
        sum(map(serves, members)),
        Counter(map(condition_of, members)),
        [m.node for m in members if not m.connected],
        sum(m.blobs or 0 for m in members),
        sum(m.blob_bytes or 0 for m in members),
        fullest(map(disk_of, members)),
        None if last is None else last.lag_events,
        None if last is None else _rounded(look.behind_s.get(last.node)),
        None if last is None or not last.lag_events else last.node,
        None if short is None else short[0],
        None if short is None else short[1],
        round(1000 * min(trips), 2) if trips and name != facts.region else None,
        sorted(m.node for m in members if m.node in stoppable),
    )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
