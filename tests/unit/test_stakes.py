"""What is at stake when a node goes."""

from collections.abc import Iterator, Sequence

from cluster.model import Digest, NodeId
from node.stakes import Stakes, count

A, B, C = NodeId("a"), NodeId("b"), NodeId("c")


class World:
    """Who says to hold a blob (its rows), who that is connected has it, and who links it."""

    def __init__(self) -> None:
        self.rows: dict[Digest, list[NodeId]] = {}
        self.there: dict[Digest, list[NodeId]] = {}
        self.linked: set[Digest] = set()
        self.sizes: dict[Digest, int] = {}
        self.pages = 0

    def add(self, size: int, rows: list[NodeId], there: list[NodeId], *, linked: bool = True):
        digest = Digest.of(str(len(self.rows)).encode())
        self.rows[digest], self.there[digest], self.sizes[digest] = rows, there, size
        if linked:
            self.linked.add(digest)

    def held_by_after(
        self, node: NodeId, after: Digest | None, looked_at_max: int
    ) -> tuple[Sequence[tuple[Digest, int]], Digest | None]:
        self.pages += 1
        rest = sorted(d for d in self.rows if after is None or d > after)
        page = rest[:looked_at_max]
        held = [(d, self.sizes[d]) for d in page if node in self.rows[d]]
        return held, page[-1] if len(rest) > len(page) else None

    def holding(self, digest: Digest) -> Sequence[NodeId]:
        return self.there[digest]

    def repositories_with(self, digest: Digest) -> Iterator[str]:
        return iter(["library/app"] if digest in self.linked else [])


async def test_only_copies_of_others_that_are_there_count():
    """Broken: images are lost with a node though it was said that others have them."""
    world = World()
    world.add(1, [A, B, C], [A, B, C])
    world.add(10, [A, B], [A, B])
    world.add(100, [A, B], [A])  # b is dead, or its directory was wiped
    world.add(1_000, [A], [A])
    world.add(10_000, [A], [A], linked=False)
    world.add(100_000, [B, C], [B, C])
    assert await count(world, world, world, A, 2) == Stakes(2, 1_100, 1, 10)
    assert await count(world, world, world, A, 1) == Stakes(2, 1_100, 0, 0)


async def test_two_that_leave_together_do_not_count_on_each_other():
    world = World()
    world.add(1, [A, B, C], [A, B, C])
    world.add(10, [A, B], [A, B])
    assert await count(world, world, world, A, 2, [C]) == Stakes(1, 10, 1, 1)


async def test_what_only_a_dead_member_said_it_has():
    world = World()
    world.add(1, [A, B], [A])
    world.add(10, [B], [])
    assert await count(world, world, world, B, 2) == Stakes(1, 10, 1, 1)


async def test_many_blobs_are_counted_in_steps():
    """Broken: a node with a million blobs serves nobody while it counts them."""
    world = World()
    for _ in range(1_000):
        world.add(1, [A], [A])
    assert await count(world, world, world, A, 2) == Stakes(1_000, 1_000, 0, 0)
    assert world.pages == 8
