"""Calls to peers over gRPC: the `Transport` of a real node."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import grpc
import grpc.aio

from cluster.errors import PeerRefused, PeerUnreachable
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
    CheckpointHead,
    CheckpointPiece,
    Digest,
    Event,
    NodeId,
    Vector,
)
from cluster.peer import Peer
from cluster.rpc import codec
from cluster.rpc.channel import REQUEST_ID, RpcConfig, open_channel
from cluster.rpc.codec import Form
from cluster.rpc.errors import ERROR_KEY, from_wire
from cluster.rpc.pushes import PushCall
from protos import cluster_pb2 as pb
from protos.cluster_pb2_grpc import ClusterStub

Asked = TypeVar("Asked")
Answered = TypeVar("Answered")


class GrpcTransport:
    """Opens links to peers."""

    def __init__(self, request_id: ContextVar[str], config: RpcConfig | None = None) -> None:
        """The value of *request_id* at a call, if any, travels along with it."""
        self._request_id = request_id
        self._config = config or RpcConfig()

    def connect(self, address: str) -> Peer:
        return GrpcPeer(address, self._request_id, self._config).roles


class GrpcPeer:
    """One channel to one peer: all roles of `Peer`."""

    def __init__(self, address: str, request_id: ContextVar[str], config: RpcConfig) -> None:
        self._request_id = request_id
        self._deadline_s = config.unary_deadline_s
        self._channel = open_channel(address, config)
        self._stub = ClusterStub(self._channel)
        self._pushes = PushCall(self._stub)

    @property
    def roles(self) -> Peer:
        return Peer(self, self, self, self, self.close)

    async def hello(self, greeting: Greeting) -> Greeting:
        return await self._ask(self._stub.Hello, codec.GREETING, greeting, codec.GREETING)

    async def probe(self, request: ProbeRequest) -> ProbeReply:
        return await self._ask(self._stub.Probe, codec.PROBE, request, codec.PROBE_REPLY)

    async def compare(self, request: CompareRequest) -> CompareReply:
        return await self._ask(
            self._stub.Compare, codec.COMPARISON, request, codec.COMPARISON_REPLY
        )

    async def tell(self, letter: bytes) -> None:
        message = pb.ControlLetter(letter=letter)
        with _domain_errors():
            await self._stub.Tell(message, timeout=self._deadline_s)

    async def push(
        self, sender: NodeId, stage: Stage, events: Sequence[Event], *, run: int = 0
    ) -> PushAnswer:
        request = pb.PushRequest(
            events=codec.write_events(events),
            sender=sender,
            stage=codec.STAGE.write(stage),
            run=run,
        )
        with _domain_errors():
            return codec.PUSH_ANSWER.read(await self._pushes.exchange(request))

    async def pull(
        self, reader: NodeId, stage: Stage, have: Vector, *, run: int = 0
    ) -> AsyncGenerator[Sequence[Event], None]:
        request = pb.PullRequest(
            have=codec.write_vector(have), reader=reader, stage=codec.STAGE.write(stage), run=run
        )
        with self._stream(self._stub.Pull, request) as batches:
            async for batch in batches:
                yield codec.read_events(batch.events)

    async def fetch(self, digest: Digest, offset: int) -> AsyncGenerator[bytes, None]:
        request = pb.FetchBlobRequest(digest=digest, offset=offset)
        with self._stream(self._stub.FetchBlob, request, digest) as chunks:
            async for chunk in chunks:
                yield chunk.data

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
        with self._stream(self._stub.Checkpoint, request) as messages:
            head: CheckpointHead | None = None
            async for message in messages:
                piece = codec.read_checkpoint_piece(message, head)
                head = piece.head
                yield piece

    async def close(self) -> None:
        await self._channel.close()

    async def _ask(
        self, call: Any, asked: Form[Asked, Any], value: Asked, answered: Form[Answered, Any]
    ) -> Answered:
        message = asked.write(value)
        with _domain_errors():
            reply = await call(message, timeout=self._deadline_s, metadata=self._metadata())
            return answered.read(reply)

    @contextmanager
    def _stream(self, method: Any, request: object, digest: Digest | None = None) -> Iterator[Any]:
        """The messages of a call, which ends with the block."""
        with _domain_errors(digest):
            call = method(request, metadata=self._metadata())
            try:
                yield call
            finally:
                # Without effect on a call that has ended.
                call.cancel()

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
