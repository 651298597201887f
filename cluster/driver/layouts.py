"""Changes of the layout: what an operator asks for, and how far it is."""

import asyncio
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Final

import msgspec

from cluster.control.coordinator import Decided, NoMajority, Outcome, Refused
from cluster.driver.control import ControlDriver
from cluster.driver.roll import disk_of
from cluster.driver.stages import Stages
from cluster.environment import Environment
from cluster.errors import (
    ChangeOpen,
    ClusterError,
    MemberMissing,
    MemberNotDead,
    MemberUnknown,
    NewcomerAbsent,
    NotDecided,
    PlanUnknown,
    VersionTaken,
)
from cluster.layout import chronicle, proposal
from cluster.layout.changes import (
    Change,
    Circumstances,
    Remove,
    Replace,
    SetAvailability,
    SetVoters,
)
from cluster.layout.document import Availability, Layout, LayoutMember
from cluster.layout.handover import Handover, View
from cluster.layout.plans import Plans, follows
from cluster.layout.removal import Removal, Verdict
from cluster.layout.rows import Row
from cluster.layout.rules import choose_voters
from cluster.layout.transition import Live
from cluster.messages import Stage
from cluster.model import WHO, Member, NodeId, Status
from cluster.tasks.changes import Topic

_DECIDE_S: Final = 5.0
"""How long one proposal may take: some round trips, and a pause for each other proposer."""

_CHANGE_S: Final = 30.0
"""How long a change may take from the word to its end, but for what it has to copy."""

_LEVEL_S: Final = 3.0
"""How long members may take to have the slot before: a greeting or two over a long link."""

_AGAIN_S: Final = 0.2
_LOOK_S: Final = 1.0

Rows = Callable[[NodeId], AsyncGenerator[Row, None]]
"""The blobs that some repository has, as far as a node holds them."""


