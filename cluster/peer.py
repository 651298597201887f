"""
What nodes ask of each other: the calls, as their two ends see them.

The engine knows no wire. A real node speaks gRPC (`cluster.rpc`); the simulator has a network of
its own. Calls come in roles, and who needs one or stands in for it has to do with that alone.

Domain errors go back to the caller; a transport translates them (`cluster.rpc.errors`). Durations
are seconds. Every call may be repeated by a caller that lost the answer, and cancelling one is
always safe. A stream that is not read to its end must be closed (`contextlib.aclosing`), which ends
the call at the other side too.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol

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
    NodeId,
    Vector,
)


class PresenceCalls(Protocol):
    """Who is there, and how far each is."""

    async def hello(self, greeting: Greeting) -> Greeting:
        """
        Take note of a peer and of its progress; answer with this node's.

        Raises:
            PeerRefused: the peer belongs to another cluster, or bears a name that is taken.
        """
        ...

    async def probe(self, request: ProbeRequest) -> ProbeReply:
        """
        Take note of the news, see whether the target lives, and answer with news.

        Raises:
            PeerRefused: the sender belongs to another cluster.
        """
        ...


class EventCalls(Protocol):
    """What was written, event by event or as a whole state."""

    async def push(
        self, sender: NodeId, stage: Stage, events: Sequence[Event], *, run: int = 0
    ) -> PushAnswer:
        """
        Apply events that *sender*, at *stage*, hands over, in order; returns how far their logs are
        durable. Nothing where this node is at another stage: it confirms nothing there. *run* is
        the epoch of the run that is meant, 0 for whichever it is.

        Several calls may be under way: events are taken in the order of the calls, and answered in
        it. Who gives up one gives up those behind it as well: they are not answered.

        Raises:
            PeerRefused: the sender is no member, or this is another run.
        """
        ...

    def pull(
        self, reader: NodeId, stage: Stage, have: Vector, *, run: int = 0
    ) -> AsyncGenerator[Sequence[Event], None]:
        """
        Every event that is durable here now and that *have*, of the node *reader*, does not cover,
        in batches. Who answers at *stage* answers at no earlier one from then on. *run* as of
        `push`.

        Raises:
            StageDiffers: this node is at another stage.
            PeerRefused: this is another run.
        """
        ...

    def checkpoint(
        self, reader: NodeId, number: int, after: bytes
    ) -> AsyncGenerator[CheckpointPiece, None]:
        """
        The pieces of checkpoint *number* that follow the place *after*. For 0 and b"" a new one is
        made, in place of what *reader*, the node that asks, had open here.

        Raises:
            CheckpointUnavailable: there is no such checkpoint, or too many are open.
            NotCaughtUp: this node is itself restoring its state.
            ValueError: *after* is no place in it.
        """
        ...

    async def compare(self, request: CompareRequest) -> CompareReply:
        """
        Hold this node's sums against a peer's.

        Raises:
            NotCaughtUp: this node is restoring its state.
        """
        ...


class BlobCalls(Protocol):
    """Copies of blobs."""

    def fetch(self, digest: Digest, offset: int) -> AsyncGenerator[bytes, None]:
        """
        The bytes of the local copy from *offset*, as they are on disk.

        Raises:
            BlobUnknown: there is no complete copy here.
        """
        ...

    async def hold(
        self, digest: Digest, size: int, sources: Sequence[NodeId], data: bytes | None
    ) -> int:
        """
        Hold a blob. Returns, once it is durable here, how far this node's log is then: what it
        says there of the blob is included.

        Raises:
            BlobUnavailable: it could not be got from any source.
            DigestMismatch, StorageFull: it is not held.
        """
        ...


class ControlCalls(Protocol):
    """The control log."""

    async def tell(self, letter: bytes) -> None:
        """
        Take a letter of the control log (`cluster.control`). What comes of it is a letter, too.

        Raises:
            ValueError: it is no letter.
        """
        ...


class PeerService(NamedTuple):
    """What a node does for its peers: the engine at one end of the wire, `Peer` at the other."""

    presence: PresenceCalls
    events: EventCalls
    blobs: BlobCalls
    control: ControlCalls


class Peer(NamedTuple):
    """
    One connected peer. Every call may also raise `PeerUnreachable`, and `PeerRefused` in the place
    of an error that says something to the other node alone (`cluster.rpc.errors`).
    """

    presence: PresenceCalls
    events: EventCalls
    blobs: BlobCalls
    control: ControlCalls
    close: Callable[[], Awaitable[None]]


class Transport(Protocol):
    """Opens links to peers. The only way out of the engine."""

    def connect(self, address: str) -> Peer:
        """A peer at *address* (host:port). Does not wait; the first call finds out."""
        ...
