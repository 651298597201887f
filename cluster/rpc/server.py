"""What peers call, over gRPC."""

import asyncio
import errno
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from contextvars import ContextVar
from typing import TypeVar

import grpc
import grpc.aio

from cluster.errors import PeerUnreachable
from cluster.peer import PeerService
from cluster.ports import Log
from cluster.rpc import codec
from cluster.rpc.channel import REQUEST_ID, RpcConfig, listen, server_options
from cluster.rpc.errors import ERROR_KEY, to_wire
from cluster.rpc.pushes import Idlers
from protos import cluster_pb2 as pb
from protos.cluster_pb2_grpc import ClusterServicer, add_ClusterServicer_to_server

T = TypeVar("T")


class PeerServer:
    """Serves a `PeerService` on one address. Belongs to the event loop it is started on."""

    def __init__(
        self,
        service: PeerService,
        request_id: ContextVar[str],
        log: Log,
        config: RpcConfig | None = None,
    ) -> None:
        """*request_id* is set to the caller's while a call is handled."""
        self._config = config or RpcConfig()
        self._servicer = _Servicer(service, request_id, log, self._config.write_timeout_s)
        self._server: grpc.aio.Server | None = None

    async def start(self, address: str) -> int:
        """
        Listen on *address* (host:port; port 0 takes a free one) and return the port.

        Raises:
            OSError: the address cannot be used, usually because it is taken.
        """
        server = grpc.aio.server(
            options=server_options(self._config),
            maximum_concurrent_rpcs=self._config.calls_max,
        )
        add_ClusterServicer_to_server(self._servicer, server)
        try:
            port = listen(server, address)
        except RuntimeError as exc:
            raise OSError(errno.EADDRINUSE, f"cannot listen on {address}") from exc
        await server.start()
        self._server = server
        return port

    async def stop(self) -> None:
        """Refuse new calls, let running ones end for a moment, then cut them off."""
        if self._server is not None:
            self._servicer.end_pushes()
            await self._server.stop(self._config.stop_grace_s)
            self._server = None


