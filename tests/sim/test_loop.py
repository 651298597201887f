"""The virtual loop: what is killed is gone, and what goes wrong on it is told."""

import asyncio
import gc
import warnings

import pytest

from tests.fakes.virtual_time import VirtualLoop
from tests.sim.loop import Deadlock, Livelock, Process, SimLoop


def test_a_task_that_has_yet_to_begin_dies_with_its_process():
    """Broken: a coroutine counts as forgotten that a paused process had no time for."""
    loop = SimLoop()
    process = Process(loop, "paused")

    async def main() -> None:
        process.pause()
        process.spawn(asyncio.sleep(1.0))
        await asyncio.sleep(0.1)
        process.kill()
        gc.collect()

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        loop.run(main())
        assert told == []
        loop.let_go()
        gc.collect()


def test_who_waits_for_what_cannot_happen_is_told():
    async def main() -> None:
        await asyncio.Event().wait()

    loop = SimLoop()
    with pytest.raises(Deadlock):
        loop.run(main())
    loop.let_go()


def test_who_polls_without_waiting_is_told(monkeypatch):
    """Broken: the clock stands still, and so does the timeout that should end the poll."""
    monkeypatch.setattr("tests.sim.loop._AT_ONCE_MAX", 1000)

    async def main() -> None:
        for _ in range(5):
            for _ in range(900):
                await asyncio.sleep(0)
            await asyncio.sleep(1)
        async with asyncio.timeout(1):
            while True:
                await asyncio.sleep(0)

    loop = SimLoop()
    with pytest.raises(Livelock):
        loop.run(main())
    assert loop.time() == 5
    loop.let_go()


def test_an_hour_of_a_test_ends_with_all_that_it_began():
    """Broken: what is left runs its `finally` blocks in another test, or says so there."""
    ended: list[str] = []

    async def numbers(name: str):
        try:
            while True:
                yield 1
        finally:
            await asyncio.sleep(1)
            ended.append(name)

    async def sleep() -> None:
        try:
            await asyncio.sleep(7200)
        finally:
            ended.append("task")

    async def main() -> float:
        tasks.append(asyncio.create_task(sleep()))
        await anext(numbers("dropped"))
        await anext(kept)
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    tasks: list[asyncio.Task[None]] = []
    kept = numbers("kept")
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(main()) == 3600
        assert ended == ["dropped"]
    assert ended == ["dropped", "task", "kept"]


def test_a_callback_that_raises_fails_the_test():
    async def main() -> None:
        asyncio.get_running_loop().call_soon([].pop)
        await asyncio.sleep(0)

    with (
        pytest.raises(AssertionError, match="pop from empty list"),
        asyncio.Runner(loop_factory=VirtualLoop) as runner,
    ):
        runner.run(main())
