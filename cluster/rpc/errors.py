"""
Domain errors on the wire: the one table.

The gRPC status is for generic tools and proxies. It cannot carry our distinctions, and the
library uses the same codes for its own failures, so the error's own name travels in the trailing
metadata `x-atoll-error`; only a status that bears it came from the engine at the other side.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from grpc import StatusCode

from cluster.errors import (
    BelowFloor,
    BlobUnavailable,
    BlobUnknown,
    CheckpointUnavailable,
    ClusterError,
    DigestMismatch,
    DuplicateNode,
    JoinRefused,
    PeerRefused,
    PeerUnreachable,
    StageDiffers,
    StorageFailure,
    StorageFull,
    WrongCluster,
    WrongProtocol,
)
from cluster.model import Digest

ERROR_KEY: Final = "x-atoll-error"

Rebuild = Callable[[str, Digest | None], ClusterError]


class Wire(NamedTuple):
    """How one error travels: its status, its name, and what the caller makes of it."""

    status: StatusCode
    name: str
    rebuild: Rebuild


def _saying(build: Callable[[str], ClusterError]) -> Rebuild:
    return lambda message, _: build(message)


def _about_blob(build: Callable[[Digest, str], ClusterError]) -> Rebuild:
    """An error about the blob that the call named; of another call it makes no sense."""
    return lambda message, digest: (
        PeerRefused(message) if digest is None else build(digest, message)
    )


WIRE: Final[dict[type[Exception], Wire]] = {
    BlobUnknown: Wire(
        StatusCode.NOT_FOUND, "blob-unknown", _about_blob(lambda digest, _: BlobUnknown(digest))
    ),
    BlobUnavailable: Wire(StatusCode.ABORTED, "blob-unavailable", _about_blob(BlobUnavailable)),
    DigestMismatch: Wire(StatusCode.DATA_LOSS, "digest-mismatch", _about_blob(DigestMismatch)),
    StorageFull: Wire(
        StatusCode.RESOURCE_EXHAUSTED,
        "storage-full",
        _about_blob(lambda _, message: StorageFull(message)),
    ),
    BelowFloor: Wire(StatusCode.OUT_OF_RANGE, "below-floor", _saying(BelowFloor)),
    CheckpointUnavailable: Wire(
        StatusCode.RESOURCE_EXHAUSTED, "checkpoint-unavailable", _saying(CheckpointUnavailable)
    ),
    DuplicateNode: Wire(StatusCode.ALREADY_EXISTS, "duplicate-node", _saying(DuplicateNode)),
    WrongCluster: Wire(StatusCode.PERMISSION_DENIED, "wrong-cluster", _saying(WrongCluster)),
    WrongProtocol: Wire(StatusCode.PERMISSION_DENIED, "wrong-protocol", _saying(WrongProtocol)),
    JoinRefused: Wire(StatusCode.PERMISSION_DENIED, "join-refused", _saying(JoinRefused)),
    PeerRefused: Wire(StatusCode.PERMISSION_DENIED, "refused", _saying(PeerRefused)),
    StageDiffers: Wire(StatusCode.FAILED_PRECONDITION, "stage-differs", _saying(StageDiffers)),
    # The rest stays inside a node by design. Should it get out, the peer has answered, and the
    # caller can do nothing about it but try later: a refusal.
    ClusterError: Wire(StatusCode.ABORTED, "failed", _saying(PeerRefused)),
    ValueError: Wire(StatusCode.INVALID_ARGUMENT, "malformed", _saying(PeerRefused)),
    StorageFailure: Wire(StatusCode.INTERNAL, "storage", _saying(PeerRefused)),
}
"""Error -> wire. A subclass travels as its nearest ancestor here; anything else is a bug."""

_BY_NAME: Final = {wire.name: wire for wire in WIRE.values()}

_SILENCE: Final = (
    StatusCode.UNAVAILABLE,
    StatusCode.DEADLINE_EXCEEDED,
    StatusCode.CANCELLED,
    StatusCode.UNKNOWN,
)
"""What the library reports when there was no proper answer."""


def to_wire(error: Exception) -> Wire | None:
    """How *error* travels; None when it is not an operating error."""
    known = (WIRE[ancestor] for ancestor in type(error).__mro__ if ancestor in WIRE)
    return next(known, None)


def from_wire(
    status: StatusCode, name: str | None, message: str, digest: Digest | None
) -> ClusterError:
    """The error that the caller sees, from what came back for a call about *digest*."""
    wire = None if name is None else _BY_NAME.get(name)
    if wire is not None:
        return wire.rebuild(message, digest)
    if status in _SILENCE:
        return PeerUnreachable(f"{status.name}: {message}")
    return PeerRefused(f"{status.name}: {message}")
