"""The call that lasts: one stream of pushes and answers for each direction of a link."""

import asyncio
from typing import TypeAlias

import grpc
import grpc.aio

from cluster.errors import PeerUnreachable
from protos import cluster_pb2 as pb
from protos.cluster_pb2_grpc import ClusterStub

PushStream: TypeAlias = grpc.aio.StreamStreamCall[pb.PushRequest, pb.PushReply]


class PushCall:
    """
    The caller's end. Opened with the first push, and anew after one that was not answered: an
    answer that nobody waited for must not be taken for that of the next push.
    """

    def __init__(self, stub: ClusterStub) -> None:
        self._stub = stub
        self._open: _Exchanges | None = None

    async def exchange(self, request: pb.PushRequest) -> pb.PushReply:
        """
        Send *request* and return its answer. Cancelling ends the call at the other side too.

        Raises:
            asyncio.CancelledError, asyncio.InvalidStateError: one on the same stream was given up.
            PeerUnreachable: the peer ended the stream, as one that stops does.
            grpc.aio.AioRpcError: the call failed.
        """
        if self._open is None or self._open.over:
            self._open = _Exchanges(self._stub.Push())
        return await self._open.exchange(request)


class _Exchanges:
    """Requests and answers of one stream. Both pass in order, so several may be under way."""

    def __init__(self, call: PushStream) -> None:
        self._call = call
        # Locks let in whoever asks in the order in which they ask.
        self._writing = asyncio.Lock()
        self._reading = asyncio.Lock()
        self._given_up = False

    @property
    def over(self) -> bool:
        return self._given_up or self._call.done()

    async def exchange(self, request: pb.PushRequest) -> pb.PushReply:
        answered = False
        try:
            async with self._writing:
                await self._call.write(request)
            async with self._reading:
                reply = await self._call.read()
            if not isinstance(reply, pb.PushReply):
                raise PeerUnreachable("the peer takes no more events")
            answered = True
        finally:
            if not answered:
                self._given_up = True
                self._call.cancel()
        return reply


class Idlers:
    """The server's ends that wait for the next push: they hold up nothing when it stops."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Task[object]] = set()
        self._ended = asyncio.Event()

    async def next(
        self, context: grpc.aio.ServicerContext[pb.PushRequest, pb.PushReply]
    ) -> pb.PushRequest | None:
        """The next request of a call; None when there are no more, or `end` was called."""
        if self._ended.is_set():
            return None
        task = asyncio.current_task()
        assert task is not None, "calls are handled in tasks"
        self._waiting.add(task)
        try:
            request = await context.read()
        except asyncio.CancelledError:
            if not self._ended.is_set():
                raise
            return None
        finally:
            self._waiting.discard(task)
        return None if request is grpc.aio.EOF else request

    def end(self) -> None:
        """Let every call end that is waiting for a request, or comes to."""
        self._ended.set()
        for task in self._waiting:
            task.cancel()
