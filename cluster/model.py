"""
The words that every part of Atoll shares: digests, dots, events, members.

Frozen values only. This module imports nothing of ours.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple, NewType, Self

import msgspec

NodeId = NewType("NodeId", str)
"""A node's name, unique in its cluster."""

Region = NewType("Region", str)
"""A set of nodes with cheap links between them."""

Stamp = NewType("Stamp", int)
"""A hybrid-logical-clock reading: wall milliseconds << 16 | counter."""

PROTOCOL: Final = 5
"""Version of what nodes say to each other (`membership.versions`); a greeting without one is of a
version before there was this number."""

RETIRED_LOGS: Final = "retired-logs"
"""The feature of reading watermarks (`cluster.vectors`)."""

WHO: Final = "who"
"""The feature of reading who asked for a change, in events and in slots of the control log."""

FEATURES: Final[tuple[str, ...]] = (RETIRED_LOGS, WHO)
"""What this version can do and one that it works with cannot, in order (`membership.versions`). A
name goes from here once every version that is spoken with has it."""

NODE_ID: Final = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")
"""Valid node and region names: a DNS label or a few of them, at most 63 characters."""

WHO_MAX: Final = 320
"""Characters of who asked for a change: the name of a robot has up to 319."""

_HEX_LENGTH: Final = {"sha256": 64, "sha512": 128}
_ENCODED: Final = re.compile(r"[a-f0-9]+")


def is_who(text: str) -> bool:
    """Whether *text* may stand as who asked for a change: a name; or empty, where none is noted."""
    return len(text) <= WHO_MAX and text.isprintable()


class Digest(str):
    """
    A content digest, `algorithm:hex`, that is known to be well formed.

    Only sha256 and sha512 exist here (OCI image-spec, descriptor.md, registered algorithms).
    """

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        Check *text* and make it a digest.

        Raises:
            ValueError: the algorithm is not sha256 or sha512, or the hex part is malformed.
        """
        algorithm, _, encoded = text.partition(":")
        length = _HEX_LENGTH.get(algorithm)
        if length is None:
            raise ValueError(f"unsupported digest algorithm {algorithm[:40]!r}")
        if len(encoded) != length or _ENCODED.fullmatch(encoded) is None:
            raise ValueError(f"{algorithm} needs {length} lower-case hexadecimal digits")
        return cls(text)

    @classmethod
    def of(cls, data: bytes, algorithm: str = "sha256") -> Self:
        return cls(f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}")

    @property
    def algorithm(self) -> str:
        return self.partition(":")[0]

    @property
    def encoded(self) -> str:
        """The hex part."""
        return self.partition(":")[2]

    def matches(self, data: bytes) -> bool:
        return hashlib.new(self.algorithm, data).hexdigest() == self.encoded


def plain(value: object) -> str:
    """
    Encode hook for msgspec, which refuses subclasses of str: digests and names are their text.

    Raises:
        NotImplementedError: *value* is no string of any kind; msgspec reports its type.
    """
    if isinstance(value, str):
        return str(value)
    raise NotImplementedError


_DOT: Final = re.compile(rf"({NODE_ID.pattern})/([0-9]{{1,19}})/([0-9]{{1,19}})")


class Dot(NamedTuple):
    """The name of one event: the *seq*-th of a node's *epoch*. Sequences start at 1."""

    node: str
    epoch: int
    seq: int

    @classmethod
    def parse(cls, text: str) -> "Dot":
        """
        Inverse of `str`.

        Raises:
            ValueError: *text* is not the name of an event.
        """
        match = _DOT.fullmatch(text)
        if match is None:
            raise ValueError("an event is NODE/EPOCH/SEQUENCE")
        return cls(match[1], int(match[3]), int(match[4]))

    @property
    def origin(self) -> "Origin":
        """The log that the event is in."""
        return Origin(self.node, self.epoch)

    def __str__(self) -> str:
        return f"{self.node}/{self.epoch}/{self.seq}"


class Origin(NamedTuple):
    """One log: everything a node wrote in one epoch."""

    node: str
    epoch: int


Vector = Mapping[Origin, int]
"""How far each log is known, gap-free: origin -> sequence of its last event."""


class Consistency(StrEnum):
    """How far a write has to be before it is acknowledged."""

    LOCAL = "local"
    """Durable on this node."""

    REGION = "region"
    """Durable on `copies` nodes, and no member of the region can read an older value."""

    GLOBAL = "global"
    """That, and durable on every live node of every region."""


class Acknowledged(NamedTuple):
    """How an event stands when it may be acknowledged."""

    nodes: int
    """Nodes that durably have it, this one included."""

    wanted: int
    """How many should."""

    @property
    def degraded(self) -> bool:
        """Whether too few have it, for no more were connected."""
        return self.nodes < self.wanted


class Kind(StrEnum):
    """What an event does to the object under its key (bodies in `cluster.objects.events`)."""

    ADD = "add"
    REMOVE = "remove"
    WRITE = "write"
    HOLD = "hold"


class Key(NamedTuple):
    """The object that an event changes. *collection* is the registry's, not the cluster's."""

    collection: str
    repository: str
    name: str


