"""A network in one process: connects engines, and can be cut, blocked and made to lie."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from typing import NamedTuple, TypeVar

from cluster.driver.service import Service
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
from cluster.peer import Peer
from cluster.rpc.errors import from_wire, to_wire
from cluster.tasks.pulse import Pulse

T = TypeVar("T")

Tamper = Callable[[bytes], bytes]


class Call(NamedTuple):
    """One call that arrived at *callee*, both by address."""

    caller: str
    callee: str
    method: str


class Network:
    """
    Carries calls between engines, whose services have all roles.

    A cut link loses requests and answers: a call that was under way fails, though the callee may
    have carried it out. That is what real networks do, and why every call is idempotent.
    """

    def __init__(self) -> None:
        self.services: dict[str, Service] = {}
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

    async def arrive(self, caller: str, callee: str, method: str) -> Service:
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

    def connect(self, address: str) -> Peer:
        return MemoryPeer(self, address).roles


class MemoryPeer:
    """All roles of `Peer`, and of the engine at the other end."""

    def __init__(self, transport: MemoryTransport, address: str) -> None:
        self._transport = transport
        self._network = transport.network
        self._me = transport.me.rpc
        self._address = address
        self._pusher = asyncio.Lock()
        self._pushes: asyncio.Future[None] | None = None
        """Done once one of the pushes that are under way failed, or was given up."""

    @property
    def roles(self) -> Peer:
        return Peer(self, self, self, self, self.close)

    async def hello(self, greeting: Greeting) -> Greeting:
        return await self._ask("hello", lambda service: service.hello(greeting))

    async def probe(self, request: ProbeRequest) -> ProbeReply:
        return await self._ask("probe", lambda service: service.probe(request))

    async def push(
        self, sender: NodeId, stage: Stage, events: Sequence[Event], *, run: int = 0
    ) -> PushAnswer:
        if self._pushes is None or self._pushes.done():
            self._pushes = asyncio.get_running_loop().create_future()
        over = self._pushes
        work = asyncio.ensure_future(self._push(sender, stage, events, run))
        try:
            await asyncio.wait((work, over), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise PeerUnreachable("a push before this one was given up")
            return work.result()
        except BaseException:
            if not over.done():
                over.set_result(None)
            raise
        finally:
            work.cancel()

    async def _push(
        self, sender: NodeId, stage: Stage, events: Sequence[Event], run: int
    ) -> PushAnswer:
        async with self._pusher:
            service = await self._arrive("push")
            with as_on_the_wire():
                have = await service.push(sender, stage, events, run=run)
        await self._network.answered(self._me, self._address, "push")
        return have

    def pull(
        self, reader: NodeId, stage: Stage, have: Vector, *, run: int = 0
    ) -> AsyncGenerator[Sequence[Event], None]:
        return self._read("pull", lambda service: service.pull(reader, stage, have, run=run))

    async def fetch(self, digest: Digest, offset: int) -> AsyncGenerator[bytes, None]:
        service = await self._arrive("fetch")
        sent = 0
        with as_on_the_wire(digest):
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
        return await self._ask(
            "hold", lambda service: service.hold(digest, size, sources, data), digest
        )

    def checkpoint(
        self, reader: NodeId, number: int, after: bytes
    ) -> AsyncGenerator[CheckpointPiece, None]:
        return self._read("checkpoint", lambda service: service.checkpoint(reader, number, after))

    async def compare(self, request: CompareRequest) -> CompareReply:
        return await self._ask("compare", lambda service: service.compare(request))

    async def tell(self, letter: bytes) -> None:
        await self._ask("tell", lambda service: service.tell(letter))

    async def close(self) -> None:
        """Nothing is open between calls."""

    async def _arrive(self, method: str) -> Service:
        return await self._network.arrive(self._me, self._address, method)

    async def _ask(
        self, method: str, call: Callable[[Service], Awaitable[T]], digest: Digest | None = None
    ) -> T:
        service = await self._arrive(method)
        with as_on_the_wire(digest):
            answer = await call(service)
        self._network.check(self._me, self._address)
        return answer

    async def _read(
        self, method: str, call: Callable[[Service], AsyncGenerator[T, None]]
    ) -> AsyncGenerator[T, None]:
        service = await self._arrive(method)
        with as_on_the_wire():
            async with aclosing(call(service)) as items:
                async for item in items:
                    self._network.check(self._me, self._address)
                    yield item
        self._network.check(self._me, self._address)


@contextmanager
def as_on_the_wire(digest: Digest | None = None) -> Iterator[None]:
    """Let errors become what a caller sees of them over gRPC; a bug stays one."""
    try:
        yield
    except Exception as exc:
        wire = None if isinstance(exc, PeerUnreachable) else to_wire(exc)
        if wire is None:
            raise
        raise from_wire(wire.status, wire.name, str(exc), digest) from exc
