"""A network in one process: connects engines, and can be cut, blocked and made to lie."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import NamedTuple

from cluster.errors import PeerUnreachable
from cluster.messages import (
    CompareReply,
    CompareRequest,
    Greeting,
    ProbeReply,
    ProbeRequest,
    PushAnswer,
    Stage,
)
from cluster.model import (
    CheckpointPiece,
    Digest,
    Event,
    Member,
    NodeId,
    Vector,
)
from cluster.peer import PeerService
from cluster.tasks.pulse import Pulse

Tamper = Callable[[bytes], bytes]


class Call(NamedTuple):
    """One call that arrived at *callee*, both by address."""

    caller: str
    callee: str
    method: str


class Network:
    """
    Carries calls between services.

    A cut link loses requests and answers: a call that was under way fails, though the callee may
    have carried it out. That is what real networks do, and why every call is idempotent.
    """

    def __init__(self) -> None:
        self.services: dict[str, PeerService] = {}
        self.calls: list[Call] = []
        self.changed = Pulse()
        self._cut: set[frozenset[str]] = set()
        self._stopped: set[str] = set()
        self._blocked: set[tuple[str, str]] = set()
        self._answerless: set[tuple[str, str]] = set()
        self._losing: set[tuple[str, str]] = set()
        self._fetch_limits: dict[str, int] = {}
        self._tampered: dict[str, Tamper] = {}
        self._far: dict[str, float] = {}

    def transport(self, me: Member) -> "MemoryTransport":
        return MemoryTransport(self, me)

    def count(self, method: str, callee: str | None = None) -> int:
        """How many calls of *method* arrived, at *callee* or anywhere."""
        return sum(call.method == method and callee in (None, call.callee) for call in self.calls)

    def cut(self, a: str, b: str) -> None:
        self._cut.add(frozenset((a, b)))
        self.changed.beat()

    def heal(self, a: str, b: str) -> None:
        self._cut.discard(frozenset((a, b)))

    def put_far(self, callee: str, seconds: float) -> None:
        """Let each call take so long to *callee*."""
        self._far[callee] = seconds

    def unplug(self, address: str) -> None:
        """Take a service off the network: its process is dead."""
        self.services.pop(address, None)
        self.changed.beat()

    def stop(self, address: str) -> None:
        """Let a process hang: whatever it sends or is sent waits until `resume`; nothing fails."""
        self._stopped.add(address)

    def resume(self, address: str) -> None:
        self._stopped.discard(address)
        self.changed.beat()

    def block(self, callee: str, method: str) -> None:
        """Let calls of *method* wait at *callee* until `unblock`, without failing."""
        self._blocked.add((callee, method))

    def unblock(self, callee: str, method: str) -> None:
        self._blocked.discard((callee, method))
        self.changed.beat()

    def hold_answers(self, callee: str, method: str) -> None:
        """Let *callee* carry out calls of *method* and keep the answers until `release_answers`."""
        self._answerless.add((callee, method))

    def release_answers(self, callee: str, method: str) -> None:
        self._answerless.discard((callee, method))
        self.changed.beat()

    def lose(self, callee: str, method: str) -> None:
        """Let the next call of *method* to *callee* vanish: nobody answers, and nothing fails."""
        self._losing.add((callee, method))

    def limit_fetches(self, callee: str, limit: int | None) -> None:
        """Let each fetch from *callee* hang after *limit* bytes; None lifts that."""
        if limit is None:
            self._fetch_limits.pop(callee, None)
        else:
            self._fetch_limits[callee] = limit
        self.changed.beat()

    def tamper(self, callee: str, tamper: Tamper) -> None:
        """Let *callee* send other blob bytes than it has."""
        self._tampered[callee] = tamper

    def tampered(self, callee: str, data: bytes) -> bytes:
        return self._tampered.get(callee, lambda same: same)(data)

    def fetch_limit(self, callee: str) -> float:
        return self._fetch_limits.get(callee, float("inf"))

    def reachable(self, a: str, b: str) -> bool:
        return b in self.services and a in self.services and frozenset((a, b)) not in self._cut

    async def arrive(self, caller: str, callee: str, method: str) -> PeerService:
        """Deliver a request: note it, let it wait while blocked, and return who serves it."""
        self.check(caller, callee)
        self.calls.append(Call(caller, callee, method))
        self.changed.beat()
        if callee in self._far:
            await asyncio.sleep(self._far[callee])
        lost = (callee, method) in self._losing
        self._losing.discard((callee, method))
        await self.changed.wait_until(
            lambda: (
                not (lost or (callee, method) in self._blocked or self._hangs(caller, callee))
                or not self.reachable(caller, callee)
            )
        )
        self.check(caller, callee)
        return self.services[callee]

    async def answered(self, caller: str, callee: str, method: str) -> None:
        """Deliver an answer."""
        await self.changed.wait_until(
            lambda: (
                not ((callee, method) in self._answerless or self._hangs(caller, callee))
                or not self.reachable(caller, callee)
            )
        )
        self.check(caller, callee)

    def _hangs(self, caller: str, callee: str) -> bool:
        return not self._stopped.isdisjoint((caller, callee))

    def check(self, caller: str, callee: str) -> None:
        if not self.reachable(caller, callee):
            raise PeerUnreachable(f"{caller} cannot reach {callee}")


class MemoryTransport:
    def __init__(self, network: Network, me: Member) -> None:
        self.network = network
        self.me = me

    def connect(self, address: str) -> "MemoryPeer":
        return MemoryPeer(self, address)


class MemoryPeer:
    def __init__(self, transport: MemoryTransport, address: str) -> None:
        self._transport = transport
        self._network = transport.network
        self._me = transport.me.rpc
        self._address = address
        self._pusher = asyncio.Lock()

    async def hello(self, greeting: Greeting) -> Greeting:
        service = await self._arrive("hello")
        answer = await service.hello(greeting)
        self._network.check(self._me, self._address)
        return answer

    async def probe(self, request: ProbeRequest) -> ProbeReply:
        service = await self._arrive("probe")
        reply = await service.probe(request)
        self._network.check(self._me, self._address)
        return reply

    async def push(
        self, sender: NodeId, stage: Stage, events: Sequence[Event], *, run: int = 0
    ) -> PushAnswer:
        async with self._pusher:
            service = await self._arrive("push")
            have = await service.push(sender, stage, events, run=run)
        await self._network.answered(self._me, self._address, "push")
        return have

    async def pull(
        self, reader: NodeId, stage: Stage, have: Vector, *, run: int = 0
    ) -> AsyncGenerator[Sequence[Event], None]:
        service = await self._arrive("pull")
        async with aclosing(service.pull(reader, stage, have, run=run)) as batches:
            async for batch in batches:
                self._network.check(self._me, self._address)
                yield batch
        self._network.check(self._me, self._address)

    async def fetch(self, digest: Digest, offset: int) -> AsyncGenerator[bytes, None]:
        service = await self._arrive("fetch")
        sent = 0
        async with aclosing(service.fetch(digest, offset)) as chunks:
            async for data in chunks:
                await self._network.changed.wait_until(
                    lambda: (
                        sent + len(data) <= self._network.fetch_limit(self._address)  # noqa: B023
                        or not self._network.reachable(self._me, self._address)
                    )
                )
                self._network.check(self._me, self._address)
                sent += len(data)
                yield self._network.tampered(self._address, data)

    async def hold(
        self, digest: Digest, size: int, sources: Sequence[NodeId], data: bytes | None
    ) -> int:
        service = await self._arrive("hold")
        seq = await service.hold(digest, size, sources, data)
        self._network.check(self._me, self._address)
        return seq

    async def checkpoint(
        self, reader: NodeId, number: int, after: bytes
    ) -> AsyncGenerator[CheckpointPiece, None]:
        service = await self._arrive("checkpoint")
        async with aclosing(service.checkpoint(reader, number, after)) as pieces:
            async for piece in pieces:
                self._network.check(self._me, self._address)
                yield piece
        self._network.check(self._me, self._address)

    async def compare(self, request: CompareRequest) -> CompareReply:
        service = await self._arrive("compare")
        reply = await service.compare(request)
        self._network.check(self._me, self._address)
        return reply

    async def tell(self, letter: bytes) -> None:
        service = await self._arrive("tell")
        await service.tell(letter)
        self._network.check(self._me, self._address)

    async def close(self) -> None:
        """Nothing is open between calls."""

    async def _arrive(self, method: str) -> PeerService:
        return await self._network.arrive(self._me, self._address, method)
