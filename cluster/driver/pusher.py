"""Hands events to one peer as they become durable here."""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cluster import vectors
from cluster.driver.duties import Duties
from cluster.driver.freshness import FreshnessDriver
from cluster.environment import Environment
from cluster.errors import BelowFloor
from cluster.gossip import antientropy
from cluster.gossip.window import Window
from cluster.messages import PushAnswer
from cluster.model import Event, Member, Origin, Vector
from cluster.objects.events import in_causal_order
from cluster.peer import EventCalls
from cluster.tasks.changes import Topic
from cluster.tasks.groups import task_group
from cluster.tasks.pulse import Pulse


class _Sent(NamedTuple):
    """A push whose answer is yet to come."""

    events: Sequence[Event]
    task: asyncio.Task[PushAnswer]


class _Pause(NamedTuple):
    """A log that waits until *until*, or until the peer says that it has more than *reached*."""

    until: float
    reached: int


class Pusher:
    """
    Hands over the logs that `Duties` names, in order, from where the peer has them.

    In the own region one batch is on its way at a time. The next one holds whatever became durable
    meanwhile, so a slow peer gets large batches and no queue. On a long link batches follow each
    other, as far as `gossip.window` lets them (decision 18).

    The peer may be unable to go on with a log: it parks the events, or lacks some before them. Then
    that log pauses, and goes on later from where the peer has it; the others do not wait. The same
    holds for the logs of a batch that is not answered in time: one lost push must not hold up all
    that come after it, while greetings keep the link alive.
    """

    def __init__(
        self,
        env: Environment,
        member: Member,
        events: EventCalls,
        duties: Duties,
        freshness: FreshnessDriver,
    ) -> None:
        self._env = env
        self._member = member
        self._events = events
        self._duties = duties
        self._freshness = freshness
        self._window = Window(env.config.push_ahead_max, env.config.push_batch_bytes)
        self._under_way: deque[_Sent] = deque()
        self._news = Pulse()
        self._sent: dict[Origin, int] = {}
        self._paused: dict[Origin, _Pause] = {}
        # What is here, what is there, and who relays.
        self._topics = (env.me.node, member.node, Topic.MEMBERS)

    @property
    def _have(self) -> Vector:
        """How far the peer has each log, as far as is known."""
        return self._env.progress.of(self._member.node)

    async def run(self) -> None:
        """Push for ever; raises what the peer or the local storage raises, perhaps in a group."""
        if self._member.region == self._env.me.region:
            await self._send_singly()
            return
        async with task_group() as group:
            group.create_task(self._settle_in_order(), name=f"answers {self._member.node}")
            await self._send_ahead(group)

    async def _send_singly(self) -> None:
        while True:
            events, _ = self._next_batch(self._env.config.push_batch_bytes)
            if not events:
                await self._wait_for_more()
                continue
            try:
                async with asyncio.timeout(self._patience_s(events)):
                    answer = await self._push(events)
            except TimeoutError:
                answer = self._unanswered()
            self._settle(events, answer)

    async def _send_ahead(self, group: asyncio.TaskGroup) -> None:
        now_s, pause_s = self._env.clock.now_s, self._env.config.push_ahead_pause_s
        while True:
            room = self._window.room_bytes()
            if not room:
                await self._news.wait()
                continue
            events, complete = self._next_batch(room)
            if not events:
                await self._wait_for_more()
            elif self._under_way and not complete:
                # More than fits: one large batch soon is better than many of the size of an answer.
                await self._news.wait_until(lambda: not self._under_way)
            else:
                for event in events:
                    self._sent[event.origin] = event.dot.seq
                task = group.create_task(self._push(events), name=f"push {self._member.node}")
                self._under_way.append(_Sent(events, task))
                self._window.send(_size(events), now_s())
                self._news.beat()
                await asyncio.sleep(pause_s)

    async def _push(self, events: Sequence[Event]) -> PushAnswer:
        stage = self._env.chronicle.stage
        run = self._member.epoch
        answer = await self._events.push(self._env.me.node, stage, events, run=run)
        self._freshness.hear(self._member, stage, answer.confirmation)
        return answer

    async def _settle_in_order(self) -> None:
        """Take the answers in order. The patience with a push begins when it is the oldest."""
        while True:
            await self._news.wait_until(lambda: bool(self._under_way))
            events, task = self._under_way[0]
            await asyncio.wait((task,), timeout=self._patience_s(events))
            if task.done():
                self._settle(events, task.result())
                self._under_way.popleft()
                self._window.answer(self._env.clock.now_s())
            else:
                await self._give_up()
            self._news.beat()

    async def _give_up(self) -> None:
        """Give up all pushes under way: they are on one stream, and of the same logs."""
        while self._under_way:
            given_up = tuple(self._under_way)
            for sent in given_up:
                sent.task.cancel()
            await asyncio.wait([sent.task for sent in given_up])
            for sent in given_up:
                self._settle(sent.events, self._unanswered())
                self._under_way.popleft()
        self._window.give_up()

    def _patience_s(self, events: Sequence[Event]) -> float:
        config = self._env.config
        return config.push_timeout_s + _size(events) / config.rate_min_bytes_s

    def _unanswered(self) -> PushAnswer:
        """Count a push without an answer in time; nothing is known of how far it came."""
        self._env.counters.pushes_unanswered += 1
        return PushAnswer({})

    def _due(self) -> Iterator[tuple[Origin, int]]:
        """The logs of which the peer lacks something, as far as is known, and that do not pause."""
        have = self._have
        for origin, upto in self._duties.of(self._member.node, self._member.region):
            # One look after the other: nearly always the first one is enough.
            if upto <= vectors.reached(have, origin) or upto <= self._sent.get(origin, 0):
                continue
            if not self._env.roll.has_me:
                # Nobody takes anything from a stranger, and a refusal ends the link by which it is
                # to catch up. It may have written: who took it for what it was has it hold a blob.
                return
            if not self._is_paused(origin):
                yield origin, upto

    def _is_paused(self, origin: Origin) -> bool:
        pause = self._paused.get(origin)
        if pause is None or self._have.get(origin, 0) > pause.reached:
            return False
        return pause.until > self._env.clock.now_s()

    def _handed_over(self, origin: Origin) -> int:
        return max(self._have.get(origin, 0), self._sent.get(origin, 0))

    def _has_more(self) -> bool:
        return next(self._due(), None) is not None

    def _next_batch(self, room: int) -> tuple[list[Event], bool]:
        """What the peer lacks, about *room* bytes at most, and whether that is all."""
        batch: list[Sequence[Event]] = []
        complete = True
        vector, events_min = self._env.events.vector(), self._env.config.checkpoint_events
        # A peer that has nothing takes over a state, and would get the events beside it.
        waits = antientropy.needs_state(self._have, vector, events_min)
        for origin, upto in self._due():
            if waits:
                self._pause(origin)
                continue
            if room <= 0:
                complete = False
                break
            after = self._handed_over(origin)
            try:
                events = self._env.events.events_after(origin, after, max_bytes=room)
            except BelowFloor:
                # The peer finds that out when it pulls, and takes over a state.
                self._pause(origin)
                continue
            batch.append(events)
            complete &= bool(events) and events[-1].dot.seq >= upto
            room -= _size(events)
        return list(in_causal_order(batch)), complete

    def _settle(self, events: Sequence[Event], answer: PushAnswer) -> None:
        self._env.log.debug("events pushed", peer=self._member.node, events=len(events))
        news = self._env.progress.pushed(self._member, answer.have)
        self._env.changes.note_progress(self._member.node, news)
        have, own = self._have, self._env.events.origin
        handed: dict[Origin, tuple[int, int]] = {}
        for event in events:
            before, _ = handed.get(event.origin, (event.dot.seq - 1, 0))
            handed[event.origin] = before, event.dot.seq
        for origin, (before, last) in handed.items():
            # By the last word of the peer: a greeting may have overtaken the answer.
            reached = have.get(origin, 0)
            if reached < last and self._sent.pop(origin, None) is not None:
                # The peer could not use what was sent behind it: that is due again.
                self._env.changes.beat(self._member.node)
            if reached <= before:
                self._pause(origin)
            elif origin == own:
                self._env.counters.events_pushed += min(reached, last) - before
            else:
                self._env.counters.events_relayed += min(reached, last) - before

    def _pause(self, origin: Origin) -> None:
        until = self._env.clock.now_s() + self._env.config.heartbeat_remote_interval_s
        self._paused[origin] = _Pause(until, self._have.get(origin, 0))
        # Now `_wait_for_more` has a time to wait for.
        self._env.changes.beat(self._member.node)

    async def _wait_for_more(self) -> None:
        if not self._paused:
            await self._env.changes.wait_until(
                lambda: bool(self._paused) or self._has_more(), *self._topics
            )
            return
        until = min(pause.until for pause in self._paused.values())
        await self._env.changes.wait_at_most(until - self._env.clock.now_s(), *self._topics)
        self._paused = {o: pause for o, pause in self._paused.items() if self._is_paused(o)}


def _size(events: Sequence[Event]) -> int:
    return sum(len(event.body) for event in events)
