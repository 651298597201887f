"""Pushes that got 503 go, also when the disk does not take that at first."""

import asyncio
from typing import cast

import pytest

from cluster.errors import NotCaughtUp
from cluster.model import Digest, Dot
from node.errors import IndexFull
from node.registry.names import RepositoryName
from node.registry.ports import MetadataIndex, StoredManifest
from node.registry.withdrawals import Withdrawals
from tests.fakes.log import MemoryLog

REPOSITORY = RepositoryName.parse("lib/app")


def stored(seq: int) -> StoredManifest:
    return StoredManifest(Dot("a", 1, seq), Dot("a", 1, seq), ())


class Disk:
    """An index that refuses while it is full, and tells what was withdrawn and settled."""

    def __init__(self) -> None:
        self.full = True
        self.refusal: type[Exception] = IndexFull
        self.busy = False
        self.attempts = 0
        self.withdrawn: list[StoredManifest] = []
        self.settled: list[StoredManifest] = []
        self.changed = asyncio.Event()

    async def withdraw_manifest(
        self, repository: RepositoryName, digest: Digest, pushed: StoredManifest
    ) -> None:
        assert (repository, digest) == (REPOSITORY, Digest.of(b"x"))
        self.attempts += 1
        self.changed.set()
        if self.busy:
            await asyncio.Event().wait()
        if self.full:
            raise self.refusal
        self.withdrawn.append(pushed)

    def settle(self, pushed: StoredManifest) -> None:
        self.settled.append(pushed)


async def attempt(disk: Disk) -> None:
    disk.changed.clear()
    await disk.changed.wait()


@pytest.mark.parametrize("refusal", [IndexFull, NotCaughtUp], ids=["full", "taking over an index"])
async def test_a_push_that_could_not_be_taken_back_is_taken_back_later(refusal: type[Exception]):
    """Broken: it stands for ever, though its client was told that it had failed."""
    disk, log = Disk(), MemoryLog()
    disk.refusal = refusal
    withdrawals = Withdrawals(cast("MetadataIndex", disk), log, pause_s=0.001)
    for seq in (1, 2):
        with pytest.raises(refusal):
            await withdrawals.withdraw(REPOSITORY, Digest.of(b"x"), stored(seq))
    assert withdrawals.due == 2
    assert disk.settled == [], "it may still go, so nothing may be built on it"
    assert len(log.named("push not taken back yet")) == 2
    running = asyncio.create_task(withdrawals.run())
    await attempt(disk)
    await attempt(disk)
    assert withdrawals.due == 2
    disk.full = False
    while withdrawals.due:
        await asyncio.sleep(0)
    assert disk.withdrawn == disk.settled == [stored(1), stored(2)]
    running.cancel()


async def test_what_works_at_once_is_not_done_twice():
    disk = Disk()
    disk.full = False
    withdrawals = Withdrawals(cast("MetadataIndex", disk), MemoryLog(), pause_s=0.001)
    await withdrawals.withdraw(REPOSITORY, Digest.of(b"x"), stored(1))
    assert withdrawals.due == 0
    assert disk.settled == [stored(1)]


async def test_a_client_that_goes_away_takes_its_push_along():
    disk = Disk()
    disk.busy = True
    withdrawals = Withdrawals(cast("MetadataIndex", disk), MemoryLog(), pause_s=0.001)
    request = asyncio.create_task(withdrawals.withdraw(REPOSITORY, Digest.of(b"x"), stored(1)))
    await attempt(disk)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    disk.full, disk.busy = False, False
    running = asyncio.create_task(withdrawals.run())
    await attempt(disk)
    assert disk.withdrawn == [stored(1)]
    running.cancel()
