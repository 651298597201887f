"""Where an image is: in each region, whether it is complete there, or what is missing."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol

import msgspec

from cluster import ClusterStatistics, stamp_ms
from cluster.errors import ClusterError, NotDecided, StorageFailure
from cluster.layout import Layout, Live, Placement
from cluster.model import Digest, Dot, NodeId, Region, Spread, Status
from cluster.objects import Live as Push
from node.desk.images import BESIDE_BYTES_MAX
from node.desk.moments import moment
from node.registry.manifests import stored_needs
from node.registry.names import Reference, RepositoryName
from node.registry.pull import Pull
from node.registry.values import ManifestRecord
from node.remembered.words import Words, shards_of

if TYPE_CHECKING:
    from array import array

TOGETHER_MAX: Final = 50
"""Images that are asked for together: the rows of a page."""

WHERE_S: Final = 0.08
"""How long such a look may take. What is not known by then is looked at by the next one."""

_AT_ONCE: Final = 64
"""Blobs looked at between two turns of the event loop: one or two milliseconds."""

_CHILDREN_MAX: Final = 200
"""Manifests of an index whose blobs are looked at."""

_CHILDREN_AT_ONCE: Final = 8
"""Of those, between two turns of the event loop: a few milliseconds, as each is small."""

_KEPT: Final = 400_000
"""Numbers that are kept of images, some hundred of each: a few MiB."""

WhereState = Literal["here", "arriving", "on pull", "behind", "unreadable", "silent"]


class RegionWhere(msgspec.Struct, frozen=True):
    """How an image stands in a region."""

    state: WhereState
    """`here`: all of it has a copy there. `arriving`: some of it is missing that has its place
    there. `on pull`: the region keeps none of what is missing, and fetches it for whoever pulls.
    `behind`: no node of it has heard of the push. `unreadable`: nobody who is there has a copy of
    something. `silent`: no node of the region answers. What came to a node by a pull is there for
    that node alone: only who asks it itself is told so."""

    share: float
    """How much of its bytes is there, from 0 to 1; rounded down, so that 1 is all."""

    behind_s: float | None
    """Seconds since the push, where the region is `behind`; else null."""


Where = Mapping[str, RegionWhere]
"""By region, in byte order."""


class RegionReplication(msgspec.Struct, frozen=True):
    """How an image stands in a region, in full."""

    region: str
    """Its name."""

    state: WhereState
    """As in a list of tags."""

    nodes: Sequence[str]
    """Who of it has something of the image."""

    knows: Sequence[str]
    """Who of it has heard of the push, of those that answer."""

    copies: int
    """Of what has the fewest there, how many copies that are there."""

    wanted: int
    """How many it should have by the layout; 0: it keeps none."""

    bytes: int
    """How much of it is there."""

    share: float
    """The same as a share of all, from 0 to 1."""

    complete: str | None
    """When the last of it came there, as its nodes say; null while it is not `here`."""

    behind_s: float | None
    """Seconds since the push, where the region is `behind`; else null."""


class ReplicationShown(msgspec.Struct, frozen=True):
    """Where an image is, as the node knows that is asked."""

    repository: str
    """Whose it is."""

    digest: str
    """That of its manifest."""

    event: str | None
    """Of the push that regions have heard of, or have not."""

    pushed: str | None
    """When that was."""

    blobs: int
    """How many it has, of all that it lists."""

    bytes: int
    """Their size."""

    is_partial: bool
    """Whether there are more: it lists what is not here, or very much."""

    regions: Sequence[RegionReplication]
    """In byte order."""


class ImageAt(NamedTuple):
    """An image that somebody wants to know of, and the push that regions have to have heard of."""

    repository: str
    digest: Digest
    event: Dot | None
    """None: only an index names it."""

    stamp: int
    """That of the event."""


class ReplicaIndex(Protocol):
    """What is asked of the index."""

    def manifest(self, repository: str, digest: Digest) -> ManifestRecord | None: ...

    def last_push(self, repository: str, digest: Digest) -> Push | None: ...

    def held_since(self, digest: Digest) -> Mapping[NodeId, int]:
        """Who said to hold a blob, each with the stamp of that."""
        ...


class ReplicaCluster(Protocol):
    """What is asked of the cluster."""

    def statistics(self) -> ClusterStatistics: ...

    async def wait_for(
        self, dot: Dot, regions: Sequence[Region] | None, timeout_s: float
    ) -> Spread:
        """Where an event is, after *timeout_s* at the latest."""
        ...


class _Group(NamedTuple):
    """Blobs of an image that the same nodes have, and should have."""

    holders: frozenset[NodeId]
    targets: frozenset[NodeId]
    cached: bool
    """Whether this node has copies of them that came by a pull."""

    def is_at(self, living: Collection[NodeId], me: NodeId) -> bool:
        """Whether one of the *living* of a region has them, as this node, *me*, knows."""
        return not self.holders.isdisjoint(living) or (self.cached and me in living)


class _Amount(NamedTuple):
    blobs: int
    bytes: int
    since: Mapping[NodeId, int]
    """The latest stamp of each holder."""


class _Held(NamedTuple):
    """Who has what of an image, while nothing of that changes."""

    layout: Layout | None
    shards: "array[int]"
    words: "array[int]"
    groups: Mapping[_Group, _Amount]
    is_partial: bool

    @property
    def weight(self) -> int:
        return len(self.shards) * 2 + len(self.groups) * 10


class _There(NamedTuple):
    """Who is there, by this moment's knowledge."""

    node: NodeId
    region_of: Mapping[NodeId, Region]
    """Of the stores of the layout, or of the members while there is none."""

    living: Collection[NodeId]
    connected: Collection[NodeId]
    """This node included, in both."""

    @property
    def regions(self) -> list[Region]:
        return sorted({*self.region_of.values()})


