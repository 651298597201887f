"""A node's departure: it drains first, and what ends the process ends the draining too."""

import asyncio

from node.admin.health import Readiness
from node.leaving import DRAIN_MAX_S, Departure


async def test_a_node_that_leaves_is_not_ready_and_stops_after_draining():
    readiness, stop = Readiness("running"), asyncio.Event()
    readiness.meet("running")
    departure = Departure(readiness)
    async with asyncio.TaskGroup() as group:
        group.create_task(departure.run(stop))
        assert readiness.ready
        departure.begin(0.01)
        assert readiness.reasons() == {"running": "leaving"}
        assert departure.begun
        assert not stop.is_set(), "clients in flight would be cut off"
        await stop.wait()


async def test_a_signal_cuts_the_draining_short():
    """Who stops the process does not wait for minutes; the node leaves all the same."""
    departure, stop = Departure(Readiness("running")), asyncio.Event()
    departure.begin(DRAIN_MAX_S)
    departure.begin(0.0)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        run = group.create_task(departure.run(stop))
        await asyncio.sleep(0)
        assert not run.done(), "asking again is no reason to hurry"
        stop.set()
    assert departure.begun


async def test_a_node_that_only_stops_does_not_leave():
    """A restart would make it a stranger to its peers."""
    departure, stop = Departure(Readiness("running")), asyncio.Event()
    run = asyncio.create_task(departure.run(stop))
    stop.set()
    run.cancel()
    await asyncio.wait([run])
    assert not departure.begun
