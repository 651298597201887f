"""
What the replication engine needs from its surroundings.

Narrow on purpose: the whole engine runs in a simulator that implements these few methods.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

from cluster.model import (
    CheckpointHead,
    CheckpointPart,
    Digest,
    Dot,
    Event,
    Held,
    NodeId,
    Origin,
    Rumour,
    Summed,
    Vector,
)


class WallClock(Protocol):
    """Wall time, for stamps and display only; durations use a monotonic clock."""

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch."""
        ...


class Clock(WallClock, Protocol):
    """Both clocks of the machine."""

    def now_s(self) -> float:
        """
        Seconds of a clock that never goes back nor stops, read at the call.

        The event loop's own time is read once per turn: after a stop of the process it may still
        show the time before, and a lease that is over would seem to run.
        """
        ...


class BlobIngest(Protocol):
    """
    One blob on its way in: bytes are appended, then committed or discarded.

    One task appends; any number may read what has been appended so far.
    """

    @property
    def offset(self) -> int:
        """Bytes appended so far."""
        ...

    async def append(self, data: bytes) -> None:
        """
        Hash and stage *data* after what is there.

        Raises:
            StorageFull: no room; nothing of *data* is kept.
        """
        ...

    async def read(self, offset: int, length: int) -> bytes:
        """Staged bytes from *offset*, at most *length* of them; works until `release`."""
        ...

    async def commit(self, digest: Digest, size: int | None = None) -> int:
        """
        Make the blob durable under *digest* and return its size in bytes.

        On return the file and its directory entry are synced and `BlobReplica.measure` sees it.
        On any exception nothing is visible and the staged bytes are gone.

        Raises:
            DigestMismatch: the bytes do not hash to *digest*, or do not add up to *size*.
            StorageFull: no room.
        """
        ...

    async def discard(self) -> None:
        """Forget the staged bytes. Harmless after `commit` or a second time."""
        ...

    def release(self) -> None:
        """Close what `read` uses. The last call on an ingest."""
        ...


class BlobReader(Protocol):
    """One open blob. The bytes stay readable while it is open, whatever happens to the name."""

    @property
    def size(self) -> int: ...

    async def read(self, offset: int, length: int) -> bytes:
        """Up to *length* bytes from *offset*; fewer only at the end. Raises `StorageFailure`."""
        ...


class BlobReplica(Protocol):
    """The local blobs, as replication sees them. Safe to call from many tasks at once."""

    async def measure(self, digests: Sequence[Digest]) -> Sequence[int | None]:
        """
        The size in bytes of each complete, verified local copy; None where there is none.

        Asks the disk, on a thread. What this node says that it holds is answered from memory
        (`HolderRows.held_size`).

        Raises:
            StorageFailure: the disk could not say. Never turned into None (P9).
        """
        ...

    def open(self, digest: Digest) -> AbstractAsyncContextManager[BlobReader]:
        """
        Open the local copy.

        Raises:
            BlobUnknown: there is none (on entering).
        """
        ...

    async def ingest(self, name: str) -> BlobIngest:
        """Start receiving a blob under the staging *name*; an older one of that name is lost."""
        ...


class EventLog(Protocol):
    """The logs of all nodes, this one's own included, and how far each is here."""

    @property
    def origin(self) -> Origin:
        """The log that this node writes now."""
        ...

    @property
    def began(self) -> Vector:
        """How far this node's own logs were on its disk when the present run began."""
        ...

    def check(self) -> None:
        """
        Return if events can still be applied.

        Raises:
            StorageFailure: the storage has failed for good.
        """
        ...

    def vector(self) -> Vector:
        """
        How far every log is durably known here, with the watermarks that stand for retired ones
        (`cluster.vectors`): another mapping for each state, none of which changes. Within a run the
        logs only grow, and watermarks only rise.
        """
        ...

    def floor(self) -> Vector:
        """Up to where events are gone from each log; nothing is said of a whole log."""
        ...

    def events_after(self, origin: Origin, seq: int, *, max_bytes: int) -> Sequence[Event]:
        """
        Durable events of one log after *seq*, in order.

        At least one when there is any, then as many as fit into *max_bytes*.

        Raises:
            BelowFloor: they are gone from the log.
        """
        ...

    async def apply(self, events: Sequence[Event]) -> None:
        """
        Merge events of other nodes, in order. On return they are durable.

        What is already known is passed over. A body that does not decode is quarantined.

        Raises:
            EventGap: an event's predecessors are missing, in its own log or among those that it
                builds on (`events.builds_on`); everything before it was applied.
            EventAhead: an event's stamp is beyond the clock bound; likewise.
            EventRetired: an event is of a log that is retired here; likewise. It may be one that
                was here before: that cannot be told any more.
        """
        ...

    def subscribe(self, on_durable: Callable[[], None]) -> None:
        """Call *on_durable* on the event loop whenever events of this node became durable."""
        ...


class Retention(Protocol):
    """What is forgotten once no member can need it any more."""

    async def trim(self, upto: Vector) -> None:
        """Forget the durable events of each log up to a sequence, which becomes its floor."""
        ...

    async def forget_deletions(self, stable: Vector) -> None:
        """Forget deletions up to *stable*: no push that is unseen here can be older than those."""
        ...

    def held_back(self) -> Collection[Origin]:
        """The logs of which events are in quarantine here."""
        ...

    async def retire(self, upto: Mapping[NodeId, int]) -> None:
        """
        Have one entry of the vector stand for all logs of a node up to an epoch. They are durable,
        trimmed, and nothing of them is in quarantine; of those that are not so, none is retired.
        """
        ...