class Replication:
    """
    Tells where images are. Belongs to one event loop.

    Who has the blobs of an image is gathered from their holder rows once, and kept until one of the
    rows may have changed, which their words say (`node.remembered.words`), or the layout. Who of
    those is there, and who has heard of the push, is asked each time.
    """

    def __init__(
        self,
        index: ReplicaIndex,
        pull: Pull,
        cluster: ReplicaCluster,
        live: Callable[[], Live],
        words: Words,
        now_ms: Callable[[], int],
        cached: Callable[[Digest], int | None],
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        *live* raises `NotDecided` while there is no layout; *cached* tells the size of a blob of
        which this node has a copy that counts for nobody.
        """
        self._index = index
        self._pull = pull
        self._cluster = cluster
        self._live = live
        self._words = words
        self._now_ms = now_ms
        self._cached = cached
        self._steady = steady
        self._placement: Placement | None = None
        self._known: OrderedDict[tuple[str, Digest], _Held] = OrderedDict()
        self._weight = 0

    async def look(self, repository: RepositoryName, reference: Reference) -> ReplicationShown:
        """
        Where an image is.

        Raises:
            ManifestUnknown: there is no such image.
            NotCaughtUp, ClockOff, Unconfirmed: see `UseCase`.
        """
        found = await self._pull.manifest(repository, reference)
        push = self._index.last_push(repository, found.digest)
        event = found.event or (None if push is None else push.dot)
        stamp = 0 if push is None else push.stamp
        held, there = await self._held(repository, found.digest), self._there()
        spread = await self._spread(event)
        regions = [self._in_full(held, there, spread, region, stamp) for region in there.regions]
        return ReplicationShown(
            str(repository),
            str(found.digest),
            None if event is None else str(event),
            None if push is None else moment(stamp),
            sum(amount.blobs for amount in held.groups.values()),
            _bytes_of(held),
            held.is_partial,
            regions,
        )

    async def where(
        self, images: Sequence[ImageAt], within_s: float = WHERE_S
    ) -> list[Where | None]:
        """
        Where each of *images* is, in their order; `TOGETHER_MAX` of them at most.

        None where that was not known within *within_s* seconds: what was gathered is kept, so that
        the next look gets further.
        """
        assert len(images) <= TOGETHER_MAX, "a page has no more rows"
        until, there = self._steady() + within_s, self._there()
        found: list[Where | None] = []
        for image in images:
            if self._steady() >= until:
                found.append(None)
                continue
            try:
                held = await self._held(image.repository, image.digest)
            except (ClusterError, StorageFailure):
                found.append(None)
                continue
            spread = await self._spread(image.event)
            found.append(
                {
                    region: self._in_short(held, there, spread, region, image.stamp)
                    for region in there.regions
                }
            )
        return found

    async def _spread(self, event: Dot | None) -> Spread | None:
        return None if event is None else await self._cluster.wait_for(event, None, 0.0)

    # --- who has what ---------------------------------------------------------------------------

    async def _held(self, repository: str, digest: Digest) -> _Held:
        key, layout = (repository, digest), self._layout()
        known = self._known.get(key)
        if known is not None:
            if known.layout is layout and self._words.at(known.shards) == known.words:
                self._known.move_to_end(key)
                return known
            self._weight -= self._known.pop(key).weight
        held = await self._gather(repository, digest, layout)
        if held.is_partial:
            return held  # what is not here may come: its words do not say so
        if (meanwhile := self._known.pop(key, None)) is not None:
            self._weight -= meanwhile.weight
        self._weight += held.weight
        self._known[key] = held
        while self._weight > _KEPT:
            self._weight -= self._known.popitem(last=False)[1].weight
        return held

    async def _gather(self, repository: str, digest: Digest, layout: Layout | None) -> _Held:
        contents, is_partial = await self._contents(repository, digest)
        shards = shards_of(contents)
        words = self._words.at(shards)
        placement = self._placed_by(layout)
        groups: dict[_Group, _Amount] = {}
        for number, (blob, size) in enumerate(contents.items(), 1):
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
            since = self._index.held_since(blob)
            targets = () if placement is None else placement.targets(blob, since)
            cached = self._cached(blob) is not None
            group = _Group(frozenset(since), frozenset(targets), cached)
            before = groups.get(group)
            if before is None:
                groups[group] = _Amount(1, size, since)
            else:
                latest = {node: max(stamp, before.since[node]) for node, stamp in since.items()}
                groups[group] = _Amount(before.blobs + 1, before.bytes + size, latest)
        return _Held(layout, shards, words, groups, is_partial)

    async def _contents(self, repository: str, digest: Digest) -> tuple[dict[Digest, int], bool]:
        """The blobs of an image, or of all that an index lists, with their sizes; and whether there
        are more."""
        blobs: dict[Digest, int] = {}
        manifests, looked_at, is_partial = [digest], 0, False
        while manifests and looked_at < _CHILDREN_MAX:
            named = manifests.pop()
            record = self._index.manifest(repository, named)
            looked_at += 1
            if looked_at % _CHILDREN_AT_ONCE == 0:
                await asyncio.sleep(0)
            if record is None:
                is_partial = True
                continue
            for need in stored_needs(named, record.body):
                if not need.may_be_manifest or need.listed_for is None:
                    blobs[need.digest] = need.size
                elif need.size > BESIDE_BYTES_MAX:
                    is_partial = True
                else:
                    manifests.append(need.digest)
        return blobs, is_partial or bool(manifests)

    def _layout(self) -> Layout | None:
        try:
            return self._live().newest
        except NotDecided:
            return None

    def _placed_by(self, layout: Layout | None) -> Placement | None:
        if layout is None:
            return None
        if self._placement is None or self._placement.layout is not layout:
            self._placement = Placement(layout)
        return self._placement

    # --- who of them is there -------------------------------------------------------------------

    def _there(self) -> _There:
        statistics, layout = self._cluster.statistics(), self._layout()
        known = {member.node: member.region for member in statistics.members}
        known[statistics.node] = statistics.region
        if layout is not None:
            known = {store.node: store.region for store in layout.stores()}
        gone = (Status.DEAD, Status.LEFT)
        me = statistics.node
        return _There(
            me,
            known,
            {me, *(m.node for m in statistics.members if m.connected or m.status not in gone)},
            {me, *(m.node for m in statistics.members if m.connected)},
        )

    def _in_short(
        self, held: _Held, there: _There, spread: Spread | None, region: Region, stamp: int
    ) -> RegionWhere:
        state, _ = _state(held, there, spread, region)
        behind_s = self._since_s(stamp) if state == "behind" else None
        return RegionWhere(state, _share(held, there, region), behind_s)

    def _in_full(
        self, held: _Held, there: _There, spread: Spread | None, region: Region, stamp: int
    ) -> RegionReplication:
        state, knows = _state(held, there, spread, region)
        own = {node for node, where in there.region_of.items() if where == region}
        living = own.intersection(there.living)
        having = {node for group in held.groups for node in group.holders} & own
        if there.node in own and any(group.cached for group in held.groups):
            having.add(there.node)
        return RegionReplication(
            region=region,
            state=state,
            nodes=sorted(having),
            knows=sorted(knows),
            copies=min((len(group.holders & living) for group in held.groups), default=0),
            wanted=max((len(group.targets & own) for group in held.groups), default=0),
            bytes=_bytes_in(held, there, living),
            share=_share(held, there, region),
            complete=_completed(held, living) if state == "here" else None,
            behind_s=self._since_s(stamp) if state == "behind" else None,
        )

    def _since_s(self, stamp: int) -> float:
        return max(0, self._now_ms() - stamp_ms(stamp)) / 1000


def _state(
    held: _Held, there: _There, spread: Spread | None, region: Region
) -> tuple[WhereState, Collection[NodeId]]:
    """How an image stands in a region; and who of that has heard of the push."""
    own = {node for node, where in there.region_of.items() if where == region}
    answering = own.intersection(there.connected)
    knows: Collection[NodeId] = answering
    if spread is not None:
        knows = answering & {node.node for node in spread.nodes if node.has}
    living = own.intersection(there.living)
    missing = [group for group in held.groups if not group.is_at(living, there.node)]
    if not answering:
        return "silent", knows
    if not knows:
        return "behind", knows
    if not missing:
        return "here", knows
    if any(not group.holders.intersection(there.living) for group in missing):
        return "unreadable", knows
    return ("arriving" if any(group.targets & own for group in missing) else "on pull"), knows


def _bytes_of(held: _Held) -> int:
    return sum(amount.bytes for amount in held.groups.values())


def _bytes_in(held: _Held, there: _There, living: Collection[NodeId]) -> int:
    return sum(
        amount.bytes for group, amount in held.groups.items() if group.is_at(living, there.node)
    )


def _share(held: _Held, there: _There, region: Region) -> float:
    living = {node for node, where in there.region_of.items() if where == region}
    living.intersection_update(there.living)
    whole = _bytes_of(held)
    # Down: what is not complete is never 1.
    return 1.0 if whole == 0 else _bytes_in(held, there, living) * 1000 // whole / 1000


def _completed(held: _Held, living: Collection[NodeId]) -> str | None:
    """When a region got the last of an image; None where some of it came by a pull."""
    if any(group.holders.isdisjoint(living) for group in held.groups):
        return None
    stamps = [
        min(stamp for node, stamp in amount.since.items() if node in living)
        for amount in held.groups.values()
    ]
    return moment(max(stamps)) if stamps else None
