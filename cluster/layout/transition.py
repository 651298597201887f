"""
From one version of the layout to the next: while both are live, what counts has to be so in both.

The control log decides two slots for a change: `Begin`, with the next version, and `End`. Every
node folds them in order, so all that have read as far have one `Live`. In between a write is
acknowledged, and a read served, by majorities of both versions. So the majorities of two stages
that follow each other always meet, and `End` comes only when the version before cannot act any more
(`handover`): never can a version and the one after the next both acknowledge in a region. Pure.
"""

from collections.abc import Collection, Mapping
from enum import Enum, auto
from functools import cached_property
from typing import Final

import msgspec

from cluster.errors import ChangeOpen, LayoutUnreadable, MemberMissing, VersionTaken
from cluster.layout import document, promises
from cluster.layout.document import Layout
from cluster.layout.rules import check
from cluster.messages import Stage
from cluster.model import Disk, NodeId, Region


class Begin(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="begin"):
    """*layout* is live beside the version before it."""

    layout: bytes
    """In its canonical encoding, for `document.decode` to judge."""

    lost: tuple[str, ...] = ()
    """Disks that are switched off for good, by an operator's word: neither waited for nor
    counted."""


class Forsake(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="forsake"
):
    """While the change to *version* goes on: these disks are lost, too."""

    version: int
    lost: tuple[str, ...]


class End(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="end"):
    """*version* is live alone."""

    version: int


Step = Begin | Forsake | End

_steps: Final = msgspec.msgpack.Decoder(Step)


def encode(step: Step) -> bytes:
    """The one encoding of a step, for a slot."""
    return msgspec.msgpack.encode(step)


def decode(data: bytes) -> Step:
    """
    Inverse of `encode`.

    Raises:
        LayoutUnreadable: a later version of Atoll made it, or it is in no canonical encoding.
    """
    try:
        step: Step = _steps.decode(data)
    except msgspec.DecodeError as exc:
        raise LayoutUnreadable(None, str(exc)) from exc
    if encode(step) != data:
        raise LayoutUnreadable(None, "a step is not in its canonical encoding")
    return step


