"""What is decided without an operator: how the layout begins and grows, how a change ends."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final, TypeGuard

import msgspec

from cluster.driver.control import ControlDriver
from cluster.driver.layouts import Layouts, wanted
from cluster.driver.roll import disk_of
from cluster.driver.stages import Stages
from cluster.environment import Environment
from cluster.errors import LayoutError, StartsEmpty
from cluster.layout import proposal
from cluster.layout.changes import Add, Change, Replace, SetVoters
from cluster.layout.document import DegradedWrites, LayoutMember, Role, Settings
from cluster.layout.handover import Phase
from cluster.layout.rules import choose_voters
from cluster.layout.transition import Belonging, End, Live
from cluster.model import Disk, Member, NodeId
from cluster.state import State
from cluster.tasks.changes import Topic

_LOOK_S: Final = 0.25
_TURN_S: Final = 2.0
"""After which the next voter acts, if the one before it could not: its disk may take no writes."""


class Steward:
    """
    Proposes what follows from the layout and from who is there. Each voter has one; those that are
    connected take turns, the first one first. Should two act, one of them finds its slot taken.
    """

    def __init__(
        self, env: Environment, control: ControlDriver, stages: Stages, layouts: Layouts
    ) -> None:
        self._env = env
        self._control = control
        self._stages = stages
        self._layouts = layouts
        self._refused = ""
        self._due = (-1, 0.0)
        """The last slot before that which is to be proposed, and since when it is."""

    async def run(self) -> None:
        while True:
            await self._env.changes.wait_at_most(_LOOK_S, Topic.LAYOUT)
            self._layouts.follow()
            self._insist_on_belonging()
            before = self._voters_before()
            if before is None:
                continue
            try:
                after = self._next()
            except LayoutError as exc:
                self._note_refusal(str(exc))
                continue
            if self._is_turn(after, before):
                self._refused = ""
                await self._layouts.propose(after)
                await asyncio.sleep(_LOOK_S)

    def _insist_on_belonging(self) -> None:
        """
        Return unless this node's disk was removed, or declared lost. One that leaves knows.

        Raises:
            StartsEmpty: it was.
        """
        env = self._env
        gone = env.chronicle.belonging(disk_of(env.me)) is Belonging.GONE
        if gone and State.LEAVING not in env.state:
            raise StartsEmpty("it was removed from the layout")

    def _voters_before(self) -> int | None:
        """How many of the voters that are connected come before this one; None: it is none."""
        me, voters = self._env.me, self._env.chronicle.state.voters
        if disk_of(me) not in {Disk(NodeId(v.node), v.store) for v in voters}:
            return None
        there = {m.node for m in self._env.members.connected()}
        return sum(v.node in there and v.node < me.node for v in voters)

    def _is_turn(self, after: Live | None, before: int) -> TypeGuard[Live]:
        """Whether *after* is to be proposed, and those *before* this node have had their turns."""
        slot, now = self._env.chronicle.state.slot, self._env.clock.now_s()
        if after is None or self._due[0] != slot:
            self._due = (slot, now)
        return after is not None and now >= self._due[1] + before * _TURN_S

    def _next(self) -> Live | None:
        """What should be live next; None while all is as it should be."""
        live = self._env.chronicle.live
        if live is None:
            return None if self._env.chronicle.unreadable else self._first()
        if live.stage.joint:
            view = self._layouts.view()
            ready = view is not None and view.phase is Phase.READY
            return live.after(End(live.newest.version)) if ready else None
        return self._grown(live)

    def _first(self) -> Live | None:
        """The first version: all that were to begin the cluster, once they are connected."""
        env, state = self._env, self._env.chronicle.state
        named = set(env.config.initial) or {env.me.node}
        if [voter.node for voter in state.voters] == [env.me.node]:
            named = {env.me.node}  # An operator had it begin alone, whoever else was to begin.
        there = {m.node: m for m in (env.me, *env.members.connected())}
        if not named <= there.keys():
            return None
        voters = {voter.node for voter in state.voters}
        members = [_wanted(there[NodeId(node)], node in voters) for node in sorted(named)]
        refuse = env.config.refuse_degraded
        degraded = DegradedWrites.REFUSE if refuse else DegradedWrites.ALLOW
        settings = Settings(copies=env.config.copies, degraded_writes=degraded)
        distance = self._layouts.circumstances().distance
        return Live(proposal.genesis(members, settings, distance))

    def _grown(self, live: Live) -> Live | None:
        """The layout with one that has come, or with as many voters as it can have."""
        for member in self._newcomers(live):
            try:
                return self._with(live, member)
            except LayoutError as exc:
                self._note_refusal(f"{member.node} is not added: {exc}")
        if len(choose_voters(live.newest.members)) > len(live.newest.voters):
            return self._voted(live, ())
        return None

    def _with(self, live: Live, member: Member) -> Live | None:
        """The layout with *member*, in the place of an earlier disk of it if need be."""
        known, wanted = live.newest.member(member.node), _wanted(member, votes=False)
        if known is None:
            return self._voted(live, [Add(wanted)])
        # The node itself says that its disk is another one.
        return self._voted(live, [Replace(member.node, wanted)], lost=known)

    def _voted(
        self, live: Live, changes: Sequence[Change], lost: LayoutMember | None = None
    ) -> Live | None:
        """
        The layout after *changes*, with voters; None while a new one lacks something that was
        decided. Who votes may be away; who is away becomes no voter.
        """
        voting = set(live.newest.voters)
        there = {self._env.me.node, *(m.node for m in self._env.members.connected())}
        able = [m for m in _drafted(live, changes) if m.disk in voting or m.node in there]
        voters = frozenset(choose_voters(able))
        new = [m.node for m in able if m.node in voters and m.disk not in voting]
        if any(self._control.seat_of(node) is None for node in new):
            return None
        if not changes and not new:
            return None
        if voters != {voter.node for voter in live.newest.voters} or (lost and lost.is_voter):
            changes = (*changes, SetVoters(voters))
        gone = [] if lost is None else [lost.node]
        circumstances = self._layouts.circumstances(gone)
        after = proposal.changed(live.newest, *changes, circumstances=circumstances)
        return Live(after, live.newest, live.lost | ({lost.store} if lost else set()))

    def _newcomers(self, live: Live) -> Iterator[Member]:
        if not self._env.config.open_joining:
            return
        for member in self._env.members.connected():
            stranger = live.belonging(disk_of(member)) is Belonging.STRANGER
            if stranger and self._stages.has_joined(member):
                yield member

    def _note_refusal(self, reason: str) -> None:
        if reason != self._refused:
            self._refused = reason
            self._env.log.warning("layout not changed", reason=reason)


def _wanted(member: Member, votes: bool) -> LayoutMember:
    roles = (Role.STORE, Role.VOTER) if votes else (Role.STORE,)
    return msgspec.structs.replace(wanted(member), roles=roles)


def _drafted(live: Live, changes: Sequence[Change]) -> Sequence[LayoutMember]:
    """The members that there would be."""
    members = {m.node: m for m in live.newest.members}
    for change in changes:
        match change:
            case Add(member) | Replace(_, member):
                members[member.node] = member
            case _:
                raise AssertionError("only members that come are drafted")
    return tuple(members.values())
