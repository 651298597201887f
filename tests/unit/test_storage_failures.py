"""What is a failure of the disk, and what is not: a node goes on after the one only."""

import asyncio
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from cluster.driver.bootstrap import Bootstrap, pull_all
from cluster.driver.catchup import CatchUp
from cluster.driver.comparer import Comparer
from cluster.driver.repairer import Repairer
from cluster.driver.saved_members import SavedMembers
from cluster.driver.trimmer import Trimmer
from cluster.errors import BlobUnavailable, StorageFailure
from cluster.model import Digest, Origin
from cluster.replication.durability import Durability
from cluster.replication.jobs import BlobJobs
from cluster.replication.transfer import Transfer
from node.copies.holdings import Holdings
from node.copies.mender import Mender
from node.registry.uploads import Uploads
from tests.fakes.log import MemoryLog

DIGEST = Digest.of(b"a blob")

Consumer = Any
"""Takes what to raise in place of an answer of the disk, and waits for what becomes of it."""


def failing(error: Exception) -> Any:
    """Raises *error*, called with whatever."""

    async def fail(*_: object, **__: object) -> Any:
        raise error

    return fail


def bare(kind: type, **parts: object) -> Any:
    """An object of *kind* that has nothing but *parts*."""
    made = kind.__new__(kind)
    for name, part in parts.items():
        setattr(made, name, part)
    return made


def env(**parts: object) -> Any:
    parts.setdefault("me", SimpleNamespace(node="a"))
    counters = SimpleNamespace(restores=0, rows_checks=0)
    config = SimpleNamespace(trim_interval_s=0.0, antientropy_interval_s=0.0)
    return SimpleNamespace(log=MemoryLog(), counters=counters, config=config, **parts)


async def repairing_missed_pushes(error: Exception) -> None:
    links = SimpleNamespace(live=lambda: [SimpleNamespace(node="b", pull=failing(error))])
    parts = {
        "events": SimpleNamespace(vector=dict),
        "progress": SimpleNamespace(of=lambda _: {Origin("b", 1): 1}),
        "rng": Random(0),
    }
    catch_up = bare(CatchUp, _env=env(**parts), _links=links)
    await until_it_waits_or_ends(catch_up._repair())


async def pulling_before_a_restore(error: Exception) -> None:
    await pull_all(bare(SimpleNamespace, pull=failing(error)))


async def restoring(error: Exception) -> None:
    bootstrap = bare(Bootstrap, _env=env(), _take_over=failing(error), _sources=lambda: ["b"])
    await bootstrap._try_each()


async def checking_rows(error: Exception) -> None:
    clock = SimpleNamespace(now_s=lambda: 0.0)
    sums = SimpleNamespace(check_rows=failing(error))
    await bare(Comparer, _env=env(clock=clock, sums=sums))._check()


async def saving_members(error: Exception) -> None:
    async def at_once(*_: object) -> None:
        return

    parts = {
        "changes": SimpleNamespace(wait_until=at_once),
        "members": SimpleNamespace(rumours=list),
    }
    store = SimpleNamespace(save=failing(error))
    saved_members = bare(SavedMembers, _env=env(**parts), _store=store, _changed=asyncio.Event())
    saved_members.note_change()
    await until_it_waits_or_ends(saved_members.run())


async def repairing_one(error: Exception) -> None:
    durability = SimpleNamespace(repair=failing(error))
    await bare(Repairer, _env=env(), _durability=durability)._repair(DIGEST, 6)


async def trimming(error: Exception) -> None:
    await until_it_waits_or_ends(bare(Trimmer, _env=env(), trim=failing(error)).run())


async def working_on_a_blob(error: Exception) -> None:
    jobs = BlobJobs(1, 60.0)
    running = asyncio.create_task(jobs.run())
    await asyncio.sleep(0)
    job = jobs.start(DIGEST, failing(error))
    try:
        await asyncio.wait([job])
        await turns()
        if running.done():  # the job's error ended it, as a bug does
            group = running.exception()
            assert isinstance(group, ExceptionGroup)
            raise group.exceptions[0]
        assert job.exception() is error
    finally:
        running.cancel()


async def waiting_for_the_job_of_another(error: Exception) -> None:
    jobs = SimpleNamespace(get=lambda _: asyncio.ensure_future(failing(error)()))
    await bare(Durability, jobs=jobs, _wanted=lambda *_: 0)._secure(DIGEST, 6, lambda: 2)


async def reading_a_staged_blob(error: Exception) -> None:
    transfer = Transfer(DIGEST, 6, 4, 60.0)
    transfer.ingest = SimpleNamespace(offset=6, read=failing(error))
    await gives_up(transfer.stream(0, 6))


async def looking_after_holder_rows(error: Exception) -> None:
    await bare(Holdings, _log=MemoryLog(), _check_returned=failing(error)).renew()


async def mending(error: Exception) -> None:
    waiting: asyncio.Queue[Digest] = asyncio.Queue()
    waiting.put_nowait(DIGEST)
    parts = {"_log": MemoryLog(), "_known": {DIGEST}, "_mend": failing(error)}
    await until_it_waits_or_ends(bare(Mender, _waiting=waiting, **parts)._work())


async def dropping_uploads(error: Exception) -> None:
    await until_it_waits_or_ends(bare(Uploads, _log=MemoryLog(), sweep=failing(error)).run())


async def gives_up(stream: Any) -> None:
    with pytest.raises(BlobUnavailable):
        await anext(stream)


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def until_it_waits_or_ends(work: Any) -> None:
    """Let a loop that runs for ever take some turns; raises what ends it."""
    task = asyncio.create_task(work)
    await turns()
    if task.done():
        await task
    task.cancel()
    await asyncio.wait([task])


CONSUMERS = [
    repairing_missed_pushes,
    pulling_before_a_restore,
    restoring,
    checking_rows,
    saving_members,
    repairing_one,
    trimming,
    working_on_a_blob,
    waiting_for_the_job_of_another,
    reading_a_staged_blob,
    looking_after_holder_rows,
    mending,
    dropping_uploads,
]


@pytest.mark.parametrize("consumer", CONSUMERS)
async def test_a_failure_of_the_disk_does_not_end_the_node(consumer: Consumer):
    """Broken: one read error, and the node is gone."""
    await consumer(StorageFailure("Input/output error"))


@pytest.mark.parametrize("consumer", CONSUMERS)
async def test_a_deadline_that_passed_is_no_failure_of_the_disk(consumer: Consumer):
    """Broken: a fault of the program is told as a failing disk, and goes on unseen."""
    with pytest.raises(TimeoutError):
        await consumer(TimeoutError())
