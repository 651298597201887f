"""
What nodes ask of each other: the calls, as their two ends see them.

The engine knows no wire. A real node speaks gRPC (`cluster.rpc`); the simulator has a network of
its own.
"""

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from cluster.model import (
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


class Peer(Protocol):
    """
    One connected peer. Every method may raise `PeerUnreachable` and `PeerRefused`.

    Durations are seconds. Cancelling a call is always safe. A stream that is not read to its end
    must be closed (`contextlib.aclosing`), which ends the call at the other side too.
    """

    async def hello(self, greeting: Greeting) -> Greeting:
        """Greet; returns the peer's own greeting."""
        ...

    async def probe(self, request: ProbeRequest) -> ProbeReply:
        """Ask for a sign of life, of the peer or through it; both sides pass on news."""
        ...

    async def push(self, events: Sequence[Event]) -> Vector:
        """
        Hand over events, in order; returns how far the peer durably has their logs.

        Several calls may be under way: the peer takes their events in the order of the calls, and
        answers in it. Who gives up one gives up those behind it as well: they are not answered.
        """
        ...

    def pull(self, have: Vector) -> AsyncGenerator[Sequence[Event], None]:
        """Batches of events that *have* does not cover."""
        ...

    def fetch(self, digest: Digest, offset: int) -> AsyncGenerator[bytes, None]:
        """
        Blob bytes from *offset*, unverified.

        Raises:
            BlobUnknown: the peer does not have it.
        """
        ...

    async def hold(
        self, digest: Digest, size: int, sources: Sequence[NodeId], data: bytes | None
    ) -> int:
        """
        Have the peer hold a blob. Returns, once it is durable there, how far the peer's log was
        then: what it says there of the blob is included.

        Raises:
            BlobUnavailable: the peer could not get it from any source.
            StorageFull: the peer has no room.
        """
        ...

    def checkpoint(
        self, reader: NodeId, number: int, after: bytes
    ) -> AsyncGenerator[CheckpointPiece, None]:
        """
        The pieces of the peer's checkpoint *number* that follow the place *after*. For 0 and b""
        a new one is made, in place of what *reader*, the node that asks, had open there.

        Raises:
            CheckpointUnavailable: it has no such checkpoint, or has too many open.
            NotCaughtUp: it is itself restoring its state.
        """
        ...

    async def compare(self, request: CompareRequest) -> CompareReply:
        """
        Have the peer hold its sums against these.

        Raises:
            NotCaughtUp: it is itself restoring its state.
        """
        ...

    async def close(self) -> None: ...


class Transport(Protocol):
    """Opens links to peers. The only way out of the engine."""

    def connect(self, address: str) -> Peer:
        """A peer at *address* (host:port). Does not wait; the first call finds out."""
        ...


class PeerService(Protocol):
    """
    The engine's side of the wire: what a transport's server calls.

    Domain errors go back to the caller; a transport translates them (`cluster.rpc.errors`).
    """

    def on_hello(self, greeting: Greeting) -> Greeting:
        """
        Take note of a peer and of its progress; answer with this node's.

        Raises:
            PeerRefused: the peer belongs to another cluster, or bears a name that is taken.
        """
        ...

    async def on_probe(self, request: ProbeRequest) -> ProbeReply:
        """
        Take note of the news, see whether the target lives, and answer with news.

        Raises:
            PeerRefused: the sender belongs to another cluster.
        """
        ...

    async def on_push(self, sender: NodeId, events: Sequence[Event]) -> Vector:
        """Apply events that *sender* hands over; on return what the answer covers is durable."""
        ...

    def on_pull(self, have: Vector) -> AsyncGenerator[Sequence[Event], None]:
        """Every event that is durable here now and that *have* does not cover."""
        ...

    def on_fetch(self, digest: Digest, offset: int) -> AsyncGenerator[tuple[int, bytes], None]:
        """
        The whole size, with each piece of the local copy from *offset* (both bytes).

        Raises:
            BlobUnknown: there is no complete copy here.
        """
        ...

    def on_checkpoint(
        self, reader: NodeId, number: int, after: bytes
    ) -> AsyncGenerator[CheckpointPiece, None]:
        """See `Peer.checkpoint`. Raises likewise, and ValueError where *after* is no place."""
        ...

    async def on_compare(self, request: CompareRequest) -> CompareReply:
        """
        Hold this node's sums against a peer's.

        Raises:
            NotCaughtUp: this node is restoring its state.
        """
        ...

    async def on_hold(
        self, digest: Digest, size: int, sources: Sequence[NodeId], data: bytes | None
    ) -> int:
        """
        Hold a blob; on return it is durable here. Returns how far this node's log is then.

        Raises:
            BlobUnavailable, DigestMismatch, StorageFull: it is not.
        """
        ...
