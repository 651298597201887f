"""Does for the control log what is not pure: letters, the disk, time, and who waits."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import Context
from functools import partial
from typing import Final

import msgspec

from cluster.control import AcceptorState, ControlConfig, ControlState, Effect, Letter, Participant
from cluster.control.coordinator import Current, NoMajority, Outcome, Unknown
from cluster.control.effects import Persist, ReportOutcome, Send, StartEmpty, StopNode
from cluster.control.values import Batch, Command, Hash, Seat, decode_batch, encode_batch
from cluster.driver.links import Links
from cluster.environment import Environment
from cluster.errors import ClusterError, StartsEmpty, StorageFailure, TwoClusters
from cluster.messages import Decisions
from cluster.model import Member, NodeId, plain
from cluster.peer import Transport
from cluster.ports import ControlStore
from cluster.tasks.changes import Topic
from cluster.tasks.groups import task_group

_TICK_S: Final = 0.1
_LETTER_S: Final = 3.0
"""How long a letter may be on its way: well below `ControlConfig.quiet_s`."""

_LETTERS_MAX: Final = 256
"""Letters on their way, or waiting to be read. More are dropped, as a network would."""

_RETRY_S: Final = 1.0
"""Pause before a write that failed is tried again. Until it is synced this node says nothing."""

Step = Callable[[float], list[Effect]]

_encoder: Final = msgspec.msgpack.Encoder(enc_hook=plain)
_letters: Final = msgspec.msgpack.Decoder(Letter)
_acceptors: Final = msgspec.msgpack.Decoder(AcceptorState)


class ControlDriver:
    """
    One participant of the control log, and who waits for its decisions: a `Coordinator`.

    What it persists is synced before anything behind it is said. The chronicle learns of a slot
    once that is synced here, as nobody may act by one that a restart would forget.
    """

    def __init__(
        self,
        env: Environment,
        store: ControlStore,
        links: Links,
        transport: Transport,
    ) -> None:
        self._env = env
        self._store = store
        self._links = links
        self._transport = transport
        saved = store.load()
        slots = [decode_batch(row) for row in saved.slots]
        for batch in slots:
            env.chronicle.take(batch)
        self._participant = Participant(
            node=env.me.node,
            store=env.me.store,
            region=env.me.region,
            run=env.me.epoch,
            now=env.clock.now_s(),
            wall_ms=env.clock.now_ms(),
            acceptor=_acceptors.decode(saved.acceptor) if saved.acceptor else AcceptorState(),
            slots=slots,
            initial=env.config.initial,
            peers=(),
            config=ControlConfig(quiet_s=env.config.quiet_s),
            chance=env.rng,
            ended=[Hash(name) for name in saved.ended],
        )
        self._steps: deque[Step] = deque()
        self._stepped = asyncio.Event()
        self._number = 0
        self._waiting: dict[int, asyncio.Future[Outcome]] = {}
        self._on_their_way = 0
        self._group: asyncio.TaskGroup | None = None

    @property
    def state(self) -> ControlState:
        return self._participant.state

    @property
    def is_busy(self) -> bool:
        return self._participant.is_busy

    def seat_of(self, node: NodeId) -> Seat | None:
        """The seat by which *node* can be named a voter; None before it has all slots."""
        return self._participant.seat_of(node)

    async def run(self) -> None:
        """
        Take part until cancelled.

        Raises:
            StartsEmpty: this node belongs to a generation, or has a disk, that others left behind.
            TwoClusters: there is an older cluster, and this one has decided something.
        """
        async with task_group() as group:
            self._group = group
            try:
                await self._carry_out(self._participant.start())
                while True:
                    await self._wait()
                    self._participant.peers = self._peers()
                    while self._steps:
                        await self._carry_out(self._steps.popleft()(self._now()))
                    await self._carry_out(self._participant.tick(self._now()))
            finally:
                # A group whose tasks have ended takes no new one.
                self._group = None
                for waiting in self._waiting.values():
                    waiting.cancel()

    async def tell(self, letter: bytes) -> None:
        """
        See `ControlCalls.tell`.

        Raises:
            ValueError: it is no letter.
        """
        try:
            read = _letters.decode(letter)
        except msgspec.MsgspecError as exc:
            raise ValueError(f"this is no letter: {exc}") from exc
        if len(self._steps) < _LETTERS_MAX:
            self._do(partial(self._participant.handle, read))

    def hear(self, member: Member, said: Decisions) -> None:
        """Level with *member*, by what it *said* in a greeting."""
        if len(self._steps) < _LETTERS_MAX:
            seat = Seat(member.node, member.store, said.run)
            self._do(
                lambda now: self._participant.hear(seat, Hash(said.generation), said.slot, now)
            )

    def decisions(self) -> Decisions:
        """What this node says of itself in greetings."""
        state = self._env.chronicle.state
        return Decisions(state.generation, state.slot, self._participant.voting.run)

    async def propose(self, slot: int, commands: Sequence[Command], *, timeout: float) -> Outcome:
        """See `Coordinator.propose`."""
        return await self._ask(
            lambda number, now: self._participant.propose(
                number, slot, commands, now=now, timeout=timeout
            ),
            timeout,
        )

    async def catch_up(self, *, timeout: float) -> Current | NoMajority:
        """See `Coordinator.catch_up`."""
        outcome = await self._ask(
            lambda number, now: self._participant.catch_up(number, now=now, timeout=timeout),
            timeout,
        )
        return outcome if isinstance(outcome, Current) else NoMajority(())

    async def force(self, survivors: Sequence[NodeId], *, timeout: float) -> Outcome:
        """Begin a new generation with *survivors*, of which this node is one."""
        return await self._ask(
            lambda number, now: self._participant.force(
                number, survivors, now=now, timeout=timeout
            ),
            timeout,
        )

    def begin_alone(self) -> None:
        """Found a cluster of this node, as soon as the rules allow it."""
        self._participant.begin_alone()

    async def _ask(self, step: Callable[[int, float], list[Effect]], timeout_s: float) -> Outcome:
        self._number += 1
        number = self._number
        self._waiting[number] = asyncio.get_running_loop().create_future()
        self._do(lambda now: step(number, now))
        try:
            # The participant answers within its time. It cannot while its disk takes no writes.
            async with asyncio.timeout(timeout_s + _LETTER_S):
                return await self._waiting[number]
        except TimeoutError:
            return Unknown(())
        finally:
            del self._waiting[number]

    def _do(self, step: Step) -> None:
        self._steps.append(step)
        self._stepped.set()

    async def _wait(self) -> None:
        if not self._steps:
            self._stepped.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_TICK_S):
                    await self._stepped.wait()

    def _now(self) -> float:
        return self._env.clock.now_s()

    def _peers(self) -> set[str]:
        return {member.node for member in self._env.members.others()}

    async def _carry_out(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case Persist(acceptor, slots):
                    await self._persist(acceptor, slots)
                case Send(to, letter):
                    self._send(NodeId(to), letter)
                case ReportOutcome(number, outcome):
                    if (waiting := self._waiting.get(number)) is not None and not waiting.done():
                        waiting.set_result(outcome)
                case StartEmpty(reason, ended):
                    raise StartsEmpty(reason, ended)
                case StopNode(reason):
                    raise TwoClusters(reason)

    async def _persist(self, acceptor: AcceptorState, slots: Sequence[Batch]) -> None:
        rows = {batch.slot: encode_batch(batch) for batch in slots}
        while True:
            try:
                await self._store.save(_encoder.encode(acceptor), rows)
                break
            except StorageFailure as exc:
                self._env.log.warning("control log not saved", reason=str(exc))
                await asyncio.sleep(_RETRY_S)
        for batch in slots:
            self._env.chronicle.take(batch)
            if batch.author.node == self._env.me.node:
                # Those that do not vote would hear of it with the next greeting.
                await self._carry_out(self._participant.bring(self._peers(), batch.slot))
        if slots:
            self._env.changes.beat(Topic.LAYOUT, Topic.JOINED, Topic.MEMBERS)

    def _send(self, to: NodeId, letter: Letter) -> None:
        if to == self._env.me.node:
            self._do(partial(self._participant.handle, letter))
            return
        if self._group is None or self._on_their_way >= _LETTERS_MAX:
            return
        self._on_their_way += 1
        # A request id that happens to be set is not about this.
        delivery = self._deliver(to, letter)
        task = self._group.create_task(delivery, name=f"letter {to}", context=Context())
        task.add_done_callback(self._note_delivered)

    def _note_delivered(self, _: object) -> None:
        self._on_their_way -= 1

    async def _deliver(self, to: NodeId, letter: Letter) -> None:
        """Bring a letter to *to*, over the link if it is up; it may get lost."""
        member = self._env.members.get(to)
        if member is None:
            return
        linked = self._links.peer(to)
        peer = linked or self._transport.connect(member.rpc)
        try:
            async with asyncio.timeout(_LETTER_S):
                await peer.control.tell(_encoder.encode(letter))
        except (TimeoutError, ClusterError) as exc:
            self._env.log.debug("letter lost", peer=to, reason=str(exc))
        finally:
            if linked is None:
                await peer.close()
