"""Stories of bugs of retired logs: restarts, and then a fault that seldom comes behind them."""

import asyncio
from typing import Final

from cluster import vectors
from cluster.model import Origin
from tests.sim.machine import Machine
from tests.sim.mutants.bug_story import BugStory, client, runs, soon
from tests.sim.network import KEEPALIVE_S
from tests.sim.stories import Nodes, at, comes_back, dies_with_its_disk, push, put, ways
from tests.sim.world import World

FORGETTING: Final = {"log_settled_s": 1.0, "log_away_s": 2.0, "trim_interval_s": 1.0}
FOUR: Final[Nodes] = [("w", "eu"), ("n", "eu"), ("x", "eu"), ("r", "us")]
AN_HOUR_MS: Final = 3_600_000


async def _next_run(world: World, machine: Machine) -> Origin:
    """Its process ends, and another one begins; returns the log of the one before."""
    before = runs(machine).index.replica.origin
    with world.rage("kill"):
        world.held_down.add(machine.address)
        machine.kill()
        await asyncio.sleep(1.0)
        world.held_down.discard(machine.address)
        machine.start()
        await soon(world, lambda: machine.ready)
    return before


def _retired(machine: Machine, origin: Origin) -> bool:
    return vectors.is_retired(machine.disk.vector(), origin)


async def _everywhere_retired(world: World, origin: Origin) -> None:
    await soon(world, lambda: all(_retired(machine, origin) for machine in world.machines))


async def _alone_with_an_acknowledged_push(world: World) -> None:
    """
    N and R are cut off when W and X acknowledge a push. X is killed, and W comes back with an empty
    disk, which is in no layout. X alone has the push, and comes back last.
    """
    w, n, x, _ = world.machines
    await push(w, "A")
    await asyncio.sleep(4.0)
    assert n.disk.families["floor"], "the log of W is trimmed"
    with world.rage("half"):
        sides = ways(world, w, x)
        world.network.cut(sides)
        pushed = await client(world, w)
        assert pushed.outcome == "ok"
        world.held_down.add(x.address)
        x.kill()
        dies_with_its_disk(world, w)
        await asyncio.sleep(KEEPALIVE_S)  # what was on its way is lost by then
        world.network.mend(sides)
        world.held_down.discard(w.address)
        w.start()
        await asyncio.sleep(8.0)
        await comes_back(world, x)


async def _set_back_within_a_retired_log(world: World) -> None:
    """N comes back with its disk as it was when it had one of two pushes of a log retired since."""
    w, n, _, _ = world.machines
    await push(w, "A")
    await asyncio.sleep(1.0)
    earlier = n.disk.copy("earlier")
    # The same again: with blobs N would lack events of others, too.
    await at(w, put("A"))
    await asyncio.sleep(3.0)
    ended = await _next_run(world, w)
    await _everywhere_retired(world, ended)
    with world.rage("restore"):
        dies_with_its_disk(world, n, earlier)
        await asyncio.sleep(2.0)
        await comes_back(world, n)


async def _writes_with_a_clock_that_is_behind(world: World) -> None:
    """
    W loses its disk, and its clock is an hour behind when it starts: its epoch is before that of a
    log which everybody has retired. Then its clock is set, and it takes a push.
    """
    w, _, _, _ = world.machines
    await push(w, "A")
    await asyncio.sleep(3.0)
    ended = await _next_run(world, w)
    await _everywhere_retired(world, ended)
    with world.rage("wipe"):
        dies_with_its_disk(world, w)
        await asyncio.sleep(2.0)
        w.clock.set(-AN_HOUR_MS)
        world.held_down.discard(w.address)
        w.start()
        await asyncio.sleep(2.0)
        w.clock.set(0.0)
        await world.until(lambda: w.ready, 20.0)
        if w.ready:
            await client(world, w)


async def _comes_back_without_its_blobs(world: World) -> None:
    """
    W said of a blob that it holds it, in a log that is retired; then it loses its disk. N takes an
    image with the same blob.
    """
    w, n, _, _ = world.machines
    await client(world, w)
    await asyncio.sleep(3.0)
    ended = await _next_run(world, w)
    await _everywhere_retired(world, ended)
    with world.rage("wipe"):
        dies_with_its_disk(world, w)
        await asyncio.sleep(2.0)
        await comes_back(world, w)
        for machine in (n, w):
            await client(world, machine)


STORIES: Final = {
    "retired-by-the-living": BugStory(_alone_with_an_acknowledged_push, "lost", FOUR, FORGETTING),
    "retired-by-the-last": BugStory(
        _set_back_within_a_retired_log, "not identical after heal", FOUR, FORGETTING
    ),
    "epoch-before-its-own": BugStory(
        _writes_with_a_clock_that_is_behind, "not identical after heal", FOUR, FORGETTING
    ),
    "rows-stand-unnamed": BugStory(
        _comes_back_without_its_blobs, "acknowledged with the copies", FOUR, FORGETTING
    ),
}
"""By the name of the bug."""
