"""Calls to peers over gRPC: the `Transport` of a real node."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import grpc
import grpc.aio

from cluster.errors import PeerRefused, PeerUnreachable
from cluster.model import (
    CheckpointHead,
    CheckpointPiece,
    CompareReply,
    CompareRequest,
    Digest,
    Event,
    Greeting,
    NodeId,
    ProbeReply,
    ProbeRequest,
    Vector,
)
from cluster.rpc import codec
from cluster.rpc.channel import REQUEST_ID, RpcConfig, open_channel
from cluster.rpc.errors import ERROR_KEY, from_wire
from cluster.rpc.pushes import PushCall
from protos import cluster_pb2 as pb
from protos.cluster_pb2_grpc import ClusterStub


class GrpcTransport:
    """Opens links in the name of one node."""

    def __init__(
        self,
        me: NodeId,
        request_id: ContextVar[str],
        config: RpcConfig | None = None,
    ) -> None:
        """The value of *request_id* at a call, if any, travels along with it."""
        self._me = me
        self._request_id = request_id
        self._config = config or RpcConfig()

    def connect(self, address: str) -> "GrpcPeer":
        return GrpcPeer(address, self._me, self._request_id, self._config)


class GrpcPeer:
    """One channel to one peer."""

    def __init__(
        self,
        address: str,
        me: NodeId,
        request_id: ContextVar[str],
        config: RpcConfig,
    ) -> None:
        self._me = me
        self._request_id = request_id
        self._deadline_s = config.unary_deadline_s
        self._channel = open_channel(address, config)
        self._stub = ClusterStub(self._channel)
        self._pushes = PushCall(self._stub)

    async def hello(self, greeting: Greeting) -> Greeting:
        request = codec.write_greeting(greeting)
        with _domain_errors():
            reply = await self._stub.Hello(
                request, timeout=self._deadline_s, metadata=self._metadata()
            )
            return codec.read_greeting(reply)

    async def probe(self, request: ProbeRequest) -> ProbeReply:
        with _domain_errors():
            reply = await self._stub.Probe(
                codec.write_probe(request), timeout=self._deadline_s, metadata=self._metadata()
            )
            return codec.read_probe_reply(reply)

    async def push(self, events: Sequence[Event]) -> Vector:
        request = pb.PushRequest(events=codec.write_events(events), sender=self._me)
        with _domain_errors():
            return codec.read_vector((await self._pushes.exchange(request)).have)

    async def pull(self, have: Vector) -> AsyncGenerator[Sequence[Event], None]:
        request = pb.PullRequest(have=codec.write_vector(have))
        with _domain_errors():
            call = self._stub.Pull(request, metadata=self._metadata())
            try:
                async for batch in call:
                    yield codec.read_events(batch.events)
            finally:
                # Without effect on a call that has ended.
                call.cancel()

    async def fetch(self, digest: Digest, offset: int) -> AsyncGenerator[bytes, None]:
        request = pb.FetchBlobRequest(digest=digest, offset=offset)
        with _domain_errors(digest):
            call = self._stub.FetchBlob(request, metadata=self._metadata())
            try:
                async for chunk in call:
                    if chunk.data:
                        yield chunk.data
            finally:
                call.cancel()

    async def hold(
        self, digest: Digest, size: int, sources: Sequence[NodeId], data: bytes | None
    ) -> int:
        request = pb.HoldBlobRequest(digest=digest, size=size, sources=sources, data=data)
        with _domain_errors(digest):
            reply = await self._stub.HoldBlob(request, metadata=self._metadata())
        return int(reply.seq)

    async def checkpoint(
        self, reader: NodeId, number: int, after: bytes
    ) -> AsyncGenerator[CheckpointPiece, None]:
        request = pb.CheckpointRequest(reader=reader, number=number, after=after)
        with _domain_errors():
            call = self._stub.Checkpoint(request, metadata=self._metadata())
            try:
                head: CheckpointHead | None = None
                async for message in call:
                    head = head or codec.read_checkpoint_head(message.head)
                    yield codec.read_checkpoint_piece(message, head)
            finally:
                call.cancel()

    async def compare(self, request: CompareRequest) -> CompareReply:
        with _domain_errors():
            reply = await self._stub.Compare(
                codec.write_comparison(request), timeout=self._deadline_s, metadata=self._metadata()
            )
            return codec.read_comparison_reply(reply)

    async def close(self) -> None:
        await self._channel.close()

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        request_id = self._request_id.get("")
        return ((REQUEST_ID, request_id),) if request_id else ()


@contextmanager
def _domain_errors(digest: Digest | None = None) -> Iterator[None]:
    """Turn the library's errors into ours; of a call about *digest*, if it is about one."""
    try:
        yield
    except asyncio.CancelledError as exc:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        # grpc.aio cancels the calls of a channel that is closed: the peer went, not the caller.
        raise PeerUnreachable("the link was closed during the call") from exc
    except (grpc.aio.UsageError, asyncio.InvalidStateError) as exc:
        raise PeerUnreachable("the link is closed") from exc
    except grpc.aio.AioRpcError as exc:
        trailing = dict(exc.trailing_metadata() or ())
        name = trailing.get(ERROR_KEY)
        raise from_wire(
            exc.code(), None if name is None else str(name), exc.details() or "", digest
        ) from exc
    except ValueError as exc:
        raise PeerRefused(f"the answer makes no sense: {exc}") from exc
