"""
The layout as a document: its fields, and its one encoding.

A slot of the control log carries it as bytes, so two nodes that read one slot have one layout. What
a later version of Atoll adds is never dropped without a word: whoever cannot read all of a document
keeps the bytes and raises `LayoutUnreadable`, which names the version. A node that cannot read the
live layout must not act on an older one; so a new field gets a new `FORMAT`, and nobody proposes
that before every member can read it (a feature, `cluster.membership.versions`).
"""

from collections.abc import Iterable
from enum import StrEnum
from hashlib import sha256
from typing import Final

import msgspec

from cluster.errors import LayoutUnreadable
from cluster.model import Disk, NodeId, Region

FORMAT: Final = 1
"""Number of the form of the document. The rules that all nodes must judge alike
(`transition.follows`) belong to it."""


class Role(StrEnum):
    """What a member does."""

    PROXY = "proxy"
    """Serves clients through others: no copies, no part in any quorum."""

    STORE = "store"
    """Serves clients and keeps copies; counts in the quorum of its region."""

    VOTER = "voter"
    """Decides slots of the control log. With another role, or alone."""


class Availability(StrEnum):
    """What happens to the copies of a store."""

    ACTIVE = "active"
    PAUSED = "paused"
    """It gets no copies that it does not have; those that it has count."""

    DRAINING = "draining"
    """It is about to go: it gets no copies, and none of those that it has count."""


class LayoutMember(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One member, as it should be. *region* is the same for its life."""

    node: NodeId
    store: str
    """The name of its disk, made with the data directory. Another disk is another one."""

    region: Region
    zone: str = ""
    """What fails together inside the region: a rack, a room. Members without one share one."""

    weight: int = 100
    """Its share of the region's copies, relative to the others'."""

    roles: tuple[Role, ...] = (Role.STORE,)
    """Sorted."""

    availability: Availability = Availability.ACTIVE
    since: int = 1
    """The version in which its availability became what it is."""

    @property
    def disk(self) -> "Disk":
        return Disk(self.node, self.store)

    @property
    def is_store(self) -> bool:
        return Role.STORE in self.roles

    @property
    def is_voter(self) -> bool:
        return Role.VOTER in self.roles

    @property
    def takes_copies(self) -> bool:
        """Whether it may get copies that it does not have."""
        return self.is_store and self.availability is Availability.ACTIVE

    @property
    def keeps_copies(self) -> bool:
        """Whether the copies that it has count."""
        return self.is_store and self.availability is not Availability.DRAINING


class RegionRule(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a region keeps, where that is not as everywhere."""

    region: Region
    copies: int
    """Of each blob that it keeps. Without a rule: `Settings.copies`, as far as it has stores."""

    weight: int = 1
    """Its share of the blobs of other regions, when those need one more region."""


class Witness(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The third of the quorum of a region that has two stores."""

    region: Region
    node: NodeId


class DegradedWrites(StrEnum):
    """What a cluster of no more stores than `copies` does while one is away."""

    ALLOW = "allow"
    REFUSE = "refuse"


class Settings(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What has to be the same on every node."""

    copies: int = 2
    """Nodes that have what is pushed before it is acknowledged (P1)."""

    regions_min: int = 1
    """Regions that keep each blob in the end."""

    degraded_writes: DegradedWrites = DegradedWrites.ALLOW


class Layout(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One version. Everything in it is sorted by name; `rules.check` holds it to that."""

    format: int
    version: int
    members: tuple[LayoutMember, ...]
    rules: tuple[RegionRule, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    settings: Settings = Settings()
    removed: tuple[str, ...] = ()
    """Disks of members that were removed, the latest last: none comes back with what is on it."""

    def member(self, node: NodeId) -> LayoutMember | None:
        return next((m for m in self.members if m.node == node), None)

    @property
    def nodes(self) -> frozenset[NodeId]:
        """The names of all members."""
        return frozenset(m.node for m in self.members)

    @property
    def voters(self) -> tuple[Disk, ...]:
        return tuple(m.disk for m in self.members if m.is_voter)

    @property
    def regions(self) -> tuple[Region, ...]:
        """Those with a store."""
        return tuple(sorted({m.region for m in self.members if m.is_store}))

    def stores(self, region: Region | None = None) -> tuple[LayoutMember, ...]:
        """The members that keep copies and serve from their own index; None: of every region."""
        wanted = (m for m in self.members if m.is_store)
        return tuple(m for m in wanted if region is None or m.region == region)

    def rule(self, region: Region) -> RegionRule:
        """What the region keeps, by its own rule or by default."""
        said = next((rule for rule in self.rules if rule.region == region), None)
        if said is not None:
            return said
        keepers = sum(m.keeps_copies for m in self.stores(region))
        return RegionRule(region, min(self.settings.copies, keepers))

    def witness(self, region: Region) -> NodeId | None:
        return next((w.node for w in self.witnesses if w.region == region), None)

    @property
    def disks(self) -> frozenset[Disk]:
        return frozenset(m.disk for m in self.members)

    @property
    def indexes(self) -> frozenset[Disk]:
        """Those with the whole index."""
        return frozenset(m.disk for m in self.members if m.is_store or m.is_voter)

    def quorum_set(self, region: Region) -> frozenset[Disk]:
        """
        Those of whom a majority has what the region acknowledged: its stores, however they are,
        and the witness that is *named* here. Two nodes that measured for themselves who is nearest
        would differ, and their majorities might not meet.
        """
        named = self.witness(region)
        stores = self.stores(region)
        return frozenset(m.disk for m in self.members if m in stores or m.node == named)


def by_name(members: Iterable[LayoutMember]) -> tuple[LayoutMember, ...]:
    return tuple(sorted(members, key=lambda m: m.node))


_decoder: Final = msgspec.msgpack.Decoder(Layout)


def encode(layout: Layout) -> bytes:
    """The document's one encoding: MessagePack arrays, fields in order."""
    return msgspec.msgpack.encode(layout)


def decode(data: bytes) -> Layout:
    """
    Inverse of `encode`. The content is not judged: `rules.check` does that.

    Raises:
        LayoutUnreadable: *data* is of another format, has more fields or other values than this
            version knows, or is not the one encoding of what it says.
    """
    layout_format, version = _head(data)
    if layout_format != FORMAT:
        raise LayoutUnreadable(version, f"its format is {layout_format}, not {FORMAT}")
    try:
        layout = _decoder.decode(data)
    except msgspec.DecodeError as exc:
        raise LayoutUnreadable(version, str(exc)) from exc
    if encode(layout) != data:
        raise LayoutUnreadable(version, "it is not in its canonical encoding")
    return layout


def version_of(data: bytes) -> int:
    """
    The version of an encoded layout of any format.

    Raises:
        LayoutUnreadable: not even that can be read.
    """
    return _head(data)[1]


def _head(data: bytes) -> tuple[int, int]:
    """Format and version, which stand first in every format."""
    try:
        said = msgspec.msgpack.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise LayoutUnreadable(None, str(exc)) from exc
    match said:
        case [int(layout_format), int(version), *_]:
            return layout_format, version
        case _:
            raise LayoutUnreadable(None, "it does not begin with its format and version")


def fingerprint(layout: Layout) -> str:
    """A name for exactly this document: what was planned is what is applied."""
    return sha256(encode(layout)).hexdigest()
