"""
Where copies of a blob belong: weighted rendezvous hashing, in each region over its zones. Pure.

Each store draws a number for the digest, and the highest keep it (Thaler and Ravishankar, "Using
name-based mappings to increase hit rates", 1998; weights after Schindelhauer and Schomaker,
"Weighted Distributed Hash Tables", 2005: -w / ln u makes a store win in proportion to w). Equal
weights rank as `replication.placement` does, so the first layout moves nothing of a region without
zones. Which regions keep a blob is drawn apart, by weights of the regions: so a store that comes,
goes or changes its weight moves copies inside its region only, and there only those that it wins or
had won.

In a region the copies are spread: the best of each zone come first, then the second best. A store
that draws higher than before takes the place of one other, wherever it stands: what is chosen by
round and draw changes by one at a time.
"""

import heapq
import math
from collections.abc import Callable, Collection, Iterable, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

from cluster.layout.document import Layout
from cluster.model import Digest, NodeId, Region

_HASH_BYTES: Final = 8
_DRAW_BITS: Final = 52

Draw = Callable[[bytes], float]


def draw(name: str, weight: float) -> Draw:
    """What *name* draws for a digest: in proportion to its weight it is the highest."""
    keyed = blake2b(key=name.encode(), digest_size=_HASH_BYTES)

    def drawn(digest: bytes) -> float:
        hashed = keyed.copy()
        hashed.update(digest)
        # Half a step inside (0, 1), for the logarithm is usable at neither end.
        steps = int.from_bytes(hashed.digest(), "big") >> (8 * _HASH_BYTES - _DRAW_BITS)
        return -weight / math.log((steps + 0.5) / (1 << _DRAW_BITS))

    return drawn


class _Store(NamedTuple):
    node: NodeId
    zone: int
    """Its place among the zones of the region."""

    takes: bool
    draw: Draw


class _Place(NamedTuple):
    """A region, as far as copies go."""

    region: Region
    copies: int
    stores: tuple[_Store, ...]
    zones: int
    draw: Draw


class Placement:
    """The places of one version of a layout: made once, asked for each blob."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._copies = layout.settings.copies
        self._regions_min = layout.settings.regions_min
        self._places = {region: _place(layout, region) for region in layout.regions}
        self._region_of = {m.node: m.region for m in layout.stores() if m.keeps_copies}
        self._paused = {m.node for m in layout.stores() if m.keeps_copies and not m.takes_copies}

    def targets(
        self, digest: Digest, holders: Collection[NodeId] = (), home: Region | None = None
    ) -> list[NodeId]:
        """
        Who should have the blob that *holders* have: the regions in the order in which they should
        keep it, in each its copies.

        *home*, where the blob is pushed, comes first; then the regions that have it, for no copy
        has to cross a long link; then others, until there are `copies` and `regions_min`. Fewer
        are named where there are no more stores.
        """
        name = digest.encode()
        held = {self._region_of[node] for node in holders if node in self._region_of}
        chosen: list[NodeId] = []
        regions = 0
        for place in self._order(name, held, home):
            if regions >= self._regions_min and len(chosen) >= self._copies:
                break
            here = self._in_region(place, name, holders)
            chosen += here
            regions += bool(here)
        return chosen

    def _order(
        self, name: bytes, held: Collection[Region], home: Region | None
    ) -> Iterable[_Place]:
        keeping = [place for place in self._places.values() if place.copies and place.stores]
        if len(keeping) < 2:
            return keeping
        return sorted(
            keeping,
            key=lambda p: (p.region == home, p.region in held, p.draw(name), p.region),
            reverse=True,
        )

    def _in_region(
        self, place: _Place, name: bytes, holders: Collection[NodeId]
    ) -> Sequence[NodeId]:
        stores: Iterable[_Store] = place.stores
        if self._paused:
            # Who is paused keeps its place for what it has, and leaves it to the next for the rest.
            stores = [s for s in stores if s.takes or s.node in holders]
        drawn = [(store.draw(name), store.node, store.zone) for store in stores]
        if place.zones < 2 or place.copies < 2:
            return [node for _, node, _ in heapq.nlargest(place.copies, drawn)]
        drawn.sort(reverse=True)
        seen = [0] * place.zones
        rounds = []
        for rank, (_, node, zone) in enumerate(drawn):
            rounds.append((seen[zone], rank, node))
            seen[zone] += 1
        return [node for _, _, node in heapq.nsmallest(place.copies, rounds)]


def _place(layout: Layout, region: Region) -> _Place:
    rule = layout.rule(region)
    keeping = [m for m in layout.stores(region) if m.keeps_copies]
    zones = {zone: number for number, zone in enumerate(sorted({m.zone for m in keeping}))}
    stores = tuple(
        _Store(m.node, zones[m.zone], m.takes_copies, draw(m.node, m.weight)) for m in keeping
    )
    # A node's name has no slash: a region and a node of one name draw apart.
    return _Place(region, rule.copies, stores, len(zones), draw(f"region/{region}", rule.weight))
