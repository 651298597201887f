"""What peers call, over gRPC."""

import asyncio
import errno
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from contextvars import ContextVar
from typing import Any, NoReturn, TypeAlias

import grpc
import grpc.aio

from cluster.errors import PeerUnreachable
from cluster.model import Digest
from cluster.peer import PeerService
from cluster.ports import Log
from cluster.rpc import codec
from cluster.rpc.channel import REQUEST_ID, RpcConfig, listen, server_options
from cluster.rpc.errors import ERROR_KEY, to_wire
from cluster.rpc.pushes import Idlers
from protos import cluster_pb2 as pb
from protos.cluster_pb2_grpc import ClusterServicer, add_ClusterServicer_to_server

Context: TypeAlias = grpc.aio.ServicerContext


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


def _unary(answer: Callable[["_Servicer", Any], Awaitable[object]]) -> Any:
    """A call with one answer."""

    async def handle(servicer: "_Servicer", request: object, context: Context) -> object:
        servicer.adopt_request_id(context)
        try:
            return await answer(servicer, request)
        except Exception as exc:  # noqa: BLE001 - the outermost edge of a call
            return await servicer.abort(context, exc)

    return handle


def _stream(
    answers: Callable[["_Servicer", Any, Context], AsyncGenerator[object, None]],
) -> Any:
    """
    A call that sends each message as it comes; it waits for a caller that does not read, but not
    for ever.

    Not a generator on purpose: the library leaves a generator whose call was cancelled to the
    garbage collector, and with it the files and transactions that it holds open.
    """

    async def handle(servicer: "_Servicer", request: object, context: Context) -> None:
        servicer.adopt_request_id(context)
        try:
            async with aclosing(answers(servicer, request, context)) as messages:
                async for message in messages:
                    await servicer.write(context, message)
        except Exception as exc:  # noqa: BLE001 - the outermost edge of a call
            # Behind a message that nobody reads this waits as well, but keeps nothing open.
            await servicer.abort(context, exc)

    return handle


class _Servicer(ClusterServicer):
    """Translates; decides nothing."""

    def __init__(
        self, service: PeerService, request_id: ContextVar[str], log: Log, write_timeout_s: float
    ) -> None:
        self._service = service
        self._request_id = request_id
        self._log = log
        self._write_timeout_s = write_timeout_s
        self._pushers = Idlers()

    def end_pushes(self) -> None:
        """Take no more of them, and let those end that are being answered."""
        self._pushers.end()

    @_unary
    async def Hello(self, request: pb.Greeting) -> pb.Greeting:
        answer = await self._service.presence.hello(codec.GREETING.read(request))
        return codec.GREETING.write(answer)

    @_unary
    async def Probe(self, request: pb.ProbeRequest) -> pb.ProbeReply:
        reply = await self._service.presence.probe(codec.PROBE.read(request))
        return codec.PROBE_REPLY.write(reply)

    @_unary
    async def Compare(self, request: pb.CompareRequest) -> pb.CompareReply:
        asked = codec.COMPARISON.read(request)
        return codec.COMPARISON_REPLY.write(await self._service.events.compare(asked))

    @_unary
    async def Tell(self, request: pb.ControlLetter) -> pb.ControlReceipt:
        await self._service.control.tell(request.letter)
        return pb.ControlReceipt()

    @_unary
    async def HoldBlob(self, request: pb.HoldBlobRequest) -> pb.HoldBlobReply:
        seq = await self._service.blobs.hold(
            Digest.parse(request.digest),
            request.size,
            [codec.read_node(node) for node in request.sources],
            request.data if request.HasField("data") else None,
        )
        return pb.HoldBlobReply(seq=seq)

    @_stream
    async def Push(self, _: object, context: Context) -> AsyncGenerator[pb.PushReply, None]:
        while (request := await self._pushers.next(context)) is not None:
            sender = codec.read_node(request.sender)
            stage = codec.STAGE.read(request.stage)
            events = codec.read_events(request.events)
            answer = await self._service.events.push(sender, stage, events, run=request.run)
            yield codec.PUSH_ANSWER.write(answer)

    @_stream
    async def Pull(
        self, request: pb.PullRequest, _: Context
    ) -> AsyncGenerator[pb.EventBatch, None]:
        reader, stage = codec.read_node(request.reader), codec.STAGE.read(request.stage)
        have = codec.read_vector(request.have)
        pulled = self._service.events.pull(reader, stage, have, run=request.run)
        async with aclosing(pulled) as batches:
            async for events in batches:
                yield pb.EventBatch(events=codec.write_events(events))

    @_stream
    async def FetchBlob(
        self, request: pb.FetchBlobRequest, _: Context
    ) -> AsyncGenerator[pb.BlobChunk, None]:
        digest = Digest.parse(request.digest)
        async with aclosing(self._service.blobs.fetch(digest, request.offset)) as chunks:
            async for data in chunks:
                yield pb.BlobChunk(data=data)

    @_stream
    async def Checkpoint(
        self, request: pb.CheckpointRequest, _: Context
    ) -> AsyncGenerator[pb.CheckpointPiece, None]:
        reader, with_head = codec.read_node(request.reader), True
        stream = self._service.events.checkpoint(reader, request.number, request.after)
        async with aclosing(stream) as pieces:
            async for piece in pieces:
                yield codec.write_checkpoint_piece(piece, with_head=with_head)
                with_head = False

    async def write(self, context: Context, message: object) -> None:
        try:
            async with asyncio.timeout(self._write_timeout_s):
                await context.write(message)
        except TimeoutError as exc:
            raise PeerUnreachable(f"nothing was read for {self._write_timeout_s:g} s") from exc

    def adopt_request_id(self, context: Context) -> None:
        # Each call is handled in a task of its own, so there is nothing to set back.
        for key, value in context.invocation_metadata() or ():
            if key == REQUEST_ID:
                self._request_id.set(value)

    async def abort(self, context: Context, error: Exception) -> NoReturn:
        """Answer with *error*; never returns. A bug ends its call only, and leaves a traceback."""
        wire = to_wire(error)
        if wire is None:
            self._log.warning("call failed", exc_info=error)
            await context.abort(grpc.StatusCode.INTERNAL, "internal error")
        else:
            await context.abort(wire.status, str(error), ((ERROR_KEY, wire.name),))
        raise AssertionError("abort raises")