class Layouts:
    """
    Proposes layouts, and follows the change that goes on. Keeps what was planned here: that and
    nothing else is applied.
    """

    def __init__(self, env: Environment, control: ControlDriver, stages: Stages) -> None:
        self._env = env
        self._control = control
        self._stages = stages
        self._handover: Handover | None = None
        self._plans = Plans()

    @property
    def live(self) -> Live:
        """
        Raises:
            NotDecided: there is no layout yet, or this version of Atoll cannot read it.
        """
        if self._env.chronicle.live is None:
            raise NotDecided(str(self._env.chronicle.unreadable or "there is no layout yet"))
        return self._env.chronicle.live

    @property
    def entries(self) -> Sequence[chronicle.Entry]:
        """The slots that changed the layout, the first one first."""
        return self._env.chronicle.entries

    def view(self) -> View | None:
        """How far the change is that goes on; None while none does."""
        self.follow()
        return None if self._handover is None else self._handover.view(self._env.clock.now_s())

    def follow(self) -> None:
        """Keep up with the change that goes on, if one does."""
        live, now = self._env.chronicle.live, self._env.clock.now_s()
        if live is None or not live.stage.joint:
            self._handover = None
            return
        if self._handover is None or self._handover.stage != live.stage:
            config = self._env.config
            # Who grants to readers of another region lets them lag further behind.
            far = any(layout.witnesses for layout in live.layouts)
            laggard_s = max(config.laggard_s, config.laggard_remote_s if far else 0.0)
            self._handover = Handover(live, config.lease_s, laggard_s, now)
        elif self._handover.lost != live.lost:
            self._handover.forsake(live, now)
        for report in self._stages.reports():
            self._handover.note(report, now)

    def heard(self) -> Mapping[NodeId, int]:
        """The newest version that each member has said it goes by."""
        return {report.disk.node: report.stage.newest for report in self._stages.reports()}

    def circumstances(self, lost: Collection[NodeId] = ()) -> Circumstances:
        """
        What this node knows beside the layout. How far somebody is from another region it has not
        measured: for the witness of its own region it does, and elsewhere names decide.
        """
        me, connected = self._env.me, self._env.members.connected()
        there = (me.node, *(member.node for member in connected))
        level = {node for node in there if self._control.seat_of(node) is not None}
        measured = ((m, self._env.distances.to(m.node)) for m in connected)
        return Circumstances(
            answering=level,
            lost=frozenset(lost),
            distance={(me.region, m.node): far for m, far in measured if far is not None},
        )

    def newcomer(
        self, node: NodeId, *, zone: str | None = None, weight: int | None = None
    ) -> LayoutMember:
        """
        How *node*, which has come and is no member with its disk, would be one: as it says itself,
        but for what is given.

        Raises:
            NewcomerAbsent: it is not there, or has not taken over the index yet.
        """
        found = next((m for m in self._env.members.connected() if m.node == node), None)
        if found is None:
            raise NewcomerAbsent(
                node, "it is not connected; start it with the address of a member to join first"
            )
        if not self._stages.has_joined(found):
            raise NewcomerAbsent(node, "it has no whole index yet; wait until it has")
        member = wanted(found)
        return msgspec.structs.replace(
            member,
            zone=member.zone if zone is None else zone,
            weight=member.weight if weight is None else weight,
        )

    def insist_lost(self, node: NodeId) -> None:
        """
        Return if *node* can be said to be lost: it is in the layout, and what bears its name, if
        anything, is dead or has another disk.

        Raises:
            MemberUnknown, MemberNotDead: it cannot.
        """
        disks = {disk.node: disk for disk in self.live.members}
        if node not in disks:
            raise MemberUnknown(node)
        me, members = self._env.me, self._env.members
        member = me if node == me.node else members.get(node)
        if member is None or disk_of(member) != disks[node]:
            return
        status = Status.ALIVE if member is me else members.status(node)
        if status in (Status.ALIVE, Status.SUSPECT):
            raise MemberNotDead(node, status.value)

    @property
    def plans(self) -> Sequence[Live]:
        """What was planned here and can still be applied, the latest last."""
        return self._plans.following(self.live)

    # What operators ask for.

    async def plan(self, *changes: Change, lost: Collection[NodeId] = ()) -> Layout:
        """
        The version that would come of *changes*; nothing has changed. *lost* are members that are
        switched off for good, by an operator's word.

        Raises:
            LayoutRefused, LayoutInvalid: it cannot be.
            NotDecided: there is no layout yet, or it cannot be changed, as too few voters answer.
        """
        live = self.live
        self._insist_on_majority()
        if live.stage.joint:
            raise ChangeOpen(live.newest.version)
        await self._level(self._env.clock.now_s() + _LEVEL_S, changes)
        return self._plans.keep(self._drafted(live, changes, lost))

    async def apply(self, version: int, planned: str) -> None:
        """
        Bring about what was planned here as *version*, with the fingerprint *planned*; returns once
        it is live alone.

        Raises:
            PlanUnknown: nobody planned that here.
            VersionTaken: another version has come meanwhile.
            ChangeOpen, NotDecided: see `change`.
        """
        after, live = self._plans.named(version, planned), self.live
        if after is None:
            raise PlanUnknown(version, planned)
        if live.stage.joint:
            raise ChangeOpen(live.newest.version)
        if not follows(live, after):
            raise VersionTaken(live.newest.version, version)
        until = self._env.clock.now_s() + _CHANGE_S
        if not await self._decide(after, until):
            raise VersionTaken(self.live.newest.version, version)
        await self._ended(version, until)

    async def change(self, *changes: Change, lost: Collection[NodeId] = ()) -> int:
        """
        Change the layout; returns the version in which that is so, once it is live alone.

        Raises:
            LayoutRefused, LayoutInvalid: it cannot be, and nothing has changed.
            ChangeOpen: another change, or this one, does not end in time; it goes on.
            NotDecided: too few voters answer. `str()` says whether it may come to be all the same.
        """
        until = self._env.clock.now_s() + _CHANGE_S
        while True:
            self._insist_on_majority()
            live = await self._alone(until)
            await self._level(until, changes)
            after = self._drafted(live, changes, lost)
            if await self._decide(after, until):
                await self._ended(after.newest.version, until)
                return after.newest.version

    async def forsake(self, nodes: Collection[NodeId]) -> None:
        """
        Go on with the change that is open without *nodes*, which are switched off for good.

        Raises:
            MemberMissing, VersionTaken: one of them is no member, or no change is open.
            NotDecided: too few voters answer.
        """
        live = self.live
        stores = {disk.node: disk.store for disk in live.members}
        for node in nodes:
            if node not in stores:
                raise MemberMissing(node)
        if not live.stage.joint:
            raise VersionTaken(live.newest.version, live.newest.version)
        lost = live.lost | {stores[node] for node in nodes}
        until = self._env.clock.now_s() + _CHANGE_S
        await self._decide(Live(live.newest, live.oldest, lost), until)

    async def verdict(self, node: NodeId, rows: Rows) -> Verdict:
        """
        Whether *node* may go, by *rows*.

        Raises:
            MemberMissing: it is no member.
            NotCaughtUp, StorageFailure: that cannot be told.
        """
        there = [self._env.me.node, *(m.node for m in self._env.roll.connected())]
        removal = Removal(self.live.newest, node, there)
        async with aclosing(rows(node)) as found:
            async for row in found:
                removal.add(row)
        return removal.verdict(self.heard())

    async def drain(self, node: NodeId, rows: Rows, *, patience_s: float) -> Verdict:
        """
        Have others get the copies of *node*: it gets no more, and those that it has do not count.
        Returns the verdict by which it may be removed.

        Given up once nothing has come of it for *patience_s*; then it is as it was.

        Raises:
            CopiesAtStake, NotDrained: it was given up.
            MemberMissing, LayoutRefused, NotDecided: see `change`.
            NotCaughtUp, StorageFailure: what it has cannot be told.
        """
        async with self._draining(node):
            return await self._drained(node, rows, patience_s)

    async def remove(self, node: NodeId, rows: Rows, *, patience_s: float) -> None:
        """Take *node* out, once it has drained; raises what `drain` does."""
        async with self._draining(node):
            await self._take_out(node, partial(self._drained, node, rows, patience_s))

    @asynccontextmanager
    async def _draining(self, node: NodeId) -> AsyncGenerator[None, None]:
        """Let *node* drain; where the block fails, it is as it was before."""
        member = self.live.newest.member(node)
        if member is None:
            raise MemberMissing(node)
        before = member.availability
        if before is not Availability.DRAINING:
            await self.change(SetAvailability(node, Availability.DRAINING))
        try:
            yield
        except BaseException:
            if before is not Availability.DRAINING:
                await self._take_back(SetAvailability(node, before))
            raise

    async def _take_back(self, change: SetAvailability) -> None:
        """Make that change; where it fails, what led to it is told to the caller all the same."""
        try:
            await self.change(change)
        except MemberMissing:
            return  # It is out of the layout all the same.
        except ClusterError as exc:
            self._env.log.warning("member left draining", peer=change.node, reason=str(exc))

    async def dismiss(self, node: NodeId, rows: Rows) -> None:
        """
        Take *node* out, which has drained.

        Raises:
            CopiesAtStake, NotDrained: it has not.
            MemberMissing, LayoutRefused, NotDecided: see `change`.
            NotCaughtUp, StorageFailure: what it has cannot be told.
        """
        await self._take_out(node, partial(self._drained, node, rows, 0.0))

    async def _take_out(self, node: NodeId, count: Callable[[], Awaitable[Verdict]]) -> None:
        """Remove *node* by the verdict that *count* gives."""
        while True:
            verdict = await count()
            try:
                await self.change(Remove(node, verdict))
                return
            except VersionTaken:
                continue  # Another change came first: what was counted holds no more.

    async def _drained(self, node: NodeId, rows: Rows, patience_s: float) -> Verdict:
        """The verdict by which *node* may go."""
        now, least = self._env.clock.now_s, None
        until = now() + patience_s
        while not (verdict := await self.verdict(node, rows)).safe:
            left = (len(verdict.unheard), verdict.last + verdict.short)
            if least is None or left < least:
                least, until = left, now() + patience_s
            if now() >= until:
                verdict.insist()
            await asyncio.sleep(_LOOK_S)
        return verdict

    # Proposals.

    def _drafted(self, live: Live, changes: Sequence[Change], lost: Collection[NodeId]) -> Live:
        """What would be live, with other voters where some of them go."""
        circumstances = self.circumstances(lost)
        stores = {m.store for m in live.newest.members if m.node in lost}
        going = {change.node for change in changes if isinstance(change, Remove | Replace)}
        voting = {voter.node for voter in live.newest.voters}
        if going & voting and not any(isinstance(change, SetVoters) for change in changes):
            level = circumstances.answering or ()
            staying = [m for m in live.newest.members if m.node not in going]
            # Who votes may be away; who is away becomes no voter.
            able = [m for m in staying if m.node in level or m.node in voting]
            able += [m for m in _coming(changes) if m.node in level]
            changes = (*changes, SetVoters(frozenset(choose_voters(able))))
        new = proposal.changed(live.newest, *changes, circumstances=circumstances)
        return Live(new, live.newest, live.lost | stores)

    def voters(self) -> tuple[Sequence[NodeId], Sequence[NodeId]]:
        """Who decides the next slot, and who of those is not connected."""
        voters = [NodeId(voter.node) for voter in self._env.chronicle.state.voters]
        there = {self._env.me.node, *(m.node for m in self._env.members.connected())}
        return voters, [node for node in voters if node not in there]

    def _insist_on_majority(self) -> None:
        """
        Return if a decision can be had: else what makes a change impossible is not the change.

        Raises:
            NotDecided: most voters do not answer; it names them.
        """
        voters, silent = self.voters()
        if 2 * len(silent) >= len(voters):
            raise NotDecided("too few voters answer", silent)

    async def _alone(self, until: float) -> Live:
        """
        What is live once no change goes on.

        Raises:
            ChangeOpen: one still does at *until*.
        """
        await self._env.changes.wait_until(
            lambda: not self.live.stage.joint,
            Topic.LAYOUT,
            at_most_s=until - self._env.clock.now_s(),
        )
        live = self.live
        if live.stage.joint:
            raise ChangeOpen(live.newest.version)
        return live

    async def _level(self, until: float, changes: Iterable[Change]) -> None:
        """
        Return once who is connected, or comes, has what was decided so far; or soon, without some.
        """
        until = min(until, self._env.clock.now_s() + _LEVEL_S)
        coming = {member.node for member in _coming(changes)} - {self._env.me.node}
        while self._env.clock.now_s() < until:
            there = coming | {m.node for m in self._env.roll.connected()}
            if not there.difference(self.circumstances().answering or ()):
                return
            await asyncio.sleep(_AGAIN_S)

    async def _ended(self, version: int, until: float) -> None:
        """Return once *version*, or one behind it, is live alone; raises `ChangeOpen` if late."""
        await self._env.changes.wait_until(
            lambda: self._stages.mine >= Stage(version, version),
            Topic.LAYOUT,
            at_most_s=until - self._env.clock.now_s(),
        )
        if self._stages.mine < Stage(version, version):
            raise ChangeOpen(version)

    async def _decide(self, after: Live, until: float) -> bool:
        """
        Propose *after* until it is what is live, or cannot be any more; returns whether it is.

        Raises:
            NotDecided: neither until *until*.
        """
        slot = self._env.chronicle.state.next
        while True:
            outcome = await self.propose(after)
            if self._env.chronicle.state.slot >= slot:
                # Somebody's proposal took the slot: this one, or another.
                taken = (entry.live for entry in self.entries if entry.slot == slot)
                return any(live.encode() == after.encode() for live in taken)
            if self._env.clock.now_s() >= until:
                match outcome:
                    case NoMajority(missing):
                        raise NotDecided("too few voters answer", missing)
                    case Refused(reason):
                        raise NotDecided(reason)
                    case _:
                        raise NotDecided("it was proposed, and may be decided still")
            await asyncio.sleep(_AGAIN_S)

    async def propose(self, after: Live) -> Outcome:
        """Ask once for *after* to be what is live next."""
        state, seats = self._env.chronicle.state, []
        for voter in after.voters:
            seat = state.seat_of(*voter) or self._control.seat_of(voter.node)
            if seat is None or seat.store != voter.store:
                # One that has all slots so far will say so within a second.
                return NoMajority((voter.node,))
            seats.append(seat)
        who = self._env.who() if self._env.roll.uses(WHO) else ""
        outcome = await self._control.propose(
            state.next, chronicle.commands(state, after, seats, who), timeout=_DECIDE_S
        )
        told = {"slot": state.next, "version": after.newest.version, "joint": after.stage.joint}
        if isinstance(outcome, Decided):
            self._env.log.info("layout decided", **told)
        else:
            self._env.log.debug("layout not decided", **told, outcome=type(outcome).__name__)
        return outcome


def _coming(changes: Iterable[Change]) -> Iterator[LayoutMember]:
    """The members that take the place of others, who may have voted."""
    return (change.successor for change in changes if isinstance(change, Replace))


def wanted(member: Member) -> LayoutMember:
    """The store that *member* would be by the layout, from what it says of itself."""
    return LayoutMember(member.node, member.store, member.region, member.zone, member.weight)
