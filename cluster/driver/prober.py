"""Does for the failure detector what is not pure: timers, calls, and what follows from a change."""

import asyncio
import math
from collections.abc import Coroutine, Hashable, Sequence
from contextlib import suppress
from contextvars import Context
from typing import Any, Final, assert_never

from cluster.driver.links import Links
from cluster.driver.roster import Roster
from cluster.driver.saved_members import SavedMembers
from cluster.driver.watcher import Watcher
from cluster.environment import Environment
from cluster.errors import ClusterError
from cluster.membership import precedence, signals
from cluster.membership.detector import Detector
from cluster.messages import ProbeReply, ProbeRequest
from cluster.model import Member, NodeId, Rumour, Status
from cluster.peer import Transport
from cluster.tasks.groups import task_group

_FAREWELLS_MAX: Final = 3
"""How often a member is told that this node goes for good, as long as it does not answer."""

_FAREWELL_PAUSE_S: Final = 1.0
"""Between two times: who refuses at once, being about to open its port again, say, may take it."""

_PAUSE_LIMIT_S: Final = 1.0
"""How long a node that stops waits for its members to take note."""


class Prober(Watcher):
    """
    Carries out what `membership.detector` decides. Is told of members by the roster and the links.

    Calls run side by side. For each member there are at most a probe with its helpers, a message of
    news and an exchange of tables at a time.
    """

    def __init__(
        self,
        env: Environment,
        roster: Roster,
        links: Links,
        transport: Transport,
        saved_members: SavedMembers,
    ) -> None:
        self._env = env
        self._roster = roster
        self._links = links
        self._transport = transport
        self._saved_members = saved_members
        self._detector = Detector(env.members, env.config, env.rng, env.counters, env.absences)
        self._busy: set[Hashable] = set()
        self._contested: set[int] = set()
        self._earlier = asyncio.Event()
        self._asleep_until = math.inf
        self._group: asyncio.TaskGroup | None = None
        roster.watch(self)

    @property
    def health(self) -> int:
        return self._detector.health

    async def run(self) -> None:
        async with task_group() as group:
            self._group = group
            try:
                while True:
                    self._feed(signals.Tick())
                    await self._sleep()
            finally:
                # Here and not behind the group: links that go down now tell of it, and a group
                # whose tasks have ended takes no new one.
                self._group = None

    async def _sleep(self) -> None:
        self._earlier.clear()
        self._asleep_until = self._detector.wake_at
        pause_s = max(0.0, self._asleep_until - self._env.clock.now_s())
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._earlier.wait()

    def met(self, member: Member) -> None:
        self._feed(signals.Met(member))

    def told(self, members: Sequence[Member]) -> None:
        others = (member for member in members if member.node != self._env.me.node)
        self._feed(signals.News(tuple(map(precedence.first_word, others))))

    def link_up(self, node: NodeId) -> None:
        self._feed(signals.LinkUp(node))

    def doubted(self, node: NodeId) -> None:
        self._feed(signals.Doubted(node))

    async def on_probe(self, request: ProbeRequest) -> ProbeReply:
        """See `PresenceCalls.probe`. The sender may be a stranger: an address may change hands."""
        self._roster.check_cluster(request.cluster)
        if request.ending:
            self._roster.note_ending(request.sender, request.ending)
        self._feed(signals.News(request.rumours))
        reached = True
        if request.target is not None and request.target != self._env.me.node:
            reached = await self._try(request.target)
        told = self._detector.answer(request.sender, request.rumours, whole=request.whole)
        return ProbeReply(self._env.me.node, reached, tuple(told))

    async def leave(self) -> Sequence[NodeId]:
        """
        Say to every member that is there that this node goes for good; returns who has noted it.

        Also to those whose link is down: it may be lost and dialed again in any moment, and an
        operator waits for their word. Who does not answer is told again; the others hear of it
        from those that did, and if none did they will find this node dead.
        """
        self._feed(signals.Leave())
        members, own = self._env.members.living(), (self._detector.own,)
        limit_s, silent = self._env.config.leave_timeout_s, list(members)
        for number in range(_FAREWELLS_MAX):
            if number:
                await asyncio.sleep(_FAREWELL_PAUSE_S)
            async with task_group() as group:
                calls = {m: group.create_task(self._call(m, limit_s, own)) for m in silent}
            silent = [member for member, call in calls.items() if not call.result()]
            if not silent:
                break
        noted = [member.node for member in members if member not in silent]
        self._env.log.info("left", noted=len(noted), told=len(members))
        return noted

    async def pause(self) -> None:
        """
        Say to every connected member that this run ends, and that the node means to be back soon.

        Who does not hear of it finds out as of any failure.
        """
        epoch = self._env.me.epoch
        async with task_group() as group:
            for member in self._env.members.connected():
                _ = group.create_task(self._call(member, _PAUSE_LIMIT_S, (), ending=epoch))

    def remove(self, node: NodeId) -> None:
        self._feed(signals.Removed(node))

    def _feed(self, signal: signals.Signal) -> None:
        for effect in self._detector.on_signal(signal, self._env.clock.now_s()):
            self._carry_out(effect)
        if self._detector.wake_at < self._asleep_until:
            self._earlier.set()

    def _carry_out(self, effect: signals.Effect) -> None:
        match effect:
            case signals.Probe():
                self._start(self._probe(effect))
            case signals.ProbeVia():
                self._start(self._probe_via(effect))
            case signals.Tell(to, rumours):
                self._start(self._call(to, self._limit_s(to), rumours), "news", to.node)
            case signals.Exchange(peer):
                table = tuple(self._detector.table())
                call = self._call(peer, self._limit_s(peer), table, whole=True)
                self._start(call, "table", peer.node)
            case signals.Changed(before, after):
                self._note_change(before, after)
            case signals.Forgotten(node):
                self._env.log.info("member forgotten", peer=node)
                self._saved_members.note_change()
            case signals.Contested(other):
                self._note_contest(other)
            case _:
                assert_never(effect)

    def _note_change(self, before: Rumour | None, after: Rumour) -> None:
        member, standing = after.member, after.standing
        was = None if before is None else before.standing.status
        if was is not standing.status:
            fields: dict[str, object] = {
                "peer": member.node,
                "peer_region": member.region,
                "incarnation": standing.incarnation,
                "accusers": list(standing.accusers),
            }
            match standing.status:
                case Status.SUSPECT:
                    self._env.log.warning("member suspect", **fields)
                case Status.DEAD:
                    self._env.log.warning("member dead", **fields)
                case status:
                    self._env.log.info(f"member {status.value}", **fields)
        self._roster.note_standing(before, after)
        self._saved_members.note_change()

    def _note_contest(self, other: Member) -> None:
        """
        Tell people; nothing else can be done here. A newcomer is refused when it greets, and a
        rumour may also be about an earlier run of this node at another address.
        """
        if other.epoch not in self._contested and len(self._contested) < 100:
            self._contested.add(other.epoch)
            self._env.log.warning("somebody else bears this name", address=other.rpc)

    # Calls.

    def _limit_s(self, member: Member) -> float:
        return self._detector.tuning(member).probe_interval_s

    def _start(self, call: Coroutine[Any, Any, object], *once: Hashable) -> None:
        """
        Run *call* by the side, unless one that is the same by *once* is under way. Before and after
        `run` nothing is asked of anybody.
        """
        if self._group is None or once in self._busy:
            call.close()
            return
        # A request id that happens to be set is not about this.
        task = self._group.create_task(call, name="probe", context=Context())
        if once:
            self._busy.add(once)
            task.add_done_callback(lambda _: self._busy.discard(once))

    async def _probe(self, probe: signals.Probe) -> None:
        reply = await self._call(probe.target, probe.timeout_s, probe.rumours)
        self._feed(
            signals.Unreached(probe.number) if reply is None else signals.Reached(probe.number)
        )

    async def _probe_via(self, probe: signals.ProbeVia) -> None:
        helper = probe.helper
        reply = await self._call(helper, probe.timeout_s, probe.rumours, target=probe.target)
        if reply is not None and reply.reached:
            self._feed(signals.Reached(probe.number))
        else:
            self._feed(signals.HelperSaid(probe.number, helper.node, answered=reply is not None))

    async def _try(self, target: NodeId) -> bool:
        """Whether *target* answers this node, within what the one that asked can wait."""
        known = self._env.members.rumour(target)
        if known is None:
            return False
        limit_s = self._detector.tuning(known.member).helper_timeout_s
        return await self._call(known.member, limit_s, (known,)) is not None

    async def _call(
        self,
        member: Member,
        limit_s: float,
        rumours: tuple[Rumour, ...],
        *,
        target: NodeId | None = None,
        whole: bool = False,
        ending: int = 0,
    ) -> ProbeReply | None:
        """
        One probe call; None without an answer of that member within *limit_s*.

        Goes over the link if it is up, and otherwise by itself: a link in its back-off says
        nothing of the member.
        """
        env = self._env
        request = ProbeRequest(env.config.cluster, env.me.node, target, rumours, whole, ending)
        linked = self._links.peer(member.node)
        peer = linked or self._transport.connect(member.rpc)
        try:
            async with asyncio.timeout(limit_s):
                reply = await peer.presence.probe(request)
        except (TimeoutError, ClusterError):
            return None
        finally:
            if linked is None:
                await peer.close()
        if reply.node != member.node:
            return None
        self._feed(signals.News(reply.rumours))
        return reply
