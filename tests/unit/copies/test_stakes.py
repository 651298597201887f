"""The blobs that repositories have, and who has them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing

import pytest

from cluster.errors import NotDecided
from cluster.layout import Availability, Live, Row
from cluster.model import Digest, Dot, NodeId
from node.attention.facts import BlobSum, NodeCopies
from node.copies.stakes import CopyCount, Shortfall, claimed, rows
from tests.fakes.layouts import layout, with_member

A, B, C = NodeId("a"), NodeId("b"), NodeId("c")


class World:
    """Who says to hold a blob (its rows), who that is connected has it, and who links it."""

    def __init__(self) -> None:
        self.rows: dict[Digest, list[NodeId]] = {}
        self.there: dict[Digest, list[NodeId]] = {}
        self.linked: set[Digest] = set()
        self.sizes: dict[Digest, int] = {}
        self.pages = 0

    def add(
        self, size: int, rows: list[NodeId], there: list[NodeId], *, linked: bool = True
    ) -> Digest:
        digest = Digest.of(str(len(self.rows)).encode())
        self.rows[digest], self.there[digest], self.sizes[digest] = rows, there, size
        if linked:
            self.linked.add(digest)
        return digest

    def held_by_after(
        self, node: NodeId | None, after: Digest | None, looked_at_max: int
    ) -> tuple[Sequence[tuple[Digest, int]], Digest | None]:
        self.pages += 1
        rest = sorted(d for d in self.rows if after is None or d > after)
        page = rest[:looked_at_max]
        held = [(d, self.sizes[d]) for d in page if node is None or node in self.rows[d]]
        return held, page[-1] if len(rest) > len(page) else None

    def holders(self, digest: Digest) -> Mapping[NodeId, Dot]:
        return {node: Dot(node, 1, 1) for node in self.rows[digest]}

    def having(self, digest: Digest) -> Sequence[NodeId]:
        return self.there[digest]

    def repositories_with(self, digest: Digest) -> Iterator[str]:
        return iter(["library/app"] if digest in self.linked else [])


async def listed(found) -> list[Row]:
    async with aclosing(found) as each:
        return [row async for row in each]


async def test_a_row_has_who_is_there_and_the_node_itself():
    """Broken: images are lost with a node though it was said that others have them."""
    world = World()
    both = world.add(1, [A, B, C], [A, C])
    alone = world.add(10, [A, B], [])  # b is dead, or its directory was wiped
    world.add(100, [A], [A], linked=False)
    world.add(1_000, [B, C], [B, C])
    found = {row.digest: row for row in await listed(rows(world, world, world, A))}
    assert {digest: set(row.holders) for digest, row in found.items()} == {
        both: {A, C},
        alone: {A},
    }
    assert found[alone].size == 10


async def test_a_plan_goes_by_what_nodes_said():
    world = World()
    first, second = world.add(1, [A, B], [A]), world.add(10, [C], [])
    world.add(100, [A], [A], linked=False)
    found = {row.digest: set(row.holders) for row in await listed(claimed(world, world))}
    assert found == {first: {A, B}, second: {C}}


async def test_many_blobs_are_looked_at_in_steps():
    """Broken: a node with a million blobs serves nobody while it counts them."""
    world = World()
    for _ in range(1_000):
        world.add(1, [A], [A])
    assert len(await listed(rows(world, world, world, A))) == 1_000
    assert world.pages == 8


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_blobs_with_too_few_copies_are_counted():
    world = World()
    world.add(1, [A, B], [A, B])
    few = world.add(10, [A, B], [A])
    gone = world.add(100, [C], [])
    world.add(1_000, [A], [A], linked=False)
    live = Live(layout("eu: a b c"))
    count = CopyCount(world, world, world, lambda: live)
    found = await count.look()
    few_and_gone = tuple(sorted([few, gone]))
    assert found[:7] == Shortfall(3, 111, 1, 10, 1, 100, few_and_gone)[:7]


async def test_who_has_which_copies_is_summed_up():
    """Broken: a node is stopped that alone has a blob; or what a drain makes counts as repair."""
    world = World()
    world.add(1, [A, B], [A, B])
    world.add(10, [A, B], [A])
    world.add(100, [C], [C])
    world.add(1_000, [A, B], [])
    draining = with_member(layout("eu: a b, us: c d"), "c", availability=Availability.DRAINING)
    places = (await CopyCount(world, world, world, lambda: Live(draining)).look()).places
    assert places.nodes == {
        A: NodeCopies(BlobSum(2, 11), BlobSum(1, 10), BlobSum(1, 10)),
        B: NodeCopies(BlobSum(1, 1)),
        C: NodeCopies(BlobSum(1, 100), BlobSum(1, 100), BlobSum(1, 100)),
    }
    assert places.regions == {"eu": BlobSum(1, 10), "us": BlobSum(1, 100)}
    assert (places.drained, places.walk) == (BlobSum(1, 100), 1)


async def test_copies_on_who_drains_count_no_more():
    world = World()
    world.add(10, [A, B], [A, B])
    live = Live(with_member(layout("eu: a b c"), "b", availability=Availability.DRAINING))
    assert (await CopyCount(world, world, world, lambda: live).look()).short == 1


async def test_copies_in_too_few_regions_are_too_few():
    world = World()
    world.add(10, [A, B], [A, B])
    world.add(1, [A, C], [A, C])
    live = Live(layout("eu: a b, us: c d", regions_min=2))
    assert (await CopyCount(world, world, world, lambda: live).look()).short_bytes == 10


async def test_who_asks_often_does_not_make_a_node_look_all_the_time():
    """Broken: `atoll status --watch` on three screens is all that a node has time for."""
    world, clock, live = World(), Clock(), Live(layout("eu: a b c"))
    world.add(1, [A, B], [A, B])

    def slow(digest: Digest) -> Sequence[NodeId]:
        clock.now += 0.5
        return world.there[digest]

    world.having = slow  # type: ignore[method-assign]
    count = CopyCount(world, world, world, lambda: live, clock)
    await count.look()
    world.add(1, [A], [A])
    assert (await count.look()).blobs == 1
    clock.now += 4.9
    assert (await count.look()).blobs == 1
    clock.now += 0.2
    assert (await count.look()).blobs == 2


async def test_without_a_layout_nothing_can_be_told():
    def absent() -> Live:
        raise NotDecided("there is no layout yet")

    world = World()
    with pytest.raises(NotDecided):
        await CopyCount(world, world, world, absent).look()
