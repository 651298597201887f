"""Who is a member, and who is there: the layout and gossip, joined."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from cluster import ClusterStatistics, MemberStatistics
from cluster.layout import LayoutMember, Live
from cluster.model import Status, Vitals
from node.attention.facts import MemberCondition, MemberFacts

_STATES: Final[Mapping[Status, MemberCondition]] = {
    Status.ALIVE: "alive",
    Status.SUSPECT: "suspect",
    Status.DEAD: "dead",
    Status.LEFT: "left",
}


def members(statistics: ClusterStatistics, live: Live | None) -> tuple[MemberFacts, ...]:
    """Who is in the layout, and who is there and is not; by name."""
    return tuple(sorted(_members(statistics, live), key=lambda member: member.node))


def _members(statistics: ClusterStatistics, live: Live | None) -> Iterator[MemberFacts]:
    known = {member.node: member for member in statistics.members}
    named = {} if live is None else {m.node: m for lay in live.layouts for m in lay.members}
    for node, member in named.items():
        if node == statistics.node:
            yield _me(statistics, member)
        else:
            yield _other(member, known.pop(node, None))
    if statistics.node not in named:
        yield _me(statistics, None)
    for other in known.values():
        # Who went away and is no member is nobody's business any more.
        if live is None or other.status not in (Status.DEAD, Status.LEFT):
            yield _outside(other)


def _me(statistics: ClusterStatistics, member: LayoutMember | None) -> MemberFacts:
    in_layout = member is not None and statistics.in_layout
    shown = replace(
        _by_layout(member, statistics.node, statistics.region),
        state="alive" if in_layout else "outside",
        connected=True,
        http=statistics.http,
        lag_events=0,
        clock_ahead_ms=0.0,
    )
    return _with_vitals(shown, statistics.vitals)


def _other(member: LayoutMember, known: MemberStatistics | None) -> MemberFacts:
    shown = _by_layout(member, member.node, member.region)
    if known is None:
        return shown
    shown = _with_known(shown, known)
    if not known.in_layout and shown.state != "dead":
        return replace(shown, state="outside")
    return shown


def _outside(known: MemberStatistics) -> MemberFacts:
    shown = _with_known(_by_layout(None, known.node, known.region), known)
    return shown if shown.state in ("left", "dead") else replace(shown, state="outside")


def _by_layout(member: LayoutMember | None, node: str, region: str) -> MemberFacts:
    """What the layout says; nobody has heard of it yet."""
    if member is None:
        return MemberFacts(node=node, region=region, state="unheard", connected=False)
    return MemberFacts(
        node=node,
        region=region,
        state="unheard",
        connected=False,
        zone=member.zone,
        weight=member.weight,
        roles=member.roles,
        availability=member.availability,
    )


def _with_known(shown: MemberFacts, known: MemberStatistics) -> MemberFacts:
    ahead_ms = known.clock_ahead_ms
    shown = replace(
        shown,
        state=_STATES[known.status],
        connected=known.connected,
        stopped=known.stopped,
        http=known.http,
        lag_events=known.lag_events,
        ahead_events=known.ahead_events,
        clock_ahead_ms=None if ahead_ms is None else round(ahead_ms, 1),
        settings_differing=known.settings_differing,
    )
    # What it said before it went away need not hold any more.
    return _with_vitals(shown, known.vitals if known.connected else None)


def _with_vitals(shown: MemberFacts, vitals: Vitals | None) -> MemberFacts:
    if vitals is None:
        return shown
    return replace(
        shown,
        version=vitals.version or None,
        trouble=vitals.trouble or None,
        uncovered=vitals.uncovered or None,
        disk_bytes=vitals.disk_bytes or None,
        disk_free_bytes=vitals.disk_free_bytes if vitals.disk_bytes else None,
        blobs=vitals.blobs,
        blob_bytes=vitals.blob_bytes,
    )
