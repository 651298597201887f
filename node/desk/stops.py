"""
Which nodes may be stopped for a while, so that nobody notices. Pure.

A node that stops takes along its word in the quorum of its region (and of one whose witness it is),
its place among those that new copies go to, its vote, and for a while the blobs that nobody else
has. Whoever is to be stopped for good is another question (`cluster.layout.removal`).
"""

from collections.abc import Iterator, Set

from cluster.layout import DegradedWrites, Layout, Live
from node.attention.facts import Facts
from node.desk.conditions import serves
from node.desk.values import StopHindrance, StopVerdict


def stop_verdict(node: str, live: Live | None, facts: Facts) -> StopVerdict:
    """Whether *node*, a member by the layout, may be stopped now."""
    there = {member.node for member in facts.members if serves(member)}
    found = [] if live is None else list(_hindrances(node, live, facts, there))
    if live is None:
        why = facts.no_layout or "there is no layout"
        found.append(StopHindrance("unknown", f"it cannot be told: {why}"))
    return StopVerdict(node, not found, node in there, found, facts.counted)


def may_stop(live: Live | None, facts: Facts) -> tuple[str, ...]:
    """The members that serve, and of which any one may be stopped now; by name."""
    members = [m.node for m in facts.members if m.availability is not None]
    verdicts = (stop_verdict(node, live, facts) for node in members)
    return tuple(each.node for each in verdicts if each.there and each.safe)


def _hindrances(node: str, live: Live, facts: Facts, there: Set[str]) -> Iterator[StopHindrance]:
    left = there - {node}
    # While a change goes on, both versions have to be answered for; what they say alike counts
    # once.
    quorums = dict.fromkeys(h for layout in live.layouts for h in _quorums(node, layout, left))
    yield from quorums
    yield from _copies(node, live.newest, left)
    yield from _blobs(node, facts)
    yield from _voters(node, facts, left)
    if live.stage.joint:
        text = (
            f"the change to version {live.newest.version} of the layout goes on: wait for its end"
        )
        yield StopHindrance("change", text)


def _quorums(node: str, layout: Layout, left: Set[str]) -> Iterator[StopHindrance]:
    for region in layout.regions:
        quorum = {disk.node for disk in layout.quorum_set(region)}
        if node not in quorum:
            continue
        staying, needed = sorted(quorum & left), len(quorum) // 2 + 1
        if len(staying) >= needed:
            continue
        stores = {store.node for store in layout.stores(region)}
        if not stores & left:
            text = (
                f"no store of region {region} would be left: its clients would have to go elsewhere"
            )
        else:
            text = (
                f"{len(staying)} of {len(quorum)} would be left of those that confirm what region "
                f"{region} reads and writes ({', '.join(staying) or 'nobody'}), and {needed} are "
                "needed"
            )
        yield StopHindrance("quorum", text)


def _copies(node: str, layout: Layout, left: Set[str]) -> Iterator[StopHindrance]:
    keepers = {store.node for store in layout.stores() if store.keeps_copies}
    if node not in keepers:
        return
    copies, staying = layout.settings.copies, keepers & left
    if len(staying) >= copies:
        return
    told = f"{len(staying)} stores would be left for {copies} copies of what is pushed"
    small = len(layout.stores()) <= copies
    if small and layout.settings.degraded_writes is DegradedWrites.ALLOW and staying:
        yield StopHindrance("copies", f"{told}: pushes would be acknowledged on fewer")
    else:
        yield StopHindrance("copies", f"{told}: pushes would be refused")


def _blobs(node: str, facts: Facts) -> Iterator[StopHindrance]:
    if facts.copies is None:
        why = facts.uncounted.get("copies of blobs", "the copies of blobs are not counted yet")
        yield StopHindrance("unknown", f"who has which blob cannot be told: {why}")
        return
    copies = facts.copies.places.nodes.get(node)
    if copies is not None and copies.sole.blobs:
        blobs, size = copies.sole
        text = f"nobody else who is there has {blobs} of its blobs ({size} bytes)"
        yield StopHindrance("blobs", text)


def _voters(node: str, facts: Facts, left: Set[str]) -> Iterator[StopHindrance]:
    voters, silent = facts.voters
    if node not in voters:
        return
    deciding = [v for v in voters if v in left and v not in silent]
    needed = len(voters) // 2 + 1
    if len(deciding) >= needed:
        return
    cutoff = facts.access.cutoff_s
    then = f", and after {cutoff:.0f} s nobody could log in" if cutoff else ""
    text = (
        f"{len(deciding)} of {len(voters)} voters would be left, and {needed} are needed to change "
        f"the layout{then}"
    )
    yield StopHindrance("voters", text)
