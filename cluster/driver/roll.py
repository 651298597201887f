"""Who should be there, by the layout, and which of those are: what the engine counts."""

from collections.abc import Collection, Iterable, Sequence
from functools import cached_property

from cluster.layout.chronicle import Chronicle
from cluster.layout.document import DegradedWrites, LayoutMember
from cluster.layout.placement import Placement
from cluster.layout.transition import Live
from cluster.membership.members import Members
from cluster.membership.versions import common_features
from cluster.model import Digest, Disk, Member, NodeId, Region
from cluster.replication.placement import place


class Roll:
    """
    The members by the layout, as the node *me* sees them.

    Whom gossip knows is asked for news; who is in the layout is counted. A node counts with the
    disk that the layout names: under the name of a member whose disk was replaced nobody answers
    for what the earlier disk had.
    """

    def __init__(self, me: Member, chronicle: Chronicle, members: Members) -> None:
        self._me = me
        self._chronicle = chronicle
        self._members = members
        self._view = _View(me, None, (), ())
        self._placement: Placement | None = None

    @property
    def live(self) -> Live | None:
        return self._chronicle.live

    def _now(self) -> "_View":
        """What follows from the layout and the member table as they are. Each read asks."""
        live, others, linked = self.live, self._members.others(), self._members.connected()
        view = self._view
        if view.live is not live or view.others is not others or view.linked is not linked:
            self._view = view = _View(self._me, live, others, linked)
        return view

    @property
    def has_me(self) -> bool:
        """Whether this node is a member, with this disk."""
        return self._now().has_me

    def has(self, member: Member) -> bool:
        return self.live is not None and disk_of(member) in self.live.members

    def may_give(self, member: Member) -> bool:
        """Whether events are taken from *member* (U5), as far as is known."""
        return self.live is None or self.has(member)

    @property
    def is_store(self) -> bool:
        """Whether this node serves from its own index, by one of the layouts that are live."""
        return self._now().is_store

    def servers(self) -> tuple[Member, ...]:
        """The other members that do so, and whose link is up."""
        return self._now().servers

    def names(self) -> tuple[NodeId, ...]:
        """All members but this node, known to gossip or not."""
        return self._now().names

    def others(self) -> tuple[Member, ...]:
        """Those of the other members of which gossip has heard."""
        return self._now().known

    def connected(self) -> tuple[Member, ...]:
        """Those whose link is up."""
        return self._now().connected

    def living(self) -> tuple[Member, ...]:
        """Those that are there, connected or not: those to wait for."""
        living = set(self._members.living())
        return tuple(m for m in self._now().known if m in living)

    def there(self) -> frozenset[Disk]:
        """The disks of this node and of the members whose link is up."""
        return self._now().there

    def away(self) -> frozenset[NodeId]:
        """The members whose link is down, or that nobody has heard of."""
        return self._now().away

    def keepers(self) -> tuple[NodeId, ...]:
        """The stores whose copies of blobs count, this node included, wherever they are."""
        return self._now().keepers

    def present_keepers(self) -> tuple[NodeId, ...]:
        """Those of them that are there."""
        return self._now().present_keepers

    def active(self) -> tuple[NodeId, ...]:
        """Those that may get copies that they do not have, wherever they are."""
        return self._now().active

    def takers(self) -> tuple[NodeId, ...]:
        """Those of them that are there."""
        return self._now().takers

    def places(self, digest: Digest, holders: Collection[NodeId]) -> list[NodeId]:
        """
        Who is there and may get a copy of the blob that *holders* have: those first where it
        belongs, then this node's region, then the rest, in an order of the blob's own.
        """
        view, live = self._now(), self.live
        takers = view.takers
        if live is None:
            return []
        if self._placement is None or self._placement.layout is not live.newest:
            self._placement = Placement(live.newest)
        targets = self._placement.targets(digest, holders, self._me.region)
        others = place(digest, self._me, (m for m in view.known if m.node in takers))
        return [n for n in dict.fromkeys([*targets, *others]) if n in takers]

    def wanted(self) -> int:
        """How many copies a blob should have in the end: `copies`, as far as there are stores."""
        return min(self.copies, len(self.keepers()))

    @property
    def regions(self) -> frozenset[Region]:
        return frozenset() if self.live is None else frozenset(self.live.newest.regions)

    @property
    def copies(self) -> int:
        """Nodes that have what is written before it is acknowledged; 1 before there is a layout."""
        return 1 if self.live is None else self.live.copies

    @property
    def refuses_degraded(self) -> bool:
        refuse = DegradedWrites.REFUSE
        live = self.live
        return live is not None and live.newest.settings.degraded_writes is refuse

    @property
    def is_small(self) -> bool:
        """
        Whether a write may be acknowledged on fewer disks than `copies`, for there are no others
        that could take the place of one that is away.
        """
        return self._now().is_small

    @property
    def required(self) -> int:
        """
        Nodes, this one included, that must durably have what is written with consistency `region`.

        `copies`, whoever is away: a node that is cut off must not acknowledge what it could lose
        alone. But a cluster of no more stores than that would take no write with one of them away;
        there what is connected is enough, and counted as degraded.
        """
        if not self.is_small:
            return self.copies
        return min(self.copies, max(1, len(self.present_keepers())))

    def quorums(self) -> tuple[frozenset[Disk], ...]:
        """The sets of which a majority has to have what this region acknowledges."""
        if self.live is None or self.is_small:
            return ()
        return self.live.quorums.get(self._me.region, ())

    def suffice(self, having: Iterable[Member]) -> bool:
        """Whether an event may be acknowledged that *having*, and this node, durably have."""
        disks = {disk_of(self._me), *map(disk_of, having)}
        if self.live is None:
            return False
        if self.is_small:
            # As in `Live.suffice`: what is on who is about to leave goes with it.
            return len(self.live.staying & disks) >= self.required
        return self.live.suffice(self._me.region, disks)

    def is_majority(self, disks: Collection[Disk]) -> bool:
        """Whether *disks* are one in the quorum of this region, in each live version."""
        return self.live is not None and self.live.majority(self._me.region, disks)

    def uses(self, feature: str) -> bool:
        """Whether every member has *feature*, as far as is known; those away are asked as well."""
        view = self._now()
        everybody = len(view.known) == len(view.names)
        return everybody and feature in common_features(self._me, view.known)


