"""
Stories of bugs in how the layout changes, and in who belongs to it: what they need comes together
too seldom in random plans.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Final
from unittest.mock import Mock, patch

from cluster.driver.steward import _wanted
from cluster.layout.changes import Add, Remove, SetAvailability, SetWeight
from cluster.layout.document import Availability
from cluster.model import Digest, NodeId
from tests.sim import belonging
from tests.sim.machine import Machine
from tests.sim.mutants.bug_story import BugStory, client, comes, deaf, runs, soon, stage, within
from tests.sim.stories import (
    REPO,
    TAG,
    Nodes,
    Story,
    at,
    comes_back,
    dies_with_its_disk,
    image,
    push,
    push_alone,
    push_and_die,
    ways,
)
from tests.sim.world import World

GROWING: Final[Nodes] = [
    ("f1", "us"),
    ("f2", "us"),
    ("f3", "ap"),
    ("n1", "eu"),
    ("n2", "eu"),
    ("n3", "eu"),
]
"""Five of them vote, N1 and N2 among them, and not N3."""

N1, N3 = NodeId("n1"), NodeId("n3")
THREE: Final[Nodes] = [("n1", "eu"), ("n2", "eu"), ("n3", "eu")]
FOUR: Final[Nodes] = [*THREE, ("n4", "eu")]
BY_HAND: Final = {"open_joining": False, "durable_timeout_s": 2.0}


@asynccontextmanager
async def _two_come(world: World, *deaf_ones: Machine) -> AsyncIterator[None]:
    """
    In eu {n1 n2 n3} is to become {n1 .. n5}. While that begins, letters to some get lost.

    N2 and N3 are a majority of the version before, as the other three are one of the next.
    """
    by, n1 = world.machines[0], world.machines[3]
    n4, n5 = [await comes(world, name, "eu") for name in ("n4", "n5")]
    adds = [Add(_wanted(runs(m).cluster._env.me, votes=False)) for m in (n4, n5)]
    with world.rage("half"), ExitStack() as stack:
        for machine in deaf_ones:
            stack.enter_context(deaf(machine))
        change = asyncio.create_task(within(world, by, belonging.change(world, runs(by), *adds)))
        await soon(world, lambda: all(stage(m) >= (1, 2) for m in (n1, n4, n5)))
        yield
    assert await change


async def _grow_cut_off(world: World) -> None:
    """N2 and N3 are cut off before they have heard of the change; both sides take a push."""
    n1, n2, n3 = world.machines[3:]
    async with _two_come(world, n2, n3):
        sides = ways(world, n2, n3)
        world.network.cut(sides)
        await asyncio.sleep(10.0)
        assert stage(n2) == (1, 1)
        await client(world, n1)
        pushed = await client(world, n2)
        assert pushed.outcome == "ok", pushed
        world.network.mend(sides)


async def _grow_unheard(world: World) -> None:
    """N2 and N3 go by the version before, and answer whoever asks them."""
    n1, n2, n3 = world.machines[3:]
    async with _two_come(world, n2, n3):
        await asyncio.sleep(10.0)
        assert stage(n2) == (1, 1)
        await client(world, n1)
        await client(world, n2)


def _loses_power(world: World, machine: Machine) -> None:
    """Nothing is on its disk that was not synced."""
    world.held_down.add(machine.address)
    with patch.object(machine.disk, "rng", Mock(randrange=lambda stop: 0)):
        machine.kill(power=True)


async def _grow_and_forget(world: World) -> None:
    """
    N2 does not hear of the change. N3 does, and loses power before that is on its disk: it goes by
    the version before, with N2.
    """
    n1, n2, n3 = world.machines[3:]
    slow = patch.object(n3.disk, "sync_s", lambda: 4.0)
    slow.start()
    async with _two_come(world, n2):
        await asyncio.sleep(2.0)
        _loses_power(world, n3)
        sides = ways(world, n2, n3)
        world.network.cut(sides)
        slow.stop()
        world.held_down.discard(n3.address)
        n3.start()
        await soon(world, lambda: n3.ready)
        assert stage(n3) == (1, 1)
        await client(world, n1)
        pushed = await client(world, n2)
        assert pushed.outcome == "ok", pushed
        world.network.mend(sides)


async def _decide_with_an_earlier_disk(world: World) -> None:
    """
    N1 and N2 decide on a slot, which does not get to N3. N2 comes back with its disk as it was
    before, and sees N3 alone.
    """
    n1, n2, n3 = world.machines
    earlier = n2.disk.copy("earlier")
    with world.rage("half"):
        world.network.cut(ways(world, n3))
        assert await within(world, n1, belonging.change(world, runs(n1), SetWeight(N1, 5)))
        dies_with_its_disk(world, n2, earlier)
        world.network.cut(ways(world, n1))
        world.network.mend(ways(world, n3))
        world.held_down.discard(n2.address)
        n2.start()
        change = belonging.change(world, runs(n3), SetWeight(N3, 7))
        changed = asyncio.create_task(within(world, n3, change))
        # After 5 s N2 trusts a disk of which nobody has heard more.
        await asyncio.sleep(4.0)
        world.network.mend(ways(world, n1))
    await changed


async def _lose_who_has_the_other_copy(world: World) -> None:
    """A push is at N1 and one other, N1 is removed, and the other one loses its disk."""
    n1 = world.machines[0]
    digest = Digest((await client(world, n1)).blobs[0][0])
    other = next(m for m in world.machines[1:] if m.disk.counts(digest))
    by = next(m for m in world.machines[1:] if m is not other)
    removal = runs(by).cluster.layouts.remove(N1, runs(by).rows, patience_s=20.0)
    assert await within(world, by, removal)
    dies_with_its_disk(world, other)
    world.held_down.clear()


async def _forsake_who_has_the_other_copy(world: World) -> None:
    """
    A push is at N1 and one other, which dies. As N5 comes, that goes on without it, by an
    operator's word; what it had is copied. Then N1 loses its disk.
    """
    n1 = world.machines[0]
    digest = Digest((await client(world, n1)).blobs[0][0])
    other = next(m for m in world.machines[1:] if m.disk.counts(digest))
    by = next(m for m in world.machines[1:] if m is not other)
    with world.rage("kill"):
        world.held_down.add(other.address)
        other.kill()
        n5 = await comes(world, "n5", "eu")
        await soon(world, lambda: stage(by) == (1, 2))
        forsaken = runs(by).cluster.layouts.forsake([NodeId(other.name)])
        assert await within(world, by, forsaken)
        await soon(world, lambda: n5.ready and stage(n5) == (2, 2))
        await asyncio.sleep(15.0)
        other.lose_disk()
        dies_with_its_disk(world, n1)
        world.held_down.clear()


async def _forget_what_w_took(world: World) -> None:
    """W is removed, by the word that it is lost. What it took is deleted, and that is forgotten."""
    r, _, m, _ = world.machines
    removal = belonging.change(world, runs(r), Remove(NodeId("w")), lost=[NodeId("w")])
    assert await within(world, r, removal)
    await push(r, "A")
    await asyncio.sleep(2.5)
    for reference in (TAG, image("A")[0]):
        deleted = await at(m, lambda it, reference=reference: it.push.delete(REPO, reference))
        assert not isinstance(deleted, Exception), deleted
    await asyncio.sleep(8.0)


async def _see_again_who_was_removed(world: World) -> None:
    """W is cut off and takes a push alone. It runs on while it is removed."""
    w = world.machines[3]
    await push_alone(world, w, "A")
    await _forget_what_w_took(world)
    world.network.mend(ways(world, w))
    await soon(world, lambda: w.incarnations > 1 and w.ready)


async def _come_back_after_removal(world: World) -> None:
    """W takes a push alone and is killed. It comes back with its disk once it was removed."""
    w = world.machines[3]
    await push_and_die(world, w, "A")
    await _forget_what_w_took(world)
    await comes_back(world, w)


async def _push_where_it_drains(world: World) -> None:
    """What is pushed at N1, which drains, is to have its copies elsewhere."""
    n1, n2, _ = world.machines
    drain = SetAvailability(N1, Availability.DRAINING)
    assert await within(world, n2, belonging.change(world, runs(n2), drain))
    pushed = await client(world, n1)
    assert pushed.outcome == "ok", pushed


async def _decide_and_forget(world: World) -> None:
    """
    N1 proposes to N2, which loses power before its vote is on its disk. Then N2 sees N3 alone,
    which proposes something else.
    """
    n1, n2, n3 = world.machines
    slow = patch.object(n2.disk, "sync_s", lambda: 4.0)
    slow.start()
    with world.rage("half"):
        world.network.cut(ways(world, n3))
        one = within(world, n1, belonging.change(world, runs(n1), SetWeight(N1, 5)))
        changes = [asyncio.create_task(one)]
        await asyncio.sleep(2.0)
        _loses_power(world, n2)
        slow.stop()
        world.network.cut(ways(world, n1))
        world.network.mend(ways(world, n3))
        world.held_down.discard(n2.address)
        n2.start()
        other = within(world, n3, belonging.change(world, runs(n3), SetWeight(N3, 7)))
        changes.append(asyncio.create_task(other))
        await asyncio.sleep(10.0)
        world.network.mend(ways(world, n1))
    await asyncio.gather(*changes)


async def _found_a_second_cluster(world: World) -> None:
    """The one that began the cluster comes back with an empty disk, and for 5 s sees nobody."""
    n1 = world.machines[0]
    await client(world, n1)
    with world.rage("half"):
        dies_with_its_disk(world, n1)
        world.network.cut(ways(world, n1))
        world.held_down.discard(n1.address)
        n1.start()
        await asyncio.sleep(5.0)
        world.network.mend(ways(world, n1))
        await world.until(lambda: n1.ready, 30.0)


def _of_growth(happens: Story, shows: str = "lease") -> BugStory:
    return BugStory(happens, shows, GROWING, BY_HAND)


REMOVED: Final = BugStory(
    _see_again_who_was_removed,
    "model",
    [("r", "eu"), ("n", "us"), ("m", "eu"), ("w", "ap")],
    {"log_settled_s": 1.0, "log_away_s": 2.0, "trim_interval_s": 1.0},
)

STORIES: Final = {
    "acts-before-sync": _of_growth(_grow_and_forget),
    "stages-unchecked": _of_growth(_grow_unheard),
    "ends-at-once": _of_growth(_grow_cut_off),
    "votes-before-sync": BugStory(_decide_and_forget, "control: slot", THREE),
    "set-back-votes": BugStory(
        _decide_with_an_earlier_disk,
        "control: slot",
        THREE,
    ),
    "removed-with-last-copies": BugStory(_lose_who_has_the_other_copy, "blob", FOUR),
    "copies-of-the-lost-count": BugStory(_forsake_who_has_the_other_copy, "blob", FOUR),
    "events-from-strangers": REMOVED,
    "removed-is-forgotten": REMOVED._replace(happens=_come_back_after_removal),
    "leaving-copies-count": BugStory(_push_where_it_drains, "acknowledged with the copies", THREE),
    "founds-unheard": BugStory(
        _found_a_second_cluster, "not identical after heal", THREE, {"initial": ("n1",)}
    ),
    "newest-alone": _of_growth(_grow_cut_off, "layout: no majority of version 1"),
}
"""By the name of the bug."""
