"""What the layout needs is done by those voters who are there, and can."""

import pytest

from cluster.layout.changes import SetWeight
from cluster.model import NodeId
from tests.sim import belonging
from tests.sim.mutants.bug_story import comes, deaf, runs, soon, within
from tests.sim.stories import Nodes, tell
from tests.sim.world import World

FIVE: Nodes = [("n1", "eu"), ("n2", "us"), ("n3", "ap"), ("n4", "eu"), ("n5", "us")]


async def decide_something(world: World) -> None:
    by = world.machines[1]
    change = belonging.change(world, runs(by), SetWeight(NodeId("n4"), 5))
    assert await within(world, by, change)


@pytest.mark.parametrize("number", [0, 4])
def test_a_voter_that_is_away_holds_up_no_newcomer(number: int):
    """Broken: it has to have what was decided since, or nobody who would go on voting is asked."""

    async def story(world: World) -> None:
        away = world.machines[number]
        with world.rage("kill"):
            world.held_down.add(away.address)
            away.kill()
            await decide_something(world)
            new = await comes(world, "n6", "eu")
            await soon(world, lambda: new.ready)
            world.held_down.discard(away.address)

    tell(story, FIVE)


def test_a_voter_that_hears_of_no_decision_holds_up_no_change():
    """Broken: the first of the voters that are connected has to act, and cannot."""

    async def story(world: World) -> None:
        with world.rage("half"), deaf(world.machines[0]):
            await decide_something(world)

    tell(story, FIVE)


def test_a_disk_that_is_full_holds_up_no_newcomer():
    """Broken: who comes waits for all that a member has which cannot follow the layout."""

    async def story(world: World) -> None:
        full = world.machines[0]
        with world.rage("disk_full"):
            full.disk.full = True
            await decide_something(world)
            new = await comes(world, "n6", "eu")
            await soon(world, lambda: new.ready)
            full.disk.full = False

    tell(story, FIVE)
