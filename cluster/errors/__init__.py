"""
Errors of the replication engine.

    ClusterError
    ├── BlobUnknown          no complete copy here: ask somebody else
    ├── BlobUnavailable      copies are known, none could be read: try again later
    ├── DigestMismatch       the bytes are not what their name says: discard them
    ├── StorageFull          no room: refuse, keep what is there
    ├── EventUndecodable     quarantine the key, go on with the rest
    ├── EventGap             events in between are missing: pull them first
    ├── EventRetired         its log was taken for complete: refuse it, and say so
    ├── BelowFloor           those events are gone from the log: take a checkpoint
    ├── CheckpointUnavailable  not this one, not now: try another peer, or later
    ├── ClockAhead           a stamp is too far in the future
    │   └── EventAhead       an event's is: leave it at its sender, and try again later
    ├── PeerError            something at the other end
    │   ├── PeerUnreachable  no answer: mark the link down, back off
    │   └── PeerRefused      an answer, and it was no (wrong cluster, duplicate name)
    │       └── JoinRefused    this node cannot be a member: it has to go
    │           ├── DuplicateNode  two running nodes bear one name: the later one goes
    │           ├── WrongCluster   the peer belongs to another cluster
    │           └── WrongProtocol  the peer's version of Atoll is too far from this one
    ├── NotDecided           the cluster cannot agree on something now: too few voters answer
    ├── StageDiffers         the two ends go by different layouts: the earlier one learns
    ├── StartsEmpty          the cluster goes on without this node's disk: set it aside
    ├── EpochTaken           a later run of this node is known: begin one behind that
    ├── TwoClusters          two clusters have met, and only an operator can tell what is to stay
    ├── ClockOff             this node's own clock is wrong: write nothing
    ├── CopiesUnfinished     blobs are still on their way to other nodes: try again later
    ├── NotEnoughNodes       too few nodes are connected: write nothing
    ├── MemberUnknown        no member has that name
    ├── MemberNotDead        a member that may still answer cannot be removed
    ├── UnknownRegion        no member is in that region
    ├── NotCaughtUp          peers know things that are not here yet: try again shortly
    ├── NotDurable           too few nodes confirmed an event: do not acknowledge it
    └── LayoutError          what the layout cannot be, and why: `cluster.errors.layout`
    StorageFailure           this node's disk failed: say so, it is never "not there" (P9)
"""

from collections.abc import Sequence
from typing import Final

from cluster.model import Digest, Dot, Member, Origin

_NAMED_MAX: Final = 8
"""Members that a message names."""


class ClusterError(Exception):
    """Base of everything the engine raises on purpose."""


class BlobUnknown(ClusterError):
    def __init__(self, digest: Digest) -> None:
        super().__init__(f"no complete blob {digest} is stored here")
        self.digest = digest


class BlobUnavailable(ClusterError):
    def __init__(self, digest: Digest, reason: str) -> None:
        super().__init__(f"blob {digest} cannot be read from any holder: {reason}")
        self.digest = digest


class DigestMismatch(ClusterError):
    def __init__(self, expected: Digest, got: str) -> None:
        super().__init__(f"content does not match {expected}: got {got}")
        self.expected = expected
        self.got = got


class StorageFull(ClusterError):
    """The disk or the quota is exhausted."""


class StorageFailure(Exception):
    """
    The disk of this node, or what keeps rows on it, failed. Who works on the disk raises this and
    nothing else for it, so that it can be told from other failures:

    - An OSError may be anything: a deadline that passed is a `TimeoutError`, and that is one.
    - A `ClusterError` may be the peer's fault, and then the peer is passed over.
    """


class EventUndecodable(ClusterError):
    def __init__(self, dot: Dot, reason: str) -> None:
        super().__init__(f"event {dot} does not decode: {reason}")
        self.dot = dot
        self.reason = reason


class EventGap(ClusterError):
    def __init__(self, dot: Dot, have: int) -> None:
        super().__init__(f"event {dot} came before its predecessors: have {have}")
        self.dot = dot
        self.have = have


class EventRetired(ClusterError):
    """An event is new of a log that was retired here: it can only be of a run that nobody knew."""

    def __init__(self, dot: Dot) -> None:
        super().__init__(f"event {dot} is of a log that is retired here")
        self.dot = dot


class BelowFloor(ClusterError):
    """The log was trimmed. What its events did is in the objects, and only there."""

    @classmethod
    def of(cls, origin: Origin, floor: int) -> "BelowFloor":
        return cls(f"the log of {origin.node}/{origin.epoch} begins after {floor}")

    @classmethod
    def retired(cls, node: str) -> "BelowFloor":
        return cls(f"logs of {node} are retired, and the reader does not have all of them")


class CheckpointUnavailable(ClusterError):
    """A checkpoint cannot be given, went away half-read, or does not fit the one that wants it."""


