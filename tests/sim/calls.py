"""Calls between simulated nodes, as they travel over `network.Network`: `Transport` and `Peer`."""

import asyncio
import inspect
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Final

from cluster.driver.service import Service
from cluster.errors import PeerUnreachable
from cluster.model import Member
from cluster.peer import BlobCalls, ControlCalls, EventCalls, Peer, PresenceCalls
from cluster.rpc.errors import from_wire, to_wire
from tests.sim.loop import PROCESS, Process
from tests.sim.network import KEEPALIVE_S, LAN_S, Endpoint, Network

DEADLINE_S: Final = 30.0
"""Backstop of calls with one answer (`RpcConfig.unary_deadline_s`)."""

WINDOW: Final = 8
"""Stream items on their way before the sender waits, as HTTP/2 flow control would have it."""

PATIENT: Final = frozenset({"hold"})
"""Calls that the client gives no deadline of its own. The engine does, by the size of the blob."""

_END: Final = object()


class SimTransport:
    def __init__(self, network: Network, me: Member) -> None:
        self.network = network
        self.me = me

    def connect(self, address: str) -> Peer:
        peer: Any = SimPeer(self, address)
        return Peer(peer, peer, peer, peer, peer.close)


class _InOrder:
    """
    Messages of a stream, one way: none overtakes another, nor arrives without those before it.

    What comes behind one that a partition holds back waits for that; behind a lost one, for ever.
    """

    def __init__(self, network: Network, source: str, target: str) -> None:
        self._network = network
        self._pair = source, target
        self._last_arrival = 0.0
        self._missing: Callable[[], None] | None = None
        self._behind: list[Callable[[], None]] = []

    def send(self, deliver: Callable[[], None]) -> None:
        if self._missing is not None:
            self._behind.append(deliver)
            return

        def arrive() -> None:
            deliver()
            if self._missing is arrive:
                self._go_on()

        at = self._network.send(*self._pair, arrive, self._last_arrival)
        if at is None:
            self._missing = arrive
        else:
            self._last_arrival = at

    def _go_on(self) -> None:
        self._missing = None
        behind, self._behind = self._behind, []
        for deliver in behind:
            self.send(deliver)


class Call:
    """One call: the caller waits here, the callee works for it over there."""

    number = 0

    def __init__(self, peer: "SimPeer", method: str, args: tuple[Any, ...], kwargs: Any) -> None:
        self.network = peer.network
        self.caller = peer.me
        self.callee = peer.address
        self.caller_process = PROCESS.get()
        self.callee_process: Process | None = None
        self.method = method
        self.args = args
        self.kwargs = kwargs
        self.digest = args[0] if method in ("fetch", "hold") and args else None
        self._work: asyncio.Task[Any] | None = None
        self.done = False

    def start(self) -> None:
        self.network.open(self)
        self._send_request(self._arrive)
        if not self.network.is_open(self.caller, self.callee) or self.callee in self.network.dark:
            self.network._later(KEEPALIVE_S, self.fail_if_silent)

    def _send_request(self, deliver: Callable[[], None]) -> None:
        self.network.send(self.caller, self.callee, deliver)

    def _send_answer(self, deliver: Callable[[], None]) -> None:
        self.network.send(self.callee, self.caller, deliver)

    def end(self) -> None:
        """The caller has what it wanted, or wants it no more."""
        self.network.close(self)
        if not self.done:
            self.done = True
            self.network.send(self.caller, self.callee, self.cancel_here)

    def _arrive(self) -> None:
        network = self.network
        endpoint = network.endpoints.get(self.callee)
        if endpoint is None:
            if self.callee not in network.dark:
                network.send(self.callee, self.caller, self.reset)
            return
        network.trace(self.caller, self.callee, self.method)
        self.callee_process = endpoint.process
        if endpoint.process.paused:
            network._later(KEEPALIVE_S, self.fail_if_silent)
        self.serve(endpoint)

    def serve(self, endpoint: Endpoint) -> None:
        raise NotImplementedError

    def fail(self, error: Exception) -> None:
        raise NotImplementedError

    def reset(self) -> None:
        """The other end is gone, and its machine says so."""
        self.fail(PeerUnreachable(f"connection to {self.callee} refused or reset"))

    def fail_if_silent(self) -> None:
        network = self.network
        silent = (
            not network.is_open(self.caller, self.callee)
            or self.callee in network.dark
            or (self.callee_process is not None and self.callee_process.paused)
        )
        if silent and not self.done:
            self.fail(PeerUnreachable(f"keepalive to {self.callee} timed out"))

    def cancel_here(self) -> None:
        """At the callee: the caller has gone."""
        if self._work is not None and not self._work.done():
            process = self.callee_process
            assert process is not None
            # As a handle of the callee's: a paused process hears of it when it goes on.
            self.network.loop.call_soon(self._work.cancel, context=process.context)

    def translated(self, exc: Exception) -> Exception:
        """*exc* as the wire brings it to the caller."""
        wire = to_wire(exc)
        if wire is None:
            self.network.bugs.append(f"{self.method} at {self.callee}: {exc!r}")
            return PeerUnreachable(f"INTERNAL: {exc!r}")
        return from_wire(wire.status, wire.name, str(exc), self.digest)