class _View:
    """What follows from one layout, and from one member table with its links."""

    def __init__(
        self, me: Member, live: Live | None, others: Sequence[Member], linked: Sequence[Member]
    ) -> None:
        self._me = me
        self.live = live
        self.others = others
        self.linked = linked

    @cached_property
    def _disks(self) -> frozenset[Disk]:
        return frozenset() if self.live is None else self.live.members

    @cached_property
    def has_me(self) -> bool:
        return disk_of(self._me) in self._disks

    @cached_property
    def _serving(self) -> frozenset[Disk]:
        layouts = () if self.live is None else self.live.layouts
        return self._disks & {store.disk for layout in layouts for store in layout.stores()}

    @cached_property
    def is_store(self) -> bool:
        return disk_of(self._me) in self._serving

    @cached_property
    def servers(self) -> tuple[Member, ...]:
        return tuple(m for m in self.linked if disk_of(m) in self._serving)

    @cached_property
    def names(self) -> tuple[NodeId, ...]:
        return tuple(sorted({disk.node for disk in self._disks} - {self._me.node}))

    @cached_property
    def known(self) -> tuple[Member, ...]:
        return tuple(m for m in self.others if disk_of(m) in self._disks)

    @cached_property
    def connected(self) -> tuple[Member, ...]:
        return tuple(m for m in self.linked if disk_of(m) in self._disks)

    @cached_property
    def there(self) -> frozenset[Disk]:
        return frozenset((disk_of(self._me), *map(disk_of, self.connected)))

    @cached_property
    def away(self) -> frozenset[NodeId]:
        return frozenset(self.names).difference(m.node for m in self.connected)

    def _stores(self) -> Sequence[LayoutMember]:
        """The stores of the newest version, without those that are lost."""
        if self.live is None:
            return ()
        return tuple(m for m in self.live.newest.stores() if m.store not in self.live.lost)

    @cached_property
    def keepers(self) -> tuple[NodeId, ...]:
        return tuple(m.node for m in self._stores() if m.keeps_copies)

    @cached_property
    def present_keepers(self) -> tuple[NodeId, ...]:
        return tuple(n for n in self.keepers if n in self._there)

    @cached_property
    def active(self) -> tuple[NodeId, ...]:
        return tuple(m.node for m in self._stores() if m.takes_copies)

    @cached_property
    def takers(self) -> tuple[NodeId, ...]:
        return tuple(n for n in self.active if n in self._there)

    @cached_property
    def _there(self) -> frozenset[NodeId]:
        here = {self._me.node} if self.has_me else set()
        return frozenset(here | {m.node for m in self.connected})

    @cached_property
    def is_small(self) -> bool:
        if self.live is None or not self.has_me:
            # Who was removed is none of the few: they may read what it would acknowledge alone.
            return False
        live, refuse = self.live, DegradedWrites.REFUSE
        # While a third one leaves, there is somebody who could take the place of one that is away.
        small = all(len(layout.stores()) <= live.copies for layout in live.layouts)
        return small and live.newest.settings.degraded_writes is not refuse


def disk_of(member: Member) -> Disk:
    return Disk(member.node, member.store)
