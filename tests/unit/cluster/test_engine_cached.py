"""Copies that came with a pull: they serve, and nobody counts on them."""

from tests.fakes.fleet import fleet

LARGE = b"large" * 1000
SMALL = b"small"


async def test_a_pull_tells_nobody():
    """Broken: each pull of an image writes to the logs of the world."""
    async with fleet() as ships:
        a, b, _ = await ships.trio()
        digest = await ships.stored(LARGE, a)
        before = b.records.vector().get(b.records.origin, 0)
        assert await b.read(digest, len(LARGE)) == LARGE
        await ships.until(lambda: b.records.size_here(digest) == len(LARGE))
        assert b.records.vector().get(b.records.origin, 0) == before
        assert b.records.held_size(digest) is None
        assert b.records.holders(digest).keys() == {"a"}


async def test_a_cached_copy_is_no_copy():
    """P1. Broken: it goes without a word, and the blob is on fewer disks than was acknowledged."""
    async with fleet() as ships:
        a, b, _ = await ships.trio()
        digest = await ships.stored(LARGE, a)
        assert await b.read(digest, len(LARGE)) == LARGE
        await ships.until(lambda: b.records.size_here(digest) is not None)
        assert b.holding(digest) == ["a"]
        assert await b.cluster.ensure_copies([(digest, len(LARGE))]) == 2
        assert b.holding(digest) == ["b", "a"]
        assert b.records.holders(digest).keys() == {"a", "b"}
        assert ships.network.count("fetch") == 1, "no byte moved again"


async def test_a_cached_copy_becomes_one_when_another_node_asks_for_it():
    """Broken: a node is asked to hold what it has, and the copy still goes without a word."""
    async with fleet() as ships:
        a, b = await ships.pair()
        digest = await ships.stored(LARGE, a)
        assert await b.read(digest, len(LARGE)) == LARGE
        await ships.until(lambda: b.records.size_here(digest) is not None)
        assert await a.cluster.ensure_copies([(digest, len(LARGE))]) == 2
        assert b.records.held_size(digest) == len(LARGE)
        assert ships.network.count("fetch") == 1


async def test_a_push_that_joins_a_pull_makes_its_copy_count():
    """Broken: whoever came first decides, and a push rests on a copy that nobody told of."""
    async with fleet() as ships:
        a, b, _ = await ships.trio()
        digest = await ships.stored(LARGE, a)
        ships.network.limit_fetches("a:1", 1024)
        async with b.cluster.fetch(digest, len(LARGE)):
            assert b.statistics.fetches_running == 1
            held = ships._group.create_task(
                b.cluster.service.hold(digest, len(LARGE), [a.member.node], None)
            )
            await ships.until(lambda: b.makes_a_copy(digest))
            ships.network.limit_fetches("a:1", None)
            await held
        assert b.records.held_size(digest) == len(LARGE)


async def test_a_file_that_no_row_names_is_taken_up_by_a_pull():
    """Broken: after a rebuilt index what was cached is on the disk for ever, and fetched again."""
    async with fleet() as ships:
        a, b, _ = await ships.trio()
        digest = await ships.stored(LARGE, a)
        await b.blobs.put(digest, LARGE)
        assert await b.read(digest, len(LARGE)) == LARGE
        assert b.records.size_here(digest) == len(LARGE)
        assert b.records.held_size(digest) is None
        assert ships.network.count("fetch") == 0


async def test_the_last_cached_copy_still_makes_others():
    """Broken: a push is refused though the blob is on this node's own disk."""
    async with fleet() as ships:
        a, b, c = await ships.trio()
        digest = await ships.stored(SMALL, a)
        assert await b.read(digest, len(SMALL)) == SMALL
        await ships.until(lambda: b.records.size_here(digest) is not None)
        await ships.kill(a)
        await b.until_connected("c")
        assert await b.cluster.ensure_copies([(digest, len(SMALL))]) == 2
        assert c.records.held_size(digest) == len(SMALL)


async def test_a_region_brings_a_blob_in_once():
    """P8: a neighbour that has pulled it is asked before the other region."""
    async with fleet() as ships:
        a, b, c = await ships.trio("us", "eu", "eu")
        digest = await ships.stored(LARGE, a)
        for reader in (b, c):
            assert await reader.read(digest, len(LARGE)) == LARGE
            await ships.until(lambda reader=reader: reader.records.size_here(digest) is not None)
        assert ships.network.count("fetch", "a:1") == 1
        assert a.statistics.totals.bytes_served == len(LARGE)
        assert b.statistics.totals.bytes_served == len(LARGE)


async def test_a_neighbour_that_hangs_does_not_keep_a_pull():
    """Broken: each first pull waits for the one node of the region that stands still."""
    async with fleet() as ships:
        a, b, _ = await ships.trio("us", "eu", "eu", guess_timeout_s=0.05)
        digest = await ships.stored(LARGE, a)
        ships.network.block("c:1", "fetch")
        assert await b.read(digest, len(LARGE)) == LARGE