class _State(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What `Live` is made of, in its one encoding."""

    newest: bytes
    oldest: bytes | None
    lost: tuple[str, ...]


_states: Final = msgspec.msgpack.Decoder(_State)


class Heed(Enum):
    """What to do with a request, by the stage that it names."""

    SERVE = auto()
    LEARN = auto()
    """Its sender is further: take its slots first, then serve."""

    REFUSE = auto()
    """Its sender is behind: tell it the stage, so that it learns."""


class Belonging(Enum):
    """What a node is to the cluster, by its name and its disk."""

    MEMBER = auto()
    STRANGER = auto()
    """It may pass requests on: a proxy. Nothing is taken from it, and it may be added."""

    GONE = auto()
    """It was removed, or declared lost. What is on its disk counts for nothing any more (U5): it
    sets its log aside, and begins with an empty disk."""


class Live:
    """What the decided slots say: one version, or two. A value; never changed."""

    def __init__(
        self, newest: Layout, oldest: Layout | None = None, lost: Collection[str] = ()
    ) -> None:
        self.newest = newest
        """Where copies go, who votes, and what the settings are."""

        self.oldest = newest if oldest is None else oldest
        self.lost = frozenset(lost)
        """Disks that do not count, in either version, until no version names them."""

    def encode(self) -> bytes:
        """The one encoding of all that is live, for who takes over a state without its slots."""
        oldest = document.encode(self.oldest) if self.stage.joint else None
        state = _State(document.encode(self.newest), oldest, tuple(sorted(self.lost)))
        return msgspec.msgpack.encode(state)

    @classmethod
    def decode(cls, data: bytes) -> "Live":
        """
        Inverse of `encode`.

        Raises:
            LayoutUnreadable: a later version of Atoll made it, or it is in no canonical encoding.
            LayoutInvalid: a layout contradicts itself.
        """
        try:
            state = _states.decode(data)
        except msgspec.DecodeError as exc:
            raise LayoutUnreadable(None, str(exc)) from exc
        newest = document.decode(state.newest)
        oldest = None if state.oldest is None else document.decode(state.oldest)
        for layout in (newest, oldest or newest):
            check(layout)
        live = cls(newest, oldest, state.lost)
        if live.encode() != data:
            raise LayoutUnreadable(newest.version, "it is not in its canonical encoding")
        return live

    @cached_property
    def stage(self) -> Stage:
        return Stage(self.oldest.version, self.newest.version)

    @cached_property
    def layouts(self) -> tuple[Layout, ...]:
        return (self.oldest, self.newest) if self.stage.joint else (self.newest,)

    @property
    def voters(self) -> tuple[Disk, ...]:
        """Who decides the next slot: a change of voters counts from the slot behind it."""
        return self.newest.voters

    @cached_property
    def copies(self) -> int:
        """Nodes that have a write before it is acknowledged."""
        return max(layout.settings.copies for layout in self.layouts)

    @cached_property
    def members(self) -> frozenset[Disk]:
        """From whom events are taken: who is being removed may be the only one to have some."""
        return self._counted(self.oldest.disks | self.newest.disks)

    @cached_property
    def staying(self) -> frozenset[Disk]:
        """Those with the whole index that are not about to leave."""
        return self.members & self.newest.indexes

    def belonging(self, disk: Disk) -> Belonging:
        """What a node with this disk is to the cluster."""
        if disk in self.members:
            return Belonging.MEMBER
        gone = disk.store in self.lost or disk.store in self.newest.removed
        return Belonging.GONE if gone else Belonging.STRANGER

    @cached_property
    def quorums(self) -> Mapping[Region, tuple[frozenset[Disk], ...]]:
        """
        Of each region, the sets of which a majority is needed: one, or one of each version. One
        that is empty has none.
        """
        found: dict[Region, tuple[frozenset[Disk], ...]] = {}
        for region in sorted({r for layout in self.layouts for r in layout.regions}):
            sets = dict.fromkeys(self.quorum_set(layout, region) for layout in self.layouts)
            # A region that is new has acknowledged nothing by the version without it. One that is
            # given up acknowledges nothing any more: no majority of the next version would know.
            first = self.quorum_set(self.oldest, region)
            found[region] = tuple(disks for disks in sets if disks or first)
        return found

    def quorum_set(self, layout: Layout, region: Region) -> frozenset[Disk]:
        """That of one of the versions, without who is lost."""
        return self._counted(layout.quorum_set(region))

    def _counted(self, disks: frozenset[Disk]) -> frozenset[Disk]:
        return frozenset(disk for disk in disks if disk.store not in self.lost)

    def majority(self, region: Region, disks: Collection[Disk]) -> bool:
        """Whether *disks* are a majority of the region's quorum in every version that is live."""
        sets = self.quorums.get(region, ())
        return bool(sets) and all(2 * len(each & set(disks)) > len(each) for each in sets)

    def suffice(self, region: Region, disks: Collection[Disk]) -> bool:
        """
        Whether a write of the region may be acknowledged once *disks* have it. Copies on who is
        about to leave do not count: it was asked for all it has, maybe before it had this.
        """
        return len(self.staying.intersection(disks)) >= self.copies and self.majority(region, disks)

    def covers(self, region: Region, reader: Disk, granters: Collection[Disk]) -> bool:
        """
        Whether *reader*, whose disk is continuous, may read from its own index with leases of
        *granters*. It counts itself where it is in the quorum.
        """
        return self.majority(region, {*granters, reader})

    def heed(self, named: Stage) -> Heed:
        """What to do with a request, pulls too, of a sender at the stage *named*."""
        if named == self.stage:
            return Heed.SERVE
        return Heed.LEARN if named > self.stage else Heed.REFUSE

    def after(self, step: Step) -> "Live":
        """
        What is live once a slot with *step* is decided.

        A decided step that is refused changes nothing, at any node: two that were proposed at once
        are both decided, and the second finds its version taken.

        Raises:
            ChangeOpen, VersionTaken, MemberMissing, RegionFixed, MemberKnown, LayoutInvalid: it
                does not follow, and nothing has changed.
            LayoutUnreadable: it does follow, as far as can be told, and this version of Atoll
                cannot read it: this node must not act until it is upgraded.
        """
        match step:
            case Begin(data, lost):
                if self.stage.joint:
                    raise ChangeOpen(self.newest.version)
                if (version := document.version_of(data)) != self.newest.version + 1:
                    raise VersionTaken(self.newest.version, version)
                new = document.decode(data)
                check(new)
                promises.follows(self.newest, new)
                self._insist_known(lost)
                return Live(new, self.newest, self.lost | set(lost))
            case Forsake(version, lost):
                self._insist_open(version)
                self._insist_known(lost)
                return Live(self.newest, self.oldest, self.lost | set(lost))
            case End(version):
                self._insist_open(version)
                # Who was forsaken and not removed is still not there.
                return Live(self.newest, lost=self.lost & {d.store for d in self.newest.disks})

    def step_to(self, after: "Live") -> Step:
        """
        The step that leads from here to *after*.

        Raises:
            LayoutError: none does; as of `after`.
        """
        lost = tuple(sorted(after.lost - self.lost))
        step: Step
        if self.stage.joint:
            version = self.newest.version
            step = Forsake(version, lost) if after.stage.joint else End(version)
        else:
            step = Begin(document.encode(after.newest), lost)
        if self.after(step).encode() != after.encode():
            raise VersionTaken(self.newest.version, after.newest.version)
        return step

    def _insist_open(self, version: int) -> None:
        if not self.stage.joint or version != self.newest.version:
            raise VersionTaken(self.newest.version, version)

    def _insist_known(self, stores: Collection[str]) -> None:
        known = {disk.store for disk in self.oldest.disks | self.newest.disks}
        for store in stores:
            if store not in known:
                raise MemberMissing(NodeId(store))
