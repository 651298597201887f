"""Handing events to one peer, as they become durable here."""

import asyncio
from collections.abc import Iterator, Sequence

from cluster.driver.forwarding import Duty, Forwarding
from cluster.environment import Environment
from cluster.errors import BelowFloor
from cluster.gossip import antientropy
from cluster.gossip.dissemination import Acknowledgements
from cluster.model import Event, Member, Origin, Vector
from cluster.ports import Peer
from cluster.waiting.groups import task_group
from cluster.waiting.pulse import Pulse


class Pushing:
    """
    Hands over, in order, what `Forwarding` says, from where the peer has it.

    In the own region one batch is on its way at a time, and holds whatever became durable
    meanwhile. So a slow peer gets large batches, not a queue. On a long link an event would wait a
    round trip for the answer to the batch before it. There the next batch follows the last one
    after a short pause, as long as all that are on their way have the bytes of one.

    A log that the peer cannot go on with, for it parks its events or lacks some before them,
    pauses, and goes on from where the peer has it; the others go on. So does a batch that nobody
    answers: the link lives as long as greetings are answered, and one lost push must not hold up
    all that come after it.
    """

    def __init__(
        self,
        env: Environment,
        member: Member,
        peer: Peer,
        forwarding: Forwarding,
        acknowledgements: Acknowledgements,
        changes: Pulse,
    ) -> None:
        self._env = env
        self._member = member
        self._peer = peer
        self._forwarding = forwarding
        self._acknowledgements = acknowledgements
        self._changes = changes
        self._far = member.region != env.me.region
        self._reached: dict[Origin, int] = {}
        self._sent: dict[Origin, int] = {}
        self._under_way: dict[asyncio.Task[None], int] = {}
        self._answered = asyncio.Event()
        self._paused_until: dict[Origin, float] = {}

    def note_have(self, have: Vector) -> None:
        """Take the peer's word, in a greeting or an answer, for how far it is. Forwards only."""
        for origin, seq in have.items():
            if seq > self._reached.get(origin, 0):
                self._reached[origin] = seq
                self._paused_until.pop(origin, None)

    async def run(self) -> None:
        """Push for ever; raises what the peer or the local storage raises, perhaps in a group."""
        async with task_group() as group:
            while True:
                await self._wait_for_room()
                events = self._next_batch()
                if not events:
                    await self._wait_for_more()
                elif self._far:
                    self._send_ahead(group, events)
                    await asyncio.sleep(self._env.config.push_ahead_pause_s)
                else:
                    await self._hand_over(events, _size(events))

    def _send_ahead(self, group: asyncio.TaskGroup, events: Sequence[Event]) -> None:
        for event in events:
            self._sent[event.origin] = event.dot.seq
        size = sum(self._under_way.values()) + _size(events)
        task = group.create_task(self._hand_over(events, size), name=f"push {self._member.node}")
        self._under_way[task] = _size(events)
        task.add_done_callback(self._note_answered)

    def _note_answered(self, task: asyncio.Task[None]) -> None:
        del self._under_way[task]
        self._answered.set()

    def _room_bytes(self) -> int:
        return self._env.config.push_batch_bytes - sum(self._under_way.values())

    async def _wait_for_room(self) -> None:
        ahead_max = self._env.config.push_ahead_max
        while len(self._under_way) >= ahead_max or self._room_bytes() <= 0:
            self._answered.clear()
            await self._answered.wait()

    async def _hand_over(self, events: Sequence[Event], size: int) -> None:
        self._settle(events, await self._push(events, size))

    async def _push(self, events: Sequence[Event], size: int) -> Vector:
        """
        Push *events*, with *size* bytes under way up to their end.

        No answer in time is an answer that says nothing.
        """
        config = self._env.config
        try:
            async with asyncio.timeout(config.push_timeout_s + size / config.rate_min_bytes_s):
                return await self._peer.push(events)
        except TimeoutError:
            self._env.counters.pushes_unanswered += 1
            return {}

    def _due(self) -> Iterator[Duty]:
        """The logs of which the peer lacks something, as far as is known, and may be given more."""
        now = self._env.clock.now_s()
        for duty in self._forwarding.duties(self._member.node, self._member.region):
            origin, upto = duty
            # The vectors one after the other: nearly always the first says all.
            if upto <= self._reached.get(origin, 0) or upto <= self._sent.get(origin, 0):
                continue
            if self._paused_until.get(origin, 0.0) <= now:
                yield duty

    def _handed_over(self, origin: Origin) -> int:
        return max(self._reached.get(origin, 0), self._sent.get(origin, 0))

    def _has_more(self) -> bool:
        return next(self._due(), None) is not None

    def _next_batch(self) -> list[Event]:
        room = self._room_bytes()
        batch: list[Sequence[Event]] = []
        vector, events_min = self._env.records.vector(), self._env.config.checkpoint_events
        # Who has nothing asks for the state, and would get the events beside it.
        waits = antientropy.needs_state(self._reached, vector, events_min)
        for origin, _ in self._due():
            if waits:
                self._pause(origin)
                continue
            after = self._handed_over(origin)
            try:
                events = self._env.records.events_after(origin, after, max_bytes=room)
            except BelowFloor:
                # The peer finds that out when it pulls, and takes over a whole state.
                self._pause(origin)
                continue
            batch.append(events)
            room -= _size(events)
            if room <= 0:
                break
        return list(antientropy.in_causal_order(batch))

    def _settle(self, events: Sequence[Event], answer: Vector) -> None:
        own = self._env.records.origin
        handed: dict[Origin, tuple[int, int]] = {}
        for event in events:
            before, _ = handed.get(event.origin, (event.dot.seq - 1, 0))
            handed[event.origin] = before, event.dot.seq
        for origin, (before, last) in handed.items():
            # A greeting may have overtaken the answer: what it told is progress of this push too.
            reached = max(answer.get(origin, 0), self._reached.get(origin, 0))
            if reached < last:
                # What was sent behind it is of no use there either.
                self._sent.pop(origin, None)
            if reached <= before:
                self._pause(origin)
                continue
            self._reached[origin] = reached
            if origin == own:
                self._env.counters.events_pushed += min(reached, last) - before
                if self._acknowledgements.acknowledge(self._member.node, reached):
                    self._changes.beat()
            else:
                self._env.counters.events_relayed += min(reached, last) - before

    def _pause(self, origin: Origin) -> None:
        pause_s = self._env.config.heartbeat_remote_interval_s
        self._paused_until[origin] = self._env.clock.now_s() + pause_s
        # Whoever waits for more to do has to know that time will bring some.
        self._changes.beat()

    async def _wait_for_more(self) -> None:
        if not self._paused_until:
            await self._changes.wait_until(lambda: bool(self._paused_until) or self._has_more())
            return
        pause_s = min(self._paused_until.values()) - self._env.clock.now_s()
        await self._changes.wait_at_most(pause_s)
        now = self._env.clock.now_s()
        self._paused_until = {o: at for o, at in self._paused_until.items() if at > now}


def _size(events: Sequence[Event]) -> int:
    return sum(len(event.body) for event in events)
