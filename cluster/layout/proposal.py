"""
The next version of a layout. Pure.

`changed` makes it or refuses, with an error that names who and why. Several changes can make one
version, for some are right only together: voters stay odd when two of them come.
"""

import math
from collections.abc import Collection, Mapping
from typing import assert_never

import msgspec

from cluster.errors import (
    CopiesUnmet,
    MemberKnown,
    MemberMissing,
    NotDrained,
    RegionFixed,
    VersionTaken,
    VotersUnfit,
    WitnessUnfit,
)
from cluster.layout import promises
from cluster.layout.changes import (
    UNASKED,
    Add,
    Change,
    Circumstances,
    Distance,
    DropRule,
    NameWitness,
    Remove,
    Replace,
    SetAvailability,
    SetRoles,
    SetRule,
    SetSettings,
    SetVoters,
    SetWeight,
    SetZone,
)
from cluster.layout.document import (
    FORMAT,
    DegradedWrites,
    Layout,
    LayoutMember,
    Role,
    Settings,
    Witness,
    by_name,
)
from cluster.layout.removal import Verdict
from cluster.layout.rules import (
    REMOVED_MAX,
    check,
    choose_voters,
    unmet,
    voters_unfit,
    witness_candidates,
)
from cluster.model import NodeId, Region


def genesis(
    members: Collection[LayoutMember],
    settings: Settings,
    distance: Distance = UNASKED.distance,
) -> Layout:
    """
    The first version. Where nobody is a voter, some are chosen; *distance* is as in
    `Circumstances`.

    Raises:
        LayoutInvalid: the members contradict each other.
        CopiesUnmet: no write would ever be possible.
    """
    if not any(member.is_voter for member in members):
        chosen = choose_voters(members)
        members = [_with_vote(m, m.node in chosen) for m in members]
    first = Layout(FORMAT, 1, by_name(members), settings=settings)
    first = _with_witnesses(first, (), {}, distance)
    check(first)
    missing = unmet(first)
    if missing and settings.degraded_writes is DegradedWrites.REFUSE:
        raise CopiesUnmet([str(each) for each in missing])
    return first


def changed(old: Layout, *changes: Change, circumstances: Circumstances = UNASKED) -> Layout:
    """
    The version after *old*.

    Raises:
        LayoutRefused: a change would break a promise; its kinds say which.
        LayoutInvalid: what comes of it contradicts itself.
    """
    draft = _Draft(old, circumstances)
    for change in changes:
        draft.apply(change)
    new = draft.finish()
    if (wrong := voters_unfit(new)) is not None:
        raise VotersUnfit([voter.node for voter in new.voters], wrong)
    check(new)
    promises.follows(old, new)
    promises.insist(old, new, circumstances)
    return new


class _Draft:
    """A version while it is being changed."""

    def __init__(self, old: Layout, circumstances: Circumstances) -> None:
        self._old = old
        self._circumstances = circumstances
        self._version = old.version + 1
        self._members = {m.node: m for m in old.members}
        self._rules = {rule.region: rule for rule in old.rules}
        self._witnesses: dict[Region, NodeId] = {}
        self._settings = old.settings
        self._removed = list(old.removed)

    def apply(self, change: Change) -> None:
        match change:
            case Add(member):
                self._add(member)
            case Remove(node, verdict):
                self._remove(node, verdict)
            case Replace(node, successor, verdict):
                before = self._member(node)
                if successor.node == node and successor.region != before.region:
                    raise RegionFixed(node, before.region, successor.region)
                self._remove(node, verdict)
                self._add(successor)
            case SetWeight(node, weight):
                self._set(msgspec.structs.replace(self._member(node), weight=weight))
            case SetZone(node, zone):
                self._set(msgspec.structs.replace(self._member(node), zone=zone))
            case SetRoles(node, roles, verdict):
                before = self._member(node)
                if before.is_store and Role.STORE not in roles:
                    self._insist_on_copies(node, verdict)
                self._set(msgspec.structs.replace(before, roles=tuple(sorted(roles))))
            case SetVoters(nodes):
                for node in nodes:
                    self._member(node)
                for member in list(self._members.values()):
                    self._set(_with_vote(member, member.node in nodes))
            case SetAvailability(node, availability):
                before = self._member(node)
                if before.availability is not availability:
                    self._set(
                        msgspec.structs.replace(
                            before, availability=availability, since=self._version
                        )
                    )
            case SetRule(rule):
                self._rules[rule.region] = rule
            case DropRule(region):
                self._rules.pop(region, None)
            case SetSettings(settings):
                self._settings = settings
            case NameWitness(region, node):
                self._member(node)
                self._witnesses[region] = node
            case _:
                assert_never(change)

    def finish(self) -> Layout:
        members = by_name(self._members.values())
        # With the last store of a region goes its rule.
        emptied = set(self._old.regions) - {m.region for m in members if m.is_store}
        new = Layout(
            FORMAT,
            self._version,
            members,
            tuple(rule for region, rule in sorted(self._rules.items()) if region not in emptied),
            (),
            self._settings,
            tuple(self._removed[-REMOVED_MAX:]),
        )
        return _with_witnesses(
            new, self._old.witnesses, self._witnesses, self._circumstances.distance
        )

    def _add(self, member: LayoutMember) -> None:
        if member.node in self._members:
            raise MemberKnown(member.node, "the name is taken")
        for other in self._members.values():
            if other.store == member.store:
                raise MemberKnown(member.node, f"{other.node} has disk {member.store}")
        if member.store in self._removed:
            raise MemberKnown(member.node, f"disk {member.store} was removed; it has to be empty")
        self._set(msgspec.structs.replace(member, since=self._version))

    def _remove(self, node: NodeId, verdict: Verdict | None) -> None:
        member = self._member(node)
        if member.is_store:
            self._insist_on_copies(node, verdict)
        del self._members[node]
        self._removed.append(member.store)

    def _insist_on_copies(self, node: NodeId, verdict: Verdict | None) -> None:
        if node in self._circumstances.lost:
            return
        if verdict is None or verdict.node != node:
            raise NotDrained(node, "nobody has looked at what it holds: drain it first")
        if verdict.version != self._old.version:
            raise VersionTaken(self._old.version, verdict.version + 1)
        verdict.insist()

    def _member(self, node: NodeId) -> LayoutMember:
        member = self._members.get(node)
        if member is None:
            raise MemberMissing(node)
        return member

    def _set(self, member: LayoutMember) -> None:
        self._members[member.node] = member


def _with_vote(member: LayoutMember, votes: bool) -> LayoutMember:
    roles = set(member.roles) - {Role.VOTER} | ({Role.VOTER} if votes else set())
    return msgspec.structs.replace(member, roles=tuple(sorted(roles)))


def _with_witnesses(
    layout: Layout,
    before: Collection[Witness],
    named: Mapping[Region, NodeId],
    distance: Distance,
) -> Layout:
    """
    Witnesses for the regions that need one: who is *named*, who it was, or who is nearest by what
    the proposer measured. In this order, for a witness that changes costs a change of the quorum.
    """
    for region, node in named.items():
        if node not in (candidates := witness_candidates(layout, region)):
            raise WitnessUnfit(region, node, candidates)
    kept = {w.region: w.node for w in before}
    found = []
    for region in layout.regions:
        candidates = witness_candidates(layout, region)
        if not candidates:
            continue
        said = named.get(region, kept.get(region))
        if said not in candidates:
            said = min(candidates, key=lambda n: (distance.get((region, n), math.inf), n))
        found.append(Witness(region, said))
    return msgspec.structs.replace(layout, witnesses=tuple(found))