class _Servicer(ClusterServicer):
    """Translates; decides nothing."""

    def __init__(
        self,
        service: PeerService,
        request_id: ContextVar[str],
        log: Log,
        write_timeout_s: float,
    ) -> None:
        self._service = service
        self._request_id = request_id
        self._log = log
        self._write_timeout_s = write_timeout_s
        self._pushers = Idlers()

    def end_pushes(self) -> None:
        """Take no more of them, and let those end that are being answered."""
        self._pushers.end()

    async def Hello(self, request: pb.Greeting, context: grpc.aio.ServicerContext) -> pb.Greeting:
        async def answer() -> pb.Greeting:
            return codec.write_greeting(self._service.on_hello(codec.read_greeting(request)))

        return await self._unary(context, answer())

    async def Probe(
        self, request: pb.ProbeRequest, context: grpc.aio.ServicerContext
    ) -> pb.ProbeReply:
        async def answer() -> pb.ProbeReply:
            return codec.write_probe_reply(await self._service.on_probe(codec.read_probe(request)))

        return await self._unary(context, answer())

    async def Push(  # type: ignore[override]  # The library takes coroutines too.
        self, _: object, context: grpc.aio.ServicerContext
    ) -> None:
        async def answers() -> AsyncGenerator[pb.PushReply, None]:
            while (request := await self._pushers.next(context)) is not None:
                sender = codec.read_node(request.sender)
                have = await self._service.on_push(sender, codec.read_events(request.events))
                yield pb.PushReply(have=codec.write_vector(have))

        await self._stream(context, answers())

    async def HoldBlob(
        self, request: pb.HoldBlobRequest, context: grpc.aio.ServicerContext
    ) -> pb.HoldBlobReply:
        async def answer() -> pb.HoldBlobReply:
            seq = await self._service.on_hold(
                codec.read_digest(request.digest),
                request.size,
                [codec.read_node(node) for node in request.sources],
                request.data if request.HasField("data") else None,
            )
            return pb.HoldBlobReply(seq=seq)

        return await self._unary(context, answer())

    async def Compare(
        self, request: pb.CompareRequest, context: grpc.aio.ServicerContext
    ) -> pb.CompareReply:
        async def answer() -> pb.CompareReply:
            asked = codec.read_comparison(request)
            return codec.write_comparison_reply(await self._service.on_compare(asked))

        return await self._unary(context, answer())

    async def Pull(  # type: ignore[override]  # The same.
        self, request: pb.PullRequest, context: grpc.aio.ServicerContext
    ) -> None:
        async def answer() -> AsyncGenerator[pb.EventBatch, None]:
            async with aclosing(self._service.on_pull(codec.read_vector(request.have))) as batches:
                async for events in batches:
                    yield pb.EventBatch(events=codec.write_events(events))

        await self._stream(context, answer())

    async def FetchBlob(  # type: ignore[override]  # The same.
        self, request: pb.FetchBlobRequest, context: grpc.aio.ServicerContext
    ) -> None:
        async def answer() -> AsyncGenerator[pb.BlobChunk, None]:
            digest = codec.read_digest(request.digest)
            first = True
            async with aclosing(self._service.on_fetch(digest, request.offset)) as chunks:
                async for size, data in chunks:
                    yield pb.BlobChunk(size=size if first else 0, data=data)
                    first = False

        await self._stream(context, answer())

    async def Checkpoint(  # type: ignore[override]  # The same.
        self, request: pb.CheckpointRequest, context: grpc.aio.ServicerContext
    ) -> None:
        async def answer() -> AsyncGenerator[pb.CheckpointPiece, None]:
            first = True
            stream = self._service.on_checkpoint(
                codec.read_node(request.reader), request.number, request.after
            )
            async with aclosing(stream) as pieces:
                async for piece in pieces:
                    yield codec.write_checkpoint_piece(piece, with_head=first)
                    first = False

        await self._stream(context, answer())

    async def _unary(self, context: grpc.aio.ServicerContext, answer: Awaitable[T]) -> T:
        self._adopt_request_id(context)
        try:
            return await answer
        except Exception as exc:  # noqa: BLE001 - the outermost edge of a call
            return await self._abort(context, exc)

    async def _stream(
        self, context: grpc.aio.ServicerContext, answer: AsyncGenerator[object, None]
    ) -> None:
        """
        Send each message as it comes; waits for a caller that does not read, but not for ever.

        Not a generator on purpose: the library leaves a generator whose call was cancelled to
        the garbage collector, and with it the files and transactions that it holds open.
        """
        self._adopt_request_id(context)
        try:
            async with aclosing(answer):
                async for message in answer:
                    await self._write(context, message)
        except Exception as exc:  # noqa: BLE001 - the outermost edge of a call
            # Behind a message that nobody reads this waits as well, but keeps nothing open.
            await self._abort(context, exc)

    async def _write(self, context: grpc.aio.ServicerContext, message: object) -> None:
        try:
            async with asyncio.timeout(self._write_timeout_s):
                await context.write(message)
        except TimeoutError as exc:
            raise PeerUnreachable(f"nothing was read for {self._write_timeout_s:g} s") from exc

    def _adopt_request_id(self, context: grpc.aio.ServicerContext) -> None:
        # Each call is handled in a task of its own, so there is nothing to set back.
        for key, value in context.invocation_metadata() or ():
            if key == REQUEST_ID:
                self._request_id.set(value)

    async def _abort(self, context: grpc.aio.ServicerContext, error: Exception) -> T:
        """Answer with *error*; never returns. A bug ends its call only, and leaves a traceback."""
        wire = to_wire(error)
        if wire is None:
            self._log.warning("call failed", exc_info=error)
            await context.abort(grpc.StatusCode.INTERNAL, "internal error")
        else:
            await context.abort(wire.status, str(error), ((ERROR_KEY, wire.name),))
        raise AssertionError("abort raises")
