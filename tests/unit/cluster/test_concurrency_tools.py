"""Pulse, Rounds, task groups, BlobJobs and stalled streams."""

import asyncio
from collections.abc import Coroutine
from contextlib import aclosing

import pytest

from cluster.config import ClusterConfig
from cluster.errors import BlobUnavailable, PeerUnreachable
from cluster.model import Digest
from cluster.replication.jobs import BlobJobs
from cluster.replication.transfer import Transfer
from cluster.tasks.groups import task_group
from cluster.tasks.pulse import Pulse
from cluster.tasks.rounds import Rounds, Stopped
from cluster.tasks.stall import watched

D1, D2, D3 = (Digest.of(bytes([n])) for n in range(3))


async def turns(count: int = 10) -> None:
    """Let everything that is ready run."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_beat_wakes_everyone_who_waits_and_nobody_later():
    pulse = Pulse()
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(pulse.wait()) for _ in range(3)]
        await turns()
        pulse.beat()
        await turns()
        assert all(task.done() for task in waiting)
        late = group.create_task(pulse.wait())
        await turns()
        assert not late.done()
        pulse.beat()


async def test_a_bounded_wait_ends_with_the_beat_or_with_its_time():
    """If this fails, an acknowledgement waits for a lease that is over."""
    pulse = Pulse()
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(10):
        began = loop.time()
        await pulse.wait_at_most(0.01)
        assert loop.time() >= began + 0.01
        await pulse.wait_at_most(-1.0)
        loop.call_soon(pulse.beat)
        await pulse.wait_at_most(1000.0)


async def test_a_cancelled_waiter_does_not_take_the_others_along():
    pulse = Pulse()
    async with asyncio.TaskGroup() as group:
        first, second = (group.create_task(pulse.wait()) for _ in range(2))
        await turns()
        first.cancel()
        await turns()
        assert not second.done()
        pulse.beat()
    assert first.cancelled()
    assert second.done()


async def test_a_beat_wakes_no_task_whose_condition_does_not_hold():
    """If this fails, every beat runs several tasks per link for nothing."""
    pulse, looks, done = Pulse(), 0, False

    def condition() -> bool:
        nonlocal looks
        looks += 1
        return done

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        task = group.create_task(pulse.wait_until(condition))
        await turns()
        pulse.beat()
        pulse.beat()
        await turns()
        # At the start, and once for both beats: the task itself did not look again.
        assert looks == 2
        pulse.beat()
        # What changes right after the beat is seen all the same.
        done = True
        await turns()
        assert task.done()


async def test_a_condition_that_fails_is_told_to_who_waits_for_it():
    """If this fails, the others who wait for something are not woken any more."""
    pulse, broken, done = Pulse(), False, False

    def condition() -> bool:
        if broken:
            raise OSError("the disk is gone")
        return False

    first = asyncio.create_task(pulse.wait_until(condition))
    second = asyncio.create_task(pulse.wait_until(lambda: done))
    await turns()
    broken = done = True
    pulse.beat()
    async with asyncio.timeout(10):
        with pytest.raises(OSError, match="the disk is gone"):
            await first
        await second


async def test_callers_share_the_round_that_starts_after_they_ask():
    gate, started = asyncio.Event(), 0

    async def once() -> int:
        nonlocal started
        started += 1
        mine = started
        await gate.wait()
        return mine

    rounds = Rounds(once)
    async with asyncio.TaskGroup() as group:
        runner = group.create_task(rounds.run())
        first = group.create_task(rounds.join())
        await turns()
        assert started == 1
        later = [group.create_task(rounds.join()) for _ in range(50)]
        later[0].cancel()
        await turns()
        gate.set()
        await asyncio.wait([first, *later])
        runner.cancel()
    assert first.result() == 1
    assert {task.result() for task in later[1:]} == {2}
    assert started == 2


async def test_a_failed_round_tells_its_callers_and_the_runner():
    async def once() -> int:
        raise PeerUnreachable("gone")

    rounds = Rounds(once)

    async def ask() -> None:
        with pytest.raises(PeerUnreachable, match="gone"):
            await rounds.join()

    async def carry_out() -> None:
        with pytest.raises(PeerUnreachable, match="gone"):
            await rounds.run()

    async with asyncio.TaskGroup() as group:
        group.create_task(carry_out())
        group.create_task(ask())
    with pytest.raises(PeerUnreachable):
        await rounds.join()


async def test_stopped_rounds_leave_nobody_hanging():
    async def once() -> int:
        await asyncio.Event().wait()
        return 0

    rounds = Rounds(once)

    async def ask() -> None:
        with pytest.raises(Stopped):
            await rounds.join()

    async with asyncio.TaskGroup() as group:
        runner = group.create_task(rounds.run())
        group.create_task(ask())
        await turns()
        group.create_task(ask())
        await turns()
        runner.cancel()


async def test_jobs_run_once_per_blob_and_within_the_bound():
    jobs, gate, running = BlobJobs(2, 60.0), asyncio.Event(), 0

    async def work() -> None:
        nonlocal running
        running += 1
        await gate.wait()
        running -= 1

    async with asyncio.TaskGroup() as group:
        runner = group.create_task(jobs.run())
        await turns()
        futures = [jobs.start(digest, work) for digest in (D1, D2, D3)]
        await turns()
        assert jobs.get(D1) is futures[0]
        assert (running, jobs.running, jobs.waiting) == (2, 2, 1)
        gate.set()
        await asyncio.wait(futures)
        assert jobs.get(D1) is None
        assert (jobs.running, jobs.waiting) == (0, 0)
        runner.cancel()


async def test_a_failed_job_concerns_only_those_who_wait_for_it():
    jobs = BlobJobs(2, 60.0)

    async def fail() -> None:
        raise BlobUnavailable(D1, "gone")

    async def succeed() -> None:
        await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        runner = group.create_task(jobs.run())
        await turns()
        failing, working = jobs.start(D1, fail), jobs.start(D2, succeed)
        with pytest.raises(BlobUnavailable, match="gone"):
            await failing
        await working
        await jobs.start(D1, succeed)
        runner.cancel()


async def test_jobs_end_with_their_owner():
    """Those who wait are told, even for a job that never took its first step."""
    jobs = BlobJobs(1, 60.0)

    async def for_ever() -> None:
        await asyncio.Event().wait()

    with pytest.raises(BlobUnavailable):
        await jobs.start(D1, for_ever)
    async with asyncio.TaskGroup() as group:
        runner = group.create_task(jobs.run())
        await turns()
        started = [jobs.start(D1, for_ever), jobs.start(D2, for_ever)]
        await turns()
        started.append(jobs.start(D3, for_ever))
        runner.cancel()
    for job in started:
        with pytest.raises(BlobUnavailable, match="stopping"):
            await job
    with pytest.raises(BlobUnavailable):
        await jobs.start(D1, for_ever)


async def test_a_silent_stream_is_given_up_and_closed():
    closed = False

    async def stream():
        nonlocal closed
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            closed = True

    items = watched(stream(), 0.01, int)
    assert await anext(items) == 1
    with pytest.raises(PeerUnreachable):
        await anext(items)
    assert closed


async def test_a_stream_left_early_is_closed():
    closed = False

    async def stream():
        nonlocal closed
        try:
            for n in range(10):
                yield n
        finally:
            closed = True

    async with aclosing(watched(stream(), 10, int)) as items:
        assert await anext(items) == 0
    assert closed


async def test_a_stream_that_drips_is_as_good_as_silent():
    """Broken: a source that sends a byte now and then keeps a pull, and all behind it, for ever."""

    async def drip():
        while True:
            await asyncio.sleep(9.9)
            yield b"x"

    async with aclosing(watched(drip(), 10.0, len)) as items:
        with pytest.raises(PeerUnreachable, match="too little"):
            async for _ in items:
                pass
    assert 10 <= asyncio.get_running_loop().time() < 10.1


async def test_a_slow_stream_of_whole_messages_is_patient_with():
    """Broken: no large blob comes over a link of 20 KiB/s."""

    async def slow():
        for _ in range(100):
            await asyncio.sleep(9.9)
            yield bytes(198 << 10)

    async with aclosing(watched(slow(), 10.0, len)) as items:
        assert sum([len(item) async for item in items]) == 100 * (198 << 10)


async def test_a_job_waits_for_its_place_as_long_as_is_stated():
    """Broken: a pull behind slow ones waits for hours, and what waits grows without bound."""

    jobs, gate = BlobJobs(1, 60.0), asyncio.Event()
    running = asyncio.create_task(jobs.run())
    await asyncio.sleep(0)
    first = jobs.start(D1, gate.wait)
    await asyncio.sleep(10)
    with pytest.raises(BlobUnavailable, match="for 60 s"):
        await jobs.start(D2, gate.wait)
    assert asyncio.get_running_loop().time() == 10 + 60
    assert (jobs.running, jobs.waiting) == (1, 0)
    gate.set()
    await first
    await jobs.start(D2, gate.wait)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_reader_waits_for_a_byte_as_long_as_is_stated():
    """Broken: a client hangs on a blob whose disk hangs. What arrives unseen is a sign of life."""

    transfer = Transfer(D1, 100, 10, 60.0)
    loop = asyncio.get_running_loop()
    for at_s in (50, 100):
        loop.call_at(at_s, transfer.grown)
    with pytest.raises(BlobUnavailable, match="for 60 s"):
        await transfer.wait_until_readable()
    assert loop.time() == 160


@pytest.mark.parametrize(
    "wrong",
    [
        {"copies": 0},
        {"heartbeat_interval_s": -1.0},
        {"backoff_min_s": 2.0, "backoff_max_s": 1.0},
        {"push_batch_bytes": 15 << 20},
    ],
)
def test_an_impossible_configuration_is_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        ClusterConfig(**wrong)


async def fails_together(work: Coroutine[None, None, None]) -> None:
    """A group of which one task fails, perhaps while *work* goes on beside it."""

    async def fail() -> None:
        await asyncio.sleep(0)
        raise OSError("as asked")

    async with task_group() as group:
        group.create_task(fail())
        await work


def cancelling() -> int:
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling()


@pytest.mark.parametrize("seconds", [0, 10])
async def test_a_task_is_not_cancelled_by_a_group_that_failed(seconds: float):
    """Else, by Debian 12's Python, no later timeout of it works: a node never links again."""
    with pytest.raises(ExceptionGroup):
        await fails_together(asyncio.sleep(seconds))
    assert cancelling() == 0
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await asyncio.sleep(10)


async def test_a_cancellation_beside_the_failure_is_kept():
    """It was somebody's wish."""

    async def fail_late() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            raise OSError("as asked")

    seen: list[int] = []

    async def work() -> None:
        try:
            async with task_group() as group:
                group.create_task(fail_late())
        finally:
            seen.append(cancelling())

    task = asyncio.create_task(work())
    await turns()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert seen == [1]