class _Unary(Call):
    def __init__(self, peer: "SimPeer", method: str, args: tuple[Any, ...], kwargs: Any) -> None:
        super().__init__(peer, method, args, kwargs)
        self.answer: asyncio.Future[Any] = self.network.loop.create_future()

    async def result(self) -> Any:
        self.start()
        timer = None
        if self.method not in PATIENT:
            timer = self.network.loop.call_later(
                DEADLINE_S, self.fail, PeerUnreachable("deadline"), context=self.network._context
            )
        try:
            return await self.answer
        finally:
            if timer is not None:
                timer.cancel()
            self.end()

    def serve(self, endpoint: Endpoint) -> None:
        handler = getattr(endpoint.service, self.method)
        self._work = endpoint.process.spawn(self._work_on(handler))
        if self.network.twice():
            endpoint.process.spawn(self._work_on(handler))

    async def _work_on(self, handler: Callable[..., Any]) -> None:
        try:
            self._reply(await handler(*self.args, **self.kwargs), None)
        except Exception as exc:  # noqa: BLE001 - as the server does
            self._reply(None, self.translated(exc))

    def _reply(self, result: Any, error: Exception | None) -> None:
        self._send_answer(lambda: self._settle(result, error))

    def _settle(self, result: Any, error: Exception | None) -> None:
        self.done = True
        if error is None and not self.answer.done():
            self.answer.set_result(result)
        elif error is not None:
            self.fail(error)

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)
            self.answer.exception()  # a caller that was killed will not retrieve it


class _Pushes:
    """The stream that the pushes of a link share: in order, until one is not answered."""

    def __init__(self, peer: "SimPeer") -> None:
        self.calls: list[_Push] = []
        self.over = False
        self.failed = False
        self.turn = asyncio.Lock()
        self.requests = _InOrder(peer.network, peer.me, peer.address)
        self.answers = _InOrder(peer.network, peer.address, peer.me)


class _Push(_Unary):
    def __init__(self, peer: "SimPeer", method: str, args: tuple[Any, ...], kwargs: Any) -> None:
        super().__init__(peer, method, args, kwargs)
        if peer.pushes.over:
            peer.pushes = _Pushes(peer)
        self._stream = peer.pushes

    async def result(self) -> Any:
        stream = self._stream
        stream.calls.append(self)
        try:
            reply = await super().result()
        except BaseException:
            stream.over = True
            for call in stream.calls:
                call.fail(PeerUnreachable("a push before this one was given up"))
            raise
        finally:
            stream.calls.remove(self)
        return reply

    async def _work_on(self, handler: Callable[..., Any]) -> None:
        async with self._stream.turn:
            if not self._stream.failed:
                await super()._work_on(handler)

    def _reply(self, result: Any, error: Exception | None) -> None:
        # The first error is the stream's: the callee takes no more from it.
        self._stream.failed |= error is not None
        super()._reply(result, error)

    def _send_request(self, deliver: Callable[[], None]) -> None:
        self._stream.requests.send(deliver)

    def _send_answer(self, deliver: Callable[[], None]) -> None:
        self._stream.answers.send(deliver)


