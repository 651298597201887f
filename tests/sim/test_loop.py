"""A process that is killed is gone: nothing of it runs, and nothing of it complains."""

import asyncio
import gc
import warnings

from tests.sim.loop import Process, SimLoop


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
