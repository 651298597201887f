"""Asking nodes to hold a blob: some do not answer, and some are another one by then."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

import pytest

from cluster.errors import BlobUnavailable, StorageFailure
from cluster.model import Digest
from cluster.ports import BlobReader
from tests.fakes.fleet import CALM, fleet
from tests.unit.cluster.test_engine_copies import LARGE, SMALL, having, next_holder


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["inline", "fetched"])
async def test_a_peer_that_does_not_answer_is_not_waited_for_alone(data: bytes):
    """Broken: a node that greets, and whose disk hangs, holds up each push for `hold_timeout_s`."""
    async with fleet() as ships:
        a, b, c = await ships.trio(hold_timeout_s=30.0, hold_patience_s=5.0, **CALM)
        digest = await a.put(data)
        stuck = next_holder(digest, a, b, c)
        ships.network.block(stuck.address, "hold")
        began_s = asyncio.get_running_loop().time()
        assert await a.cluster.ensure_copies([(digest, len(data))]) == 2
        assert asyncio.get_running_loop().time() == pytest.approx(began_s + 5, abs=0.1)
        assert having(digest, a, b, c) == {"a", "b", "c"} - {stuck.member.node}
        assert stuck.member.node in a.connected()
        # Nobody goes on waiting for it.
        assert a.statistics.replications_running == 0


async def test_a_peer_that_is_asked_in_vain_once_is_asked_again_where_there_is_no_other():
    """Broken: of two nodes one waits half a minute for a call that was lost."""
    async with fleet() as ships:
        a, b = await ships.pair(hold_timeout_s=30.0, hold_patience_s=5.0, **CALM)
        digest = await a.put(SMALL)
        ships.network.lose("b:1", "hold")
        began_s = asyncio.get_running_loop().time()
        assert await a.cluster.ensure_copies([(digest, len(SMALL))]) == 2
        assert asyncio.get_running_loop().time() == pytest.approx(began_s + 5, abs=0.1)
        assert having(digest, a, b) == {"a", "b"}
        assert ships.network.count("hold") == 2


async def test_a_call_that_is_lost_does_not_hold_up_who_waits_for_its_place():
    """The place of the job is free as soon as another node has the blob."""
    async with fleet() as ships:
        a, b, c = await ships.trio(
            replications_max=1, hold_timeout_s=30.0, hold_patience_s=5.0, **CALM
        )
        digest = await a.put(SMALL)
        ships.network.lose(next_holder(digest, a, b, c).address, "hold")
        other = await a.put(LARGE)
        a.cluster.replicate(digest, len(SMALL))
        began_s = asyncio.get_running_loop().time()
        assert await a.cluster.ensure_copies([(other, len(LARGE))]) == 2
        assert asyncio.get_running_loop().time() == pytest.approx(began_s + 5, abs=0.1)


async def test_peers_that_never_answer_are_given_up_in_the_end():
    """Broken: a push waits for them until `copies_timeout_s`, and calls pile up."""
    async with fleet() as ships:
        a, _, _ = await ships.trio(hold_timeout_s=30.0, hold_patience_s=5.0, **CALM)
        for address in ("b:1", "c:1"):
            ships.network.block(address, "hold")
        digest = await a.put(SMALL)
        began_s = asyncio.get_running_loop().time()
        with pytest.raises(BlobUnavailable, match="did not hold it within 30 s"):
            await a.cluster.ensure_copies([(digest, len(SMALL))])
        # The second one is given up 5 s after the first; and all that is tried twice.
        assert asyncio.get_running_loop().time() == pytest.approx(began_s + 2 * 35, abs=0.1)
        assert ships.network.count("hold") == 2 * 7


async def test_a_disk_that_cannot_be_read_fails_the_push_and_not_the_engine():
    """Broken: the error comes as one of a group, which nobody expects, and the node ends by it."""
    async with fleet() as ships:
        a, b, c = await ships.trio()
        digest = await a.put(SMALL)
        read = a.blobs.open

        def fails(digest: Digest) -> NoReturn:
            raise StorageFailure("reading: EIO")

        a.blobs.open = fails  # type: ignore[method-assign]
        with pytest.raises(StorageFailure, match="EIO"):
            await a.cluster.ensure_copies([(digest, len(SMALL))])
        a.blobs.open = read  # type: ignore[method-assign]
        assert await a.cluster.ensure_copies([(digest, len(SMALL))]) == 2
        assert len(having(digest, a, b, c)) == 2


async def test_who_came_back_with_another_disk_is_not_asked():
    """Broken: it is no member, nobody knows of which run its answer is, and the asker ends."""
    async with fleet() as ships:
        a, b = await ships.pair(open_joining=False)
        digest, read = await a.put(SMALL), a.blobs.open

        @asynccontextmanager
        async def meanwhile(digest: Digest) -> AsyncIterator[BlobReader]:
            if ships.network.count("hold") == 0 and b.runs:
                await ships.kill(b)
                ships.wipe(b)
                await b.until_connected("a")
                await ships.until(lambda: a.is_linked("b"))
            async with read(digest) as reader:
                yield reader

        a.blobs.open = meanwhile  # type: ignore[method-assign]
        # As one of two whose other one is away.
        assert await a.cluster.ensure_copies([(digest, len(SMALL))]) == 1
        assert ships.network.count("hold") == 0
        assert having(digest, a, b) == {"a"}
