"""
What a document has to be like, whatever was before it; and what it asks for and cannot have. Pure.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from cluster.errors import LayoutInvalid
from cluster.layout.document import FORMAT, Availability, Layout, LayoutMember, Role
from cluster.model import NODE_ID, NodeId, Region

MEMBERS_MAX: Final = 256
"""As many as a member table has (`ClusterConfig.members_max`)."""

VOTERS_MAX: Final = 5
"""More outlive more failures, and each decision waits for more answers over long links."""

WEIGHT_MAX: Final = 1_000_000
"""Weights may be gigabytes: up to a petabyte."""

COPIES_MAX: Final = 16
REMOVED_MAX: Final = 1_024
"""Disks that are remembered as removed. The oldest are forgotten; who brings one back after so
many others brings back what was deleted meanwhile."""


def check(layout: Layout) -> None:
    """
    Return if the document does not contradict itself.

    Raises:
        LayoutInvalid: it does; all that is wrong is named at once.
    """
    if found := list(_problems(layout)):
        raise LayoutInvalid(found)


def _problems(layout: Layout) -> Iterator[str]:
    if layout.format != FORMAT:
        yield f"format {layout.format} is not {FORMAT}"
    if layout.version < 1:
        yield f"versions begin at 1, not {layout.version}"
    if not 1 <= len(layout.members) <= MEMBERS_MAX:
        yield f"{len(layout.members)} members; 1 to {MEMBERS_MAX} are possible"
    for member in layout.members:
        yield from _member_problems(member, layout.version)
    yield from _order_problems("members", [m.node for m in layout.members])
    for store, count in Counter(m.store for m in layout.members).items():
        if count > 1:
            yield f"disk {store} is named {count} times"
    for member in layout.members:
        if member.store in layout.removed:
            yield f"{member.node} has disk {member.store}, which was removed"
    if len(layout.removed) > REMOVED_MAX:
        yield f"{len(layout.removed)} disks are remembered as removed; at most {REMOVED_MAX}"
    if len(set(layout.removed)) < len(layout.removed):
        yield "a disk is remembered twice as removed"
    yield from _rule_problems(layout)
    yield from _witness_problems(layout)
    yield from _settings_problems(layout)
    if (wrong := voters_unfit(layout)) is not None:
        yield wrong


def _member_problems(member: LayoutMember, version: int) -> Iterator[str]:
    names = {"name": member.node, "disk": member.store, "region": member.region}
    if member.zone:
        names["zone"] = member.zone
    for what, name in names.items():
        if NODE_ID.fullmatch(name) is None:
            yield f"{member.node!r}: {name!r} cannot be a {what}"
    if not 1 <= member.weight <= WEIGHT_MAX:
        yield f"{member.node}: weight {member.weight} is not between 1 and {WEIGHT_MAX}"
    if not member.roles:
        yield f"{member.node} has no role"
    if Role.STORE in member.roles and Role.PROXY in member.roles:
        yield f"{member.node} is proxy and store; a store serves clients, too"
    if not 1 <= member.since <= version:
        yield f"{member.node}: availability since version {member.since} of {version}"
    yield from _order_problems(f"roles of {member.node}", member.roles)


def _order_problems(what: str, names: Sequence[str]) -> Iterator[str]:
    for one, other in pairwise(names):
        if one == other:
            yield f"{what}: {one} is there twice"
        elif one > other:
            yield f"{what}: {other} comes after {one}"


def _rule_problems(layout: Layout) -> Iterator[str]:
    yield from _order_problems("rules", [rule.region for rule in layout.rules])
    for rule in layout.rules:
        if rule.region not in layout.regions:
            yield f"a rule for region {rule.region}, which has no store"
        if not 0 <= rule.copies <= COPIES_MAX:
            yield f"region {rule.region}: {rule.copies} copies; 0 to {COPIES_MAX} are possible"
        if not 1 <= rule.weight <= WEIGHT_MAX:
            yield f"region {rule.region}: weight {rule.weight} is not between 1 and {WEIGHT_MAX}"


def _witness_problems(layout: Layout) -> Iterator[str]:
    yield from _order_problems("witnesses", [w.region for w in layout.witnesses])
    named = {w.region: w.node for w in layout.witnesses}
    for region in layout.regions:
        possible = witness_candidates(layout, region)
        if possible and region not in named:
            yield f"region {region} has two stores and no witness"
        if region in named and named[region] not in possible:
            yield f"{named[region]} cannot be witness of region {region}"
    for region in named.keys() - set(layout.regions):
        yield f"a witness for region {region}, which has no store"


def _settings_problems(layout: Layout) -> Iterator[str]:
    settings = layout.settings
    if not 1 <= settings.copies <= COPIES_MAX:
        yield f"{settings.copies} copies; 1 to {COPIES_MAX} are possible"
    if not 1 <= settings.regions_min <= MEMBERS_MAX:
        yield f"copies in {settings.regions_min} regions; 1 to {MEMBERS_MAX} are possible"


def witness_candidates(layout: Layout, region: Region) -> tuple[NodeId, ...]:
    """
    Who can be the region's witness; nobody where it needs none.

    Two stores need one, as one of two is no majority. A witness has to have the whole index, as
    stores and voters do. It may be of the same region: one that votes only is the nearest.
    """
    stores = {m.node for m in layout.stores(region)}
    if len(stores) != 2:
        return ()
    able = (m for m in layout.members if m.is_store or m.is_voter)
    return tuple(m.node for m in able if m.node not in stores)


def voters_unfit(layout: Layout) -> str | None:
    """What is wrong with how many voters there are, if so."""
    count = len(layout.voters)
    if count > VOTERS_MAX:
        return f"{count} voters; at most {VOTERS_MAX}"
    if count == 0:
        return "nobody is a voter"
    # One of two voters is no majority, and neither would be one of a cluster of two: but with two,
    # what was decided is on both disks.
    if count % 2 == 0 and len(layout.indexes) != 2:
        return f"{count} voters: an even number outlives no more failures than one less"
    return None


def crowded(members: Iterable[LayoutMember], voters: Collection[NodeId]) -> Region | None:
    """
    The region with more voters than it had to have, if any: one region may be lost.

    What was possible goes by the members that are active, for others may be about to go away.
    """
    members = tuple(members)
    able = Counter(m.region for m in members if _able_to_vote(m) or m.node in voters)
    voting = Counter(m.region for m in members if m.node in voters)
    if not voting:
        return None
    # As if voters were handed out one by one, each to the region with the fewest.
    given: Counter[Region] = Counter()
    for _ in range(min(sum(voting.values()), sum(able.values()))):
        fewest = min((r for r in able if given[r] < able[r]), key=lambda r: (given[r], r))
        given[fewest] += 1
    most = max(given.values(), default=0)
    return next((region for region in sorted(voting) if voting[region] > most), None)


def _able_to_vote(member: LayoutMember) -> bool:
    return member.availability is Availability.ACTIVE and Role.PROXY not in member.roles


def choose_voters(members: Iterable[LayoutMember], most: int = VOTERS_MAX) -> tuple[NodeId, ...]:
    """
    A good choice of voters: an odd number of at most *most*, one after the other from the region
    that has the fewest of them. A cluster of two gets two.
    """
    members = tuple(members)
    left = sorted(
        (m for m in members if _able_to_vote(m)),
        key=lambda m: (not m.is_voter, m.node),
    )
    wanted = min(most, len(left))
    if wanted % 2 == 0 and sum(m.is_store or m.is_voter for m in members) != 2:
        wanted -= 1
    chosen: list[LayoutMember] = []
    while len(chosen) < wanted:
        counts = Counter(m.region for m in chosen)
        best = min(left, key=lambda m: (counts[m.region], left.index(m)))
        left.remove(best)
        chosen.append(best)
    return tuple(sorted(m.node for m in chosen))


class Unmet(NamedTuple):
    """Something that the layout asks for, and its members cannot give."""

    what: str
    wanted: int
    given: int

    def __str__(self) -> str:
        return f"{self.what}: {self.wanted} wanted, {self.given} possible"


def unmet(layout: Layout) -> tuple[Unmet, ...]:
    """
    What cannot be met by the stores that take copies.

    That is no contradiction: a cluster begins with one node, and one whose members were lost goes
    on. But no other change may bring it about (`changes.changed`).
    """
    settings = layout.settings
    takers = Counter(m.region for m in layout.members if m.takes_copies)
    kept = {region: layout.rule(region).copies for region in layout.regions}
    possible = {region: min(kept[region], takers[region]) for region in kept}
    asked = [
        Unmet("copies", settings.copies, sum(takers.values())),
        Unmet("copies by the rules of the regions", settings.copies, sum(possible.values())),
        Unmet("regions with copies", settings.regions_min, sum(n > 0 for n in possible.values())),
        *(
            Unmet(f"copies in region {rule.region}", rule.copies, takers[rule.region])
            for rule in layout.rules
        ),
    ]
    return tuple(each for each in asked if each.given < each.wanted)


def worse(before: Layout, after: Layout) -> tuple[Unmet, ...]:
    """What *after* cannot meet that *before* could, or could better."""
    missed = {each.what: each.wanted - each.given for each in unmet(before)}
    return tuple(e for e in unmet(after) if e.wanted - e.given > missed.get(e.what, 0))