class CheckpointStore(Protocol):
    """The whole state: to be given to a member, or taken over from one."""

    async def checkpoint(self) -> "Checkpoint":
        """
        The whole state at this moment, to be read piece by piece and closed.

        Raises:
            NotCaughtUp: this replica is restoring itself.
        """
        ...

    @property
    def restoring(self) -> bool:
        """Whether `begin_restore` was called and `end_restore` has not returned, restarts included:
        nothing of the state can be read or changed meanwhile. The logs can be read."""
        ...

    async def begin_restore(self, head: CheckpointHead) -> None:
        """
        Give up the state, and wait for that of a checkpoint. The logs stay.

        Raises:
            CheckpointUnavailable: events that the checkpoint lacks are gone from the logs here.
                Nothing was given up.
        """
        ...

    async def restore(self, part: CheckpointPart) -> None:
        """Take over the next part. Each one once, in order."""
        ...

    async def end_restore(self) -> None:
        """
        Take the checkpoint as the state, and apply on top what the logs here have beyond it.

        Raises:
            CheckpointUnavailable: something is missing or damaged; begin again.
        """
        ...


class RowSums(Protocol):
    """What tells whether two replicas are equal, and whether this one is whole."""

    async def summed(self) -> Summed:
        """
        The sums over the shared rows at this moment, as they are kept from change to change.

        Raises:
            NotCaughtUp: this replica is restoring itself.
        """
        ...

    async def check_rows(self) -> bool:
        """
        Whether the shared rows add up to their sums. Reads all of them, with pauses.

        Raises:
            NotCaughtUp: this replica is restoring itself.
        """
        ...


class HolderRows(Protocol):
    """Who has said of which blob that it holds it, this node included."""

    def holders(self, digest: Digest) -> Mapping[NodeId, Dot]:
        """
        Nodes that said they hold the blob, this one included, and the event by which they did.

        Whether such a row still counts is for `cluster.objects.claims`.
        """
        ...

    def held_size(self, digest: Digest) -> int | None:
        """
        Size in bytes of a blob of which this node has a copy that counts; None when it has none.

        Answered from memory, where a row counts once it speaks of this disk (`held_here`).
        """
        ...

    def size_here(self, digest: Digest) -> int | None:
        """The same for any copy, one that does not count included."""
        ...

    def held_here(self, after: Digest | None, limit: int) -> Sequence[Held]:
        """
        The next blobs behind *after* that this node says it holds, by digest; none at the end.

        Raises:
            NotCaughtUp: this replica is restoring itself.
        """
        ...

    async def hold(self, digest: Digest, size: int) -> None:
        """
        Record, durably, that this node holds the blob, and that others may count on it.

        Emits an event unless already known.
        """
        ...

    async def cache(self, digest: Digest, size: int) -> None:
        """Record that a copy of the blob is here that nobody counts on. Emits no event."""
        ...


class Records(NamedTuple):
    """
    The local metadata index and event log, by role: one object may fill several.

    Belongs to the event loop. Every method raises `StorageFailure` if the storage fails: the engine
    then drops the link that needed it and tries again, it never takes it for "nothing there".
    """

    events: EventLog
    retention: Retention
    checkpoints: CheckpointStore
    sums: RowSums
    holders: HolderRows


class MemberStore(Protocol):
    """
    The members as this node knew them, so that one seed is needed once in a node's life.

    Belongs to the event loop. Raises `StorageFailure` when the storage fails.
    """

    def load(self) -> Sequence[Rumour]:
        """What was saved last, in any order; nothing at the first start."""
        ...

    async def save(self, rumours: Sequence[Rumour]) -> None:
        """Take *rumours* in the place of what was saved before. Durable on return."""
        ...


class SavedControl(NamedTuple):
    """What a disk has of the control log (`cluster.control`), encoded."""

    acceptor: bytes = b""
    """Empty at the first start."""

    slots: Sequence[bytes] = ()
    """From the first on, without gaps."""

    ended: Sequence[bytes] = ()
    """Generations that the node must not join again."""


class ControlStore(Protocol):
    """
    What a node must not forget of the control log, and of nothing else.

    Belongs to the event loop. Raises `StorageFailure` when the storage fails.
    """

    def load(self) -> SavedControl: ...

    async def save(self, acceptor: bytes, slots: Mapping[int, bytes]) -> None:
        """
        Take *acceptor* in the place of the one before, and further *slots*: both or nothing.
        Durable on return.
        """
        ...


class Checkpoint(Protocol):
    """A consistent view of everything that replicas share, for one reader."""

    @property
    def head(self) -> CheckpointHead: ...

    def part(self, after: bytes) -> CheckpointPart:
        """The part that begins at *after*, the `next` of the one before; the first for b"".

        Raises:
            ValueError: *after* is no such place.
        """
        ...

    def close(self) -> None: ...


class Chance(Protocol):
    """
    A source of random numbers; `random.Random` is one.

    Always injected: a run of the simulator is repeated from its seed.
    """

    def random(self) -> float:
        """A number in [0, 1)."""
        ...

    def uniform(self, a: float, b: float) -> float:
        """A number in [a, b]."""
        ...

    def getrandbits(self, k: int, /) -> int:
        """A number of *k* random bits."""
        ...


class Log(Protocol):
    """
    A structured logger: a constant event name, variable fields. structlog's loggers fit.

    Called on the event loop; must not block.
    """

    def debug(self, event: str, **fields: object) -> object: ...

    def info(self, event: str, **fields: object) -> object: ...

    def warning(self, event: str, **fields: object) -> object: ...

    def error(self, event: str, **fields: object) -> object: ...