class Event(msgspec.Struct, frozen=True, array_like=True):
    """
    One change of one object, as it stands in the log and travels to peers.

    *kind* stays a string: an unknown kind from a newer node is quarantined, not refused.

    The events of one change follow each other in their log, and every node applies all of them in
    one batch, or none: *rest* is how many of them are still to come.
    """

    dot: Dot
    stamp: int
    kind: str
    key: Key
    body: bytes
    rest: int = 0

    @property
    def origin(self) -> Origin:
        return self.dot.origin


class Member(msgspec.Struct, frozen=True):
    """
    One node as the others see it.

    *epoch* names its present run, and with it the log that it writes.
    """

    node: NodeId
    region: Region
    rpc: str
    http: str
    epoch: int
    features: tuple[str, ...] = ()
    """What it can do in this run that not every version can (`membership.versions`)."""

    store: str = ""
    """The name of its disk, made with its index: another disk is another one."""

    zone: str = ""
    """What fails together inside the region: it goes into the layout when the node is added."""

    weight: int = 100
    """Its share of the region's copies, likewise."""


class Disk(NamedTuple):
    """
    A node with its disk, as majorities count it: one that was wiped has forgotten what it promised
    and confirmed, so under the same name it is another one.
    """

    node: NodeId
    store: str


class Run(NamedTuple):
    """One run of a member: leases, and what a member says that it has, hold for one."""

    disk: Disk
    epoch: int


class CheckpointHead(NamedTuple):
    """What a checkpoint is of: the state after exactly the events that *vector* covers."""

    vector: Vector
    rows: int
    """How many rows it has, for showing how far its reader is."""

    seal: bytes
    """The registry's: by it the reader knows that nothing is missing."""


class CheckpointPart(NamedTuple):
    """Some rows of a checkpoint. *data* is the registry's; the cluster never reads it."""

    data: bytes
    rows: int
    next: bytes
    """Where the following part begins; empty when this one is the last."""


class CheckpointPiece(NamedTuple):
    """One message of a checkpoint on its way."""

    number: int
    """Names the checkpoint at the node that has it open; not 0."""

    head: CheckpointHead
    part: CheckpointPart


class Held(NamedTuple):
    """A blob that a node says it holds; size in bytes. Without *stands* it counts for nobody."""

    digest: Digest
    size: int
    stands: bool


class Summed(NamedTuple):
    """The sums over a replica's shared rows (`gossip.comparison`), and the events they come of."""

    vector: Vector
    sums: bytes
    quarantined: Mapping[int, int] = {}
    """The partitions with events that the replica could not apply, each with a mark of them. Two
    replicas have the same rows in a partition only where they have the same mark."""

    form: int = 0
    """The number of the canonical form that the sums are taken over."""


class Status(StrEnum):
    """What the members think of one of them."""

    ALIVE = "alive"
    SUSPECT = "suspect"
    """Somebody could not reach it; it has a while to contradict."""

    DEAD = "dead"
    """Nobody reached it, and it did not contradict. It stays a member, and may come back."""

    LEFT = "left"
    """It said that it goes for good."""


class Standing(msgspec.Struct, frozen=True):
    """
    A member's status, and how new that word is: of two, the higher *incarnation* is the later.

    Only the member itself raises its incarnation, which begins at its epoch.
    """

    status: Status
    incarnation: int
    accusers: tuple[NodeId, ...] = ()
    """Of a suspect: who could not reach it, each by its own attempt. Sorted; some of them."""


class Rumour(msgspec.Struct, frozen=True):
    """What one node tells another about a third, or about itself."""

    member: Member
    standing: Standing


class Vitals(NamedTuple):
    """What a node says of its own condition, for people; sizes are bytes. Nothing goes by it."""

    version: str = ""
    """The version of Atoll that it runs."""

    disk_bytes: int = 0
    """The size of the disk of its data directory."""

    disk_free_bytes: int = 0
    blobs: int = 0
    """Those on its disk, whoever counts on them."""

    blob_bytes: int = 0
    trouble: str = ""
    """What keeps it from serving all that it could; empty while nothing does."""

    uncovered: str = ""
    """Why it asks its region before each read; empty while leases cover its reads."""


class SpreadNode(NamedTuple):
    """One node, as far as it is known here. *has* is about the event that was asked for."""

    node: NodeId
    region: Region
    live: bool
    has: bool


class Spread(NamedTuple):
    """Where an event is by now: the nodes of the regions that were asked about."""

    nodes: tuple[SpreadNode, ...]

    @classmethod
    def of(cls, nodes: Iterable[SpreadNode], regions: Iterable[Region] | None) -> Self:
        """The part of *nodes* that is in *regions*; None is all of them."""
        wanted = None if regions is None else set(regions)
        return cls(tuple(s for s in nodes if wanted is None or s.region in wanted))

    @property
    def complete(self) -> bool:
        """
        Whether every live node has the event, and in every region at least one.

        A region without a live node does not have it, whatever its nodes said before they went.
        """
        return not self.missing

    @property
    def missing(self) -> tuple[SpreadNode, ...]:
        """The nodes that the wait is for."""
        having = {state.region for state in self.nodes if state.live and state.has}
        return tuple(
            state
            for state in self.nodes
            if (state.live and not state.has) or (not state.live and state.region not in having)
        )
