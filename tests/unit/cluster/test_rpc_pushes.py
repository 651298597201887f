"""The call that lasts: what one push leaves behind for the next one on its stream."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar

import pytest

from cluster.errors import PeerRefused, PeerUnreachable, StorageFailure
from cluster.messages import PushAnswer, Stage
from cluster.model import (
    Dot,
    Event,
    Key,
    NodeId,
)
from cluster.rpc.channel import RpcConfig
from cluster.rpc.client import GrpcPeer
from cluster.rpc.server import PeerServer
from tests.builders import roles_of
from tests.fakes.fleet import PATIENCE_S
from tests.fakes.log import MemoryLog

EVENTS = [
    Event(Dot("alice", 11, n), n << 20, "add", Key("manifests", "lib/app", "tag"), bytes([n]))
    for n in range(1, 4)
]
ORIGIN = EVENTS[0].origin
ALICE = NodeId("alice")
STAGE = Stage(1, 1)

request_id: ContextVar[str] = ContextVar("request_id")


class Service:
    """Says how far the events of a push went; fails or hangs as told."""

    def __init__(self) -> None:
        self.request_ids: list[str] = []
        self.error: Exception | None = None
        self.asked = asyncio.Event()
        self.hang = False
        self.hold: asyncio.Event | None = None
        self.taken: list[Event] = []

    async def push(
        self, sender: NodeId, stage: Stage, events: Sequence[Event], *, run: int = 0
    ) -> PushAnswer:
        self.request_ids.append(request_id.get(""))
        self.asked.set()
        if self.hold is not None:
            await self.hold.wait()
        if self.hang:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        self.taken.extend(events)
        return PushAnswer({event.origin: event.dot.seq for event in events})


@asynccontextmanager
async def connected(service: Service) -> AsyncIterator[tuple[GrpcPeer, PeerServer]]:
    """An hour of grace: a server that waits for its calls waits too long."""
    server = PeerServer(roles_of(service), request_id, MemoryLog(), RpcConfig(stop_grace_s=3600))
    address = f"127.0.0.1:{await server.start('127.0.0.1:0')}"
    peer = GrpcPeer(address, request_id, RpcConfig())
    try:
        yield peer, server
    finally:
        await peer.close()
        await asyncio.wait_for(server.stop(), PATIENCE_S)


async def test_pushes_share_a_call_and_so_carry_no_request_id():
    """One push has the events of many requests; the first one's id would be said of all."""
    service = Service()
    async with connected(service) as (peer, _):
        token = request_id.set("req-1")
        await peer.push(ALICE, STAGE, EVENTS)
        request_id.reset(token)
        await peer.push(ALICE, STAGE, EVENTS)
    assert service.request_ids == ["", ""]


async def test_a_late_answer_is_not_taken_for_the_next_one():
    """A push was given up: what it would have been answered says nothing of the one after it."""
    service = Service()
    service.hang = True
    async with connected(service) as (peer, _), asyncio.timeout(PATIENCE_S):
        async with asyncio.TaskGroup() as group:
            task = group.create_task(peer.push(ALICE, STAGE, EVENTS[:1]))
            await service.asked.wait()
            task.cancel()
        service.hang = False
        assert await peer.push(ALICE, STAGE, EVENTS) == PushAnswer({ORIGIN: 3})
        assert await peer.push(ALICE, STAGE, EVENTS[:2]) == PushAnswer({ORIGIN: 2})


async def test_a_failed_push_does_not_fail_the_next_one():
    service = Service()
    async with connected(service) as (peer, _):
        await peer.push(ALICE, STAGE, EVENTS)
        service.error = StorageFailure("Input/output error")
        with pytest.raises(PeerRefused):
            await peer.push(ALICE, STAGE, EVENTS)
        service.error = None
        assert await peer.push(ALICE, STAGE, EVENTS) == PushAnswer({ORIGIN: 3})


async def test_an_idle_push_call_does_not_hold_up_a_stop():
    """It lasts as long as the link: each stop of a node would take all of the grace time."""
    async with connected(Service()) as (peer, server):
        await peer.push(ALICE, STAGE, EVENTS)
        await asyncio.wait_for(server.stop(), PATIENCE_S)
        with pytest.raises(PeerUnreachable):
            await peer.push(ALICE, STAGE, EVENTS)


async def test_pushes_under_way_together_arrive_in_order():
    """On a long link the next batch does not wait for the answer to the last one."""
    service = Service()
    service.hold = asyncio.Event()
    async with connected(service) as (peer, _), asyncio.timeout(PATIENCE_S):
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(peer.push(ALICE, STAGE, [event])) for event in EVENTS]
            await service.asked.wait()
            service.hold.set()
        assert [task.result().have for task in tasks] == [{ORIGIN: n} for n in (1, 2, 3)]
        assert service.taken == EVENTS


async def test_a_push_behind_one_that_is_given_up_is_not_answered():
    """The stream is gone that would bring it."""
    service = Service()
    service.hang = True
    async with connected(service) as (peer, _), asyncio.timeout(PATIENCE_S):
        first = asyncio.create_task(peer.push(ALICE, STAGE, EVENTS[:1]))
        behind = [asyncio.create_task(peer.push(ALICE, STAGE, [event])) for event in EVENTS[1:]]
        await service.asked.wait()
        first.cancel()
        for task in behind:
            with pytest.raises(PeerUnreachable):
                await task
        service.hang = False
        assert await peer.push(ALICE, STAGE, EVENTS) == PushAnswer({ORIGIN: 3})