class _Stream(Call):
    def __init__(self, peer: "SimPeer", method: str, args: tuple[Any, ...], kwargs: Any) -> None:
        super().__init__(peer, method, args, kwargs)
        self._items: deque[Any] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._answers = _InOrder(self.network, self.callee, self.caller)
        self._in_flight = 0
        self._room: asyncio.Future[None] | None = None

    async def items(self) -> AsyncGenerator[Any, None]:
        self.start()
        try:
            while True:
                while not self._items:
                    self._waiter = self.network.loop.create_future()
                    await self._waiter
                item = self._items.popleft()
                if item is _END:
                    return
                if isinstance(item, Exception):
                    raise item
                self._in_flight -= 1
                if self._room is not None:
                    self.network._later(LAN_S, self._make_room)
                yield item
        finally:
            self.end()

    def serve(self, endpoint: Endpoint) -> None:
        self._work = endpoint.process.spawn(self._produce(endpoint.service))

    async def _produce(self, service: Service) -> None:
        last: Any = _END
        try:
            source = getattr(service, self.method)(*self.args, **self.kwargs)
            async with aclosing(source) as items:
                async for item in items:
                    while self._in_flight >= WINDOW:
                        self._room = self.network.loop.create_future()
                        await self._room
                    self._in_flight += 1
                    self._send_item(item)
        except Exception as exc:  # noqa: BLE001 - as the server does
            last = self.translated(exc)
        self._send_item(last)

    def _send_item(self, item: Any) -> None:
        self._answers.send(lambda: self._receive(item))

    def _receive(self, item: Any) -> None:
        if item is _END or isinstance(item, Exception):
            self.done = True
        self._items.append(item)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _make_room(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None

    def fail(self, error: Exception) -> None:
        self._receive(error)


class SimPeer:
    """
    All roles of `Peer` over the simulated network.

    The methods are made from the ports below, so a call that one gains is carried as well.
    """

    def __init__(self, transport: SimTransport, address: str) -> None:
        self.network = transport.network
        self.transport = transport
        self.me = transport.me.rpc
        self.address = address
        self.pushes = _Pushes(self)
        self._calls: set[Call] = set()
        self._closed = False

    async def _unary(self, method: str, args: tuple[Any, ...], kwargs: Any) -> Any:
        if self._closed:
            raise PeerUnreachable("the link is closed")
        call = (_Push if method == "push" else _Unary)(self, method, args, kwargs)
        self._calls.add(call)
        try:
            return await call.result()
        finally:
            self._calls.discard(call)

    async def _stream(
        self, method: str, args: tuple[Any, ...], kwargs: Any
    ) -> AsyncGenerator[Any, None]:
        if self._closed:
            raise PeerUnreachable("the link is closed")
        call = _Stream(self, method, args, kwargs)
        self._calls.add(call)
        try:
            async with aclosing(call.items()) as items:
                async for item in items:
                    yield item
        finally:
            self._calls.discard(call)

    async def close(self) -> None:
        self._closed = True
        for call in sorted(self._calls, key=lambda call: call.number):
            call.fail(PeerUnreachable("the link was closed during the call"))


def _carry(name: str, port: Callable[..., Any]) -> Callable[..., Any]:
    """A method that carries the calls of *port*, a method of one of the roles."""

    def stream(self: SimPeer, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        return self._stream(name, args, kwargs)

    async def unary(self: SimPeer, *args: Any, **kwargs: Any) -> Any:
        return await self._unary(name, args, kwargs)

    return unary if inspect.iscoroutinefunction(port) else stream


for _role in (PresenceCalls, EventCalls, BlobCalls, ControlCalls):
    for _name, _member in vars(_role).items():
        if inspect.isfunction(_member) and not _name.startswith("_"):
            setattr(SimPeer, _name, _carry(_name, _member))
