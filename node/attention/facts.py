"""All that the rules go by, as one value: what one node knows at one moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from cluster.layout import Availability, Role

MemberCondition = Literal["alive", "suspect", "dead", "left", "outside", "unheard"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberFacts:
    """A node: a member by the layout, or one that is there and is none."""

    node: str
    region: str
    state: MemberCondition
    """`outside` is there and is no member with this disk; nobody has heard of who is `unheard`."""

    connected: bool
    zone: str = ""
    weight: int | None = None
    roles: Sequence[Role] = ()
    availability: Availability | None = None
    """By the layout; None for who is no member."""

    stopped: bool = False
    """It said that it stops, to be back soon, and is not overdue."""

    http: str | None = None
    version: str | None = None
    lag_events: int | None = None
    """Events of the node that looks which it is not known to have."""

    ahead_events: int = 0
    """Events that it had, and the node that looks has not."""

    disk_bytes: int | None = None
    """What it says of itself is None where nobody has heard it lately, as is what follows."""

    disk_free_bytes: int | None = None
    blobs: int | None = None
    blob_bytes: int | None = None
    clock_ahead_ms: float | None = None
    trouble: str | None = None
    """What keeps it from serving all that it could (`troubles.told`)."""

    uncovered: str | None = None
    """Why it asks its region before each read."""

    settings_differing: Mapping[str, str] = field(default_factory=dict)


class UnmetFacts(NamedTuple):
    """Something that the layout asks for, and its members cannot give."""

    what: str
    wanted: int
    given: int


class LayoutFacts(NamedTuple):
    """The layout that is live."""

    version: int
    unmet: tuple[UnmetFacts, ...] = ()


class HindranceFacts(NamedTuple):
    node: str
    text: str


class StalledChange(NamedTuple):
    """A change of the layout of which nothing comes."""

    version: int
    hindrances: tuple[HindranceFacts, ...] = ()


class VoterFacts(NamedTuple):
    """Who decides about the layout, and who of those this node is not connected with."""

    voters: tuple[str, ...]
    silent: tuple[str, ...]

    @property
    def majority(self) -> bool:
        """Whether something can be decided."""
        return 2 * len(self.silent) < len(self.voters)


class BlobSum(NamedTuple):
    """Some blobs, and their size in bytes."""

    blobs: int = 0
    bytes: int = 0


class NodeCopies(NamedTuple):
    """The copies of one node that is there."""

    held: BlobSum = BlobSum()
    """All that it has."""

    sole: BlobSum = BlobSum()
    """Those of which nobody else who is there has one."""

    short: BlobSum = BlobSum()
    """Those of blobs that have too few copies that count."""


class CopyPlaces(NamedTuple):
    """Where the copies of all blobs are."""

    nodes: Mapping[str, NodeCopies] = MappingProxyType({})
    """By node, those that are there and have some."""

    regions: Mapping[str, BlobSum] = MappingProxyType({})
    """By region, blobs that have too few copies, and one of them there."""

    drained: BlobSum = BlobSum()
    """Blobs that have too few, and are with a member that drains."""

    walk: int = 0
    """By which look at all blobs this is told; the first is 1."""


class CopyFacts(NamedTuple):
    """How the copies of all blobs are; sizes are bytes."""

    blobs: int = 0
    bytes: int = 0
    short: int = 0
    """On fewer stores that are there, or in fewer regions, than the layout asks for."""

    short_bytes: int = 0
    gone: int = 0
    """On nobody who is there."""

    gone_bytes: int = 0
    examples: tuple[str, ...] = ()
    places: CopyPlaces = CopyPlaces()


class StorageFacts(NamedTuple):
    """What is aside on the disk of the node that looks."""

    quarantined: int = 0
    """Events that made no sense."""

    set_aside: int = 0
    """Damaged copies of blobs in the quarantine."""

    hidden: int = 0
    """Copies that cannot be read, or for which the quarantine has no room."""


class AccessFacts(NamedTuple):
    """Whether people can get in at the node that looks."""

    is_open: bool = False
    has_admin: bool | None = None
    """None where that cannot be told."""

    can_sign: bool | None = None
    apart_s: float = 0.0
    """How long it has not been connected with a majority of the voters; infinite: since it runs."""

    cutoff_s: float = 0.0
    """From when on it logs nobody in; 0: never."""


class RecentReads(NamedTuple):
    """Those of the last `RECENT_S`."""

    refused: int = 0
    unconfirmed: int = 0


_NO_VOTERS: Final = VoterFacts((), ())
_WHOLE: Final = StorageFacts()
_UNTOLD: Final = AccessFacts()
_NONE_LATELY: Final = RecentReads()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What *node* knows. What is None is not known, and *uncounted* says why."""

    node: str
    region: str
    now: float = 0.0
    """Seconds since 1970."""

    layout: LayoutFacts | None = None
    no_layout: str | None = None
    """Why there is none."""

    stalled: StalledChange | None = None
    voters: VoterFacts = _NO_VOTERS
    members: tuple[MemberFacts, ...] = ()
    seeds_missing: Mapping[str, str] = field(default_factory=dict)
    copies: CopyFacts | None = None
    counted: float | None = None
    """When *copies* were counted, in seconds since 1970."""

    conflicts: int | None = None
    counted_at: float | None = None
    """When copies and conflicts were counted last."""

    uncounted: Mapping[str, str] = field(default_factory=dict)
    storage: StorageFacts = _WHOLE
    access: AccessFacts = _UNTOLD
    reads: RecentReads = _NONE_LATELY
    clock_off_ms: float = 0.0
    damaged: bool = False
    """Rows of its index are not what was written."""

    differing: tuple[str, ...] = ()
    """Members with the same events and other rows."""

    logs: int = 0
    logs_standing: int = 0

    def member(self, node: str) -> MemberFacts | None:
        return next((each for each in self.members if each.node == node), None)
