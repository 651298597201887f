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
from cluster.waiting.pulse import Pulse


class Pushing:
    """
    Hands over, in order, what `Forwarding` says, from where the peer has it.

    One batch is on its way at a time, and holds whatever became durable meanwhile. So a slow peer
    gets large batches, not a queue. A log that the peer cannot go on with, for it parks its events
    or lacks some before them, pauses; the others go on. So does a batch that nobody answers: the
    link lives as long as greetings are answered, and one lost push must not hold up all that come
    after it.
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
        self._reached: dict[Origin, int] = {}
        self._paused_until: dict[Origin, float] = {}

    def note_have(self, have: Vector) -> None:
        """Take the peer's word, in a greeting or an answer, for how far it is. Forwards only."""
        for origin, seq in have.items():
            if seq > self._reached.get(origin, 0):
                self._reached[origin] = seq
                self._paused_until.pop(origin, None)

    async def run(self) -> None:
        """Push for ever; raises what the peer or the local storage raises."""
        while True:
            events = self._next_batch()
            if not events:
                await self._wait_for_more()
                continue
            self._settle(events, await self._push(events))

    async def _push(self, events: Sequence[Event]) -> Vector:
        """Hand over *events*; no answer in time is an answer that says nothing."""
        config, size = self._env.config, sum(len(event.body) for event in events)
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
            lacks = duty.upto > self._reached.get(duty.origin, 0)
            if lacks and self._paused_until.get(duty.origin, 0.0) <= now:
                yield duty

    def _has_more(self) -> bool:
        return next(self._due(), None) is not None

    def _next_batch(self) -> list[Event]:
        room = self._env.config.push_batch_bytes
        batch: list[Sequence[Event]] = []
        vector, events_min = self._env.records.vector(), self._env.config.checkpoint_events
        # Who has nothing asks for the state, and would get the events beside it.
        waits = antientropy.needs_state(self._reached, vector, events_min)
        for origin, _ in self._due():
            if waits:
                self._pause(origin)
                continue
            after = self._reached.get(origin, 0)
            try:
                events = self._env.records.events_after(origin, after, max_bytes=room)
            except BelowFloor:
                # The peer finds that out when it pulls, and takes over a whole state.
                self._pause(origin)
                continue
            batch.append(events)
            room -= sum(len(event.body) for event in events)
            if room <= 0:
                break
        return list(antientropy.in_causal_order(batch))

    def _settle(self, events: Sequence[Event], answer: Vector) -> None:
        own = self._env.records.origin
        sent_from: dict[Origin, int] = {}
        for event in events:
            sent_from.setdefault(event.origin, event.dot.seq - 1)
        for origin, before in sent_from.items():
            reached = answer.get(origin, 0)
            # A greeting may have overtaken the answer: what it told is progress of this push too.
            if reached <= before and self._reached.get(origin, 0) <= before:
                self._pause(origin)
                continue
            reached = self._reached[origin] = max(reached, self._reached.get(origin, 0))
            if origin == own:
                self._env.counters.events_pushed += reached - before
                if self._acknowledgements.acknowledge(self._member.node, reached):
                    self._changes.beat()
            else:
                self._env.counters.events_relayed += reached - before

    def _pause(self, origin: Origin) -> None:
        pause_s = self._env.config.heartbeat_remote_interval_s
        self._paused_until[origin] = self._env.clock.now_s() + pause_s

    async def _wait_for_more(self) -> None:
        if not self._paused_until:
            await self._changes.wait_until(self._has_more)
            return
        pause_s = min(self._paused_until.values()) - self._env.clock.now_s()
        await self._changes.wait_at_most(pause_s)
        now = self._env.clock.now_s()
        self._paused_until = {o: at for o, at in self._paused_until.items() if at > now}
