"""Holds the index against those of members, and against its own sums."""

import asyncio
from contextlib import suppress

from cluster.driver.bootstrap import Bootstrap
from cluster.driver.links import Links
from cluster.environment import Environment
from cluster.errors import ClusterError, StorageFailure
from cluster.messages import CompareReply, CompareRequest
from cluster.model import NodeId, Summed
from cluster.objects import comparison
from cluster.routing import preference
from cluster.state import State
from cluster.tasks.changes import Topic
from cluster.tasks.groups import task_group


class Comparer:
    """
    Notices that an index is wrong, and has it replaced where it is clear which one.

    Example: A and B have the same events, and other sums. One of them has merged wrongly, or works
    on a row that its disk has changed. Both read all their rows. If A finds that its rows are not
    those of its sums, it takes over the state of a member that has found itself sound. If both find
    themselves sound, only a person can tell who is right: the alarm stays until they are equal.
    """

    def __init__(self, env: Environment, links: Links, bootstrap: Bootstrap) -> None:
        self._env = env
        self._links = links
        self._bootstrap = bootstrap
        self._round = 0
        self._asked: dict[NodeId, int] = {}
        self._differing: set[NodeId] = set()
        self._doubt = asyncio.Event()
        self._sound_at_s: float | None = None

    @property
    def differing(self) -> tuple[NodeId, ...]:
        """Members with the same events and other rows, when they were last compared."""
        return tuple(sorted(self._differing.intersection(self._env.roll.names())))

    async def run(self) -> None:
        async with task_group() as group:
            group.create_task(self._compare_always(), name="compare")
            group.create_task(self._check_always(), name="check rows")

    async def on_compare(self, request: CompareRequest) -> CompareReply:
        """See `EventCalls.compare`."""
        mine = await self._env.sums.summed()
        reply = comparison.answer(mine, request, sound=self._is_sound())
        if request.damaged:
            # The sender will take over these rows if they are sound.
            self._doubt.set()
        elif request.sender in self._env.roll.names():
            self._note(request.sender, mine, reply)
        return reply

    async def _compare_always(self) -> None:
        while True:
            await asyncio.sleep(self._env.config.compare_interval_s)
            try:
                if State.DAMAGED in self._env.state:
                    await self._replace()
                elif State.LACKING not in self._env.state:
                    await self._compare()
            except (ClusterError, StorageFailure) as exc:
                self._env.log.debug("not compared", reason=str(exc))

    async def _check_always(self) -> None:
        config, begun_s = self._env.config, self._env.clock.now_s()
        while True:
            left_s = begun_s + config.check_rows_interval_s - self._env.clock.now_s()
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, left_s)):
                    await self._doubt.wait()
                    self._doubt.clear()
                    if self._is_sound():
                        continue
            begun_s = self._env.clock.now_s()
            await self._check()

    async def _compare(self) -> None:
        """Ask one member that has the same events."""
        mine = await self._env.sums.summed()
        haves = {link.node: self._env.progress.of(link.node) for link in self._links.live()}
        node = comparison.next_to_ask(mine.vector, haves, self._asked)
        if node is None:
            return
        self._round += 1
        self._asked[node] = self._round
        reply = await self._ask(node, mine)
        if reply is not None:
            self._note(node, mine, reply)

    async def _ask(self, node: NodeId, mine: Summed) -> CompareReply | None:
        """The answer of *node*, if it gives one."""
        peer = self._links.peer(node)
        if peer is None:
            return None
        damaged = State.DAMAGED in self._env.state
        request = CompareRequest(sender=self._env.me.node, damaged=damaged, **mine._asdict())
        try:
            async with asyncio.timeout(self._env.config.stall_timeout_s):
                return await peer.events.compare(request)
        except (ClusterError, TimeoutError) as exc:
            self._env.log.debug("not compared", peer=node, reason=str(exc))
            return None

    def _note(self, node: NodeId, mine: Summed, reply: CompareReply) -> None:
        """What a comparison with *node*, begun at either side, says of the two indexes."""
        if not reply.same_vector:
            return
        self._env.counters.comparisons += 1
        if not reply.differences:
            self._differing.discard(node)
            self._env.changes.beat(Topic.STATE)
            return
        self._env.counters.differences += 1
        # Logged once; from then on the statistics have the alarm.
        log = self._env.log.debug if node in self._differing else self._env.log.error
        log(
            "rows differ from a member's",
            peer=node,
            partitions=[difference.partition for difference in reply.differences],
            rows=[comparison.rows(mine.sums, each.partition) for each in reply.differences],
        )
        self._differing.add(node)
        self._doubt.set()
        self._env.changes.beat(Topic.STATE)

    def _is_sound(self) -> bool:
        """Whether the rows were lately read, and are those of the sums."""
        if State.DAMAGED in self._env.state or self._sound_at_s is None:
            return False
        return self._env.clock.now_s() - self._sound_at_s < self._env.config.check_rows_again_s

    async def _check(self) -> None:
        """Hold all rows against their sums."""
        begun_s = self._env.clock.now_s()
        try:
            sound = await self._env.sums.check_rows()
        except (ClusterError, StorageFailure) as exc:
            self._env.log.warning("rows not checked", reason=str(exc))
            return
        self._env.counters.rows_checks += 1
        self._sound_at_s = begun_s if sound else None
        if not sound:
            self._env.counters.rows_damaged += 1
            self._env.log.error("rows are not what was written")
        self._env.state.put(
            State.DAMAGED, None if sound else "rows of the index are not what was written"
        )

    async def _replace(self) -> None:
        """Have the rows replaced by those of a sound member, if there is one."""
        if State.LACKING not in self._env.state:
            mine = await self._env.sums.summed()
            connected = self._env.roll.connected()
            for node in preference.order((), connected, self._env.me.region, self._env.rng):
                reply = await self._ask(node, mine)
                if reply is not None and reply.sound:
                    self._bootstrap.replace(node)
                    break
            else:
                return
        await self._env.changes.wait_until(
            lambda: State.LACKING not in self._env.state, Topic.STATE
        )
        await self._check()