class ClockAhead(ClusterError):
    def __init__(self, ahead_ms: int) -> None:
        super().__init__(f"stamp is {ahead_ms} ms ahead of this node's clock")
        self.ahead_ms = ahead_ms


class EventAhead(ClockAhead):
    """An event bears such a stamp."""

    def __init__(self, dot: Dot, ahead_ms: int) -> None:
        super().__init__(ahead_ms)
        self.dot = dot


class PeerError(ClusterError):
    """A call to a peer failed."""


class PeerUnreachable(PeerError):
    """The peer did not answer in time, or not at all."""


class PeerRefused(PeerError):
    """The peer answered, and refused for good."""


class JoinRefused(PeerRefused):
    """A node that wants to join cannot; it stops rather than serve alone."""


class WrongCluster(JoinRefused):
    """Two nodes belong to differently named clusters."""


class WrongProtocol(JoinRefused):
    """The versions of two nodes have no protocol in common."""


class NotDecided(ClusterError):
    """The cluster did not come to a decision. *missing* are the voters that did not answer."""

    def __init__(self, reason: str, missing: Sequence[str] = ()) -> None:
        named = f"; missing: {', '.join(missing[:_NAMED_MAX])}" if missing else ""
        super().__init__(f"not decided: {reason}{named}")
        self.missing = tuple(missing)


class StageDiffers(ClusterError):
    """Asked at another stage of the layout than this node's: one of the two has to learn."""


class StartsEmpty(ClusterError):
    """
    What is on this node's disk counts for nothing any more: it sets it aside and begins anew.

    *ended* are the generations of the control log that it must not join again.
    """

    def __init__(self, reason: str, ended: Sequence[bytes] = ()) -> None:
        super().__init__(f"this node has to begin with an empty index: {reason}")
        self.reason = reason
        self.ended = tuple(ended)


class EpochTaken(ClusterError):
    """
    Members know of a run of this node that is later by its number than this one, whose machine had
    another disk and a clock that was behind. The node starts again, with an epoch behind *epoch*.
    """

    def __init__(self, epoch: int) -> None:
        super().__init__(f"members know of a run of this node with the later epoch {epoch}")
        self.epoch = epoch


class TwoClusters(ClusterError):
    def __init__(self, reason: str) -> None:
        super().__init__(f"this node has met another cluster of the same name: {reason}")


class DuplicateNode(JoinRefused):
    """Two running nodes bear one name. The later one must not join."""

    @classmethod
    def between(cls, known: Member, other: Member) -> "DuplicateNode":
        return cls(
            f"node name {other.node!r} is taken: {known.rpc} bears it, and so does {other.rpc}"
        )


class ClockOff(ClusterError):
    """This node's wall clock is far from its members': they would refuse what it writes."""

    def __init__(self, off_ms: float) -> None:
        where = "ahead of" if off_ms > 0 else "behind"
        super().__init__(f"this node's clock is {abs(off_ms):.0f} ms {where} its members'")
        self.off_ms = off_ms


class NotEnoughNodes(ClusterError):
    """Fewer nodes are connected than a write needs, and this cluster does not write on fewer."""

    def __init__(self, connected: int, wanted: int, missing: Sequence[str] = ()) -> None:
        """*missing* are the members that are not connected."""
        named = ", ".join(missing[:_NAMED_MAX])
        more = f" and {len(missing) - _NAMED_MAX} more" if len(missing) > _NAMED_MAX else ""
        super().__init__(
            f"{connected} of the {wanted} nodes that a write needs are connected; "
            + (f"missing: {named}{more}" if missing else "no other member is known")
        )
        self.connected = connected
        self.wanted = wanted
        self.missing = tuple(missing)


class CopiesUnfinished(ClusterError):
    """Copies that a write needs take longer than it may wait. They are made all the same."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__(
            f"not every blob was on enough nodes within {timeout_s:g} s; copies go on being made"
        )


class UnknownRegion(ClusterError):
    def __init__(self, region: str) -> None:
        super().__init__(f"no member is in region {region!r}")
        self.region = region


class MemberUnknown(ClusterError):
    def __init__(self, node: str) -> None:
        super().__init__(f"no member is named {node!r}")
        self.node = node


class MemberNotDead(ClusterError):
    """Only a dead member may be removed: the others wait for one that answers, and rightly so."""

    def __init__(self, node: str, status: str) -> None:
        super().__init__(
            f"{node} is {status}, and so not lost: drain it and remove it, or stop it first"
        )
        self.node = node


class NotCaughtUp(ClusterError):
    """This node knows that it lacks events; an answer now could be a false 'not found'."""


class NotDurable(ClusterError):
    """Connected peers did not confirm an event in time; it must not be acknowledged."""

    def __init__(self, dot: Dot) -> None:
        super().__init__(f"event {dot} is not yet durable on enough nodes")
        self.dot = dot


# At the end, for they are made of what is above.
from cluster.errors.layout import *  # noqa: E402, F403
