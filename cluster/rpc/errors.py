"""
Domain errors on the wire: the one table.

The gRPC status is for generic tools and proxies. It cannot carry our distinctions, and the
library uses the same codes for its own failures, so the error's own name travels in the trailing
metadata `x-atoll-error`; only a status that bears it came from the engine at the other side.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import grpc

from cluster.errors import (
    BelowFloor,
    BlobUnavailable,
    BlobUnknown,
    CheckpointUnavailable,
    ClockAhead,
    ClockOff,
    ClusterError,
    CopiesUnfinished,
    DigestMismatch,
    DuplicateNode,
    EventAhead,
    EventGap,
    EventUndecodable,
    JoinRefused,
    MemberNotDead,
    MemberUnknown,
    NotCaughtUp,
    NotDurable,
    NotEnoughNodes,
    PeerError,
    PeerRefused,
    PeerUnreachable,
    StorageFailure,
    StorageFull,
    UnknownRegion,
    WrongCluster,
    WrongProtocol,
)
from cluster.model import Digest

ERROR_KEY: Final = "x-atoll-error"

Rebuild = Callable[[str, Digest | None], ClusterError]


class Wire(NamedTuple):
    """How one error travels: its status, its name, and what the caller makes of it."""

    status: grpc.StatusCode
    name: str
    rebuild: Rebuild


def _refused(message: str, digest: Digest | None) -> ClusterError:
    return PeerRefused(message)


def _about_blob(build: Callable[[Digest, str], ClusterError]) -> Rebuild:
    """An error about the blob that the call named; of another call it makes no sense."""

    def rebuild(message: str, digest: Digest | None) -> ClusterError:
        return PeerRefused(message) if digest is None else build(digest, message)

    return rebuild


WIRE: Final[dict[type[Exception], Wire]] = {
    BlobUnknown: Wire(
        grpc.StatusCode.NOT_FOUND, "blob-unknown", _about_blob(lambda d, _: BlobUnknown(d))
    ),
    BlobUnavailable: Wire(
        grpc.StatusCode.ABORTED, "blob-unavailable", _about_blob(BlobUnavailable)
    ),
    DigestMismatch: Wire(grpc.StatusCode.DATA_LOSS, "digest-mismatch", _about_blob(DigestMismatch)),
    StorageFull: Wire(
        grpc.StatusCode.RESOURCE_EXHAUSTED, "storage-full", _about_blob(lambda _, m: StorageFull(m))
    ),
    DuplicateNode: Wire(
        grpc.StatusCode.ALREADY_EXISTS, "duplicate-node", lambda m, _: DuplicateNode(m)
    ),
    BelowFloor: Wire(grpc.StatusCode.OUT_OF_RANGE, "below-floor", lambda m, _: BelowFloor(m)),
    CheckpointUnavailable: Wire(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "checkpoint-unavailable",
        lambda m, _: CheckpointUnavailable(m),
    ),
    WrongCluster: Wire(
        grpc.StatusCode.PERMISSION_DENIED, "wrong-cluster", lambda m, _: WrongCluster(m)
    ),
    WrongProtocol: Wire(
        grpc.StatusCode.PERMISSION_DENIED, "wrong-protocol", lambda m, _: WrongProtocol(m)
    ),
    JoinRefused: Wire(
        grpc.StatusCode.PERMISSION_DENIED, "join-refused", lambda m, _: JoinRefused(m)
    ),
    PeerRefused: Wire(grpc.StatusCode.PERMISSION_DENIED, "refused", _refused),
    # What follows stays inside a node by design. Should it get out, the peer has answered, and
    # the caller can do nothing about it but try later: a refusal.
    PeerUnreachable: Wire(grpc.StatusCode.ABORTED, "peer-unreachable", _refused),
    PeerError: Wire(grpc.StatusCode.ABORTED, "peer", _refused),
    EventUndecodable: Wire(grpc.StatusCode.INVALID_ARGUMENT, "event-undecodable", _refused),
    EventGap: Wire(grpc.StatusCode.OUT_OF_RANGE, "event-gap", _refused),
    ClockAhead: Wire(grpc.StatusCode.FAILED_PRECONDITION, "clock-ahead", _refused),
    EventAhead: Wire(grpc.StatusCode.FAILED_PRECONDITION, "event-ahead", _refused),
    ClockOff: Wire(grpc.StatusCode.FAILED_PRECONDITION, "clock-off", _refused),
    CopiesUnfinished: Wire(grpc.StatusCode.ABORTED, "copies-unfinished", _refused),
    NotEnoughNodes: Wire(grpc.StatusCode.ABORTED, "not-enough-nodes", _refused),
    MemberUnknown: Wire(grpc.StatusCode.NOT_FOUND, "member-unknown", _refused),
    MemberNotDead: Wire(grpc.StatusCode.FAILED_PRECONDITION, "member-not-dead", _refused),
    UnknownRegion: Wire(grpc.StatusCode.INVALID_ARGUMENT, "unknown-region", _refused),
    NotCaughtUp: Wire(grpc.StatusCode.ABORTED, "not-caught-up", _refused),
    NotDurable: Wire(grpc.StatusCode.ABORTED, "not-durable", _refused),
    ValueError: Wire(grpc.StatusCode.INVALID_ARGUMENT, "malformed", _refused),
    StorageFailure: Wire(grpc.StatusCode.INTERNAL, "storage", _refused),
}
"""Error -> wire. A subclass travels as its nearest ancestor here; anything else is a bug."""

_BY_NAME: Final = {wire.name: wire for wire in WIRE.values()}

_SILENCE: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNKNOWN,
    }
)
"""What the library reports when there was no proper answer."""


def to_wire(error: Exception) -> Wire | None:
    """How *error* travels; None when it is not an operating error."""
    for ancestor in type(error).__mro__:
        wire = WIRE.get(ancestor)
        if wire is not None:
            return wire
    return None


def from_wire(
    status: grpc.StatusCode, name: str | None, message: str, digest: Digest | None
) -> ClusterError:
    """The error that the caller sees, from what came back for a call about *digest*."""
    wire = None if name is None else _BY_NAME.get(name)
    if wire is not None:
        return wire.rebuild(message, digest)
    if status in _SILENCE:
        return PeerUnreachable(f"{status.name}: {message}")
    return PeerRefused(f"{status.name}: {message}")
