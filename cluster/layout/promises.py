"""What one version must not do to the one before it. Pure."""

from collections.abc import Collection

import msgspec

from cluster.errors import (
    CopiesUnmet,
    MemberKnown,
    MemberSilent,
    QuorumSilent,
    RegionFixed,
    VersionTaken,
    VotersUnfit,
)
from cluster.layout.changes import Circumstances
from cluster.layout.document import Layout
from cluster.layout.rules import REMOVED_MAX, crowded, worse
from cluster.model import NodeId


def follows(old: Layout, new: Layout) -> None:
    """
    Return if *new* may come next after *old*, whoever proposes it.

    Every node judges a decided slot by this, and all must judge alike: what is refused here changes
    with `FORMAT` only.

    Raises:
        VersionTaken: it is not the next version.
        RegionFixed, MemberKnown: a member would move, or a disk come back.
    """
    if new.version != old.version + 1:
        raise VersionTaken(old.version, new.version)
    disks = {m.store: m.node for m in old.members}
    for member in new.members:
        before = old.member(member.node)
        if before is not None and before.region != member.region:
            raise RegionFixed(member.node, before.region, member.region)
        if disks.get(member.store, member.node) != member.node:
            raise MemberKnown(member.node, f"{disks[member.store]} has disk {member.store}")
        if member.store in old.removed:
            raise MemberKnown(member.node, f"disk {member.store} was removed; it has to be empty")
    gone = set(disks) - {m.store for m in new.members}
    too_many = max(0, len(old.removed) + len(gone) - REMOVED_MAX)
    if forgotten := (gone | set(old.removed[too_many:])).difference(new.removed):
        disk = min(forgotten)
        node = disks.get(disk, NodeId("a member of before"))
        raise MemberKnown(node, f"disk {disk} goes without being remembered")


def insist(old: Layout, new: Layout, circumstances: Circumstances) -> None:
    """
    Return if *new* keeps what *old* promised. Only who proposes it can tell: others know other
    members as answering.

    Raises:
        CopiesUnmet: it has fewer members than copies.
        VotersUnfit: they could decide nothing, or most of them are in one region.
        QuorumSilent, MemberSilent: the change would begin and not end.
    """
    # To call a member lost, and to keep it, excuses nothing.
    lost = {disk.node for disk in old.disks - new.disks} & circumstances.lost
    if lacking := worse(_without(old, lost), new):
        raise CopiesUnmet([str(each) for each in lacking])
    voters = {voter.node for voter in new.voters}
    changes = set(new.voters) != set(old.voters)
    if changes and (region := crowded(new.members, voters)) is not None:
        why = f"more of them are in region {region} than have to be; others could vote"
        raise VotersUnfit(sorted(voters), why)
    answering = circumstances.answering
    if answering is None:
        return
    silent = voters - set(answering)
    if 2 * len(silent) >= len(voters):
        why = f"{', '.join(sorted(silent))} do not answer, and no majority would be left"
        raise VotersUnfit(sorted(voters), why)
    _insist_on_farewells(old, new, answering, lost)
    for region in sorted({*old.regions, *new.regions}):
        if old.quorum_set(region) == new.quorum_set(region):
            continue
        for layout in (old, new):
            quorum = {disk.node for disk in layout.quorum_set(region)} - lost
            unheard = quorum - set(answering)
            if quorum and 2 * len(unheard) >= len(quorum):
                raise QuorumSilent(region, layout.version, sorted(unheard))


def _insist_on_farewells(
    old: Layout, new: Layout, answering: Collection[NodeId], lost: Collection[NodeId]
) -> None:
    """Whoever leaves has to be asked for what it has, by as many as a write has copies."""
    leaving = [disk for disk in sorted(old.disks - new.disks) if disk.node not in lost]
    for disk in leaving:
        # Who answers by a name that goes on answers from the disk that comes.
        if disk.node not in answering or disk.node in new.nodes:
            raise MemberSilent(disk.node)
    staying = sorted(disk.node for disk in new.indexes)
    wanted = min(max(old.settings.copies, new.settings.copies), len(staying))
    silent = [node for node in staying if node not in answering]
    if leaving and len(staying) - len(silent) < wanted:
        raise CopiesUnmet([f"{', '.join(silent)} do not answer, and cannot take over its events"])


def _without(layout: Layout, lost: Collection[NodeId]) -> Layout:
    """The layout as if *lost* were not there: what it cannot meet is nobody's doing."""
    members = tuple(m for m in layout.members if m.node not in lost)
    return msgspec.structs.replace(layout, members=members)
