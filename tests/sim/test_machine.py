"""A simulated machine does what a real one does."""

import pytest

from cluster.driver.trimmer import Trimmer
from cluster.model import NodeId
from tests.sim.mutants.bug_story import runs, soon, within
from tests.sim.plan import Plan
from tests.sim.simulation import simulate
from tests.sim.stories import tell
from tests.sim.world import World


def test_a_process_that_fails_ends_and_is_started_again(monkeypatch: pytest.MonkeyPatch):
    """
    Broken: a node without its engine goes on listening, and one mistake has many symptoms.

    It is told all the same, and nothing else is wrong: the restarted node has what was pushed.
    """
    mistakes = ["a mistake"]
    run = Trimmer.run

    async def fail_once(self: Trimmer) -> None:
        if mistakes:
            raise AssertionError(mistakes.pop())
        await run(self)

    monkeypatch.setattr(Trimmer, "run", fail_once)
    push = {"do": "push", "region": "eu", "repo": "lib/app", "tag": "v1", "layers": ["base0"]}
    steps = [{**push, "at": 6.0 + salt, "salt": salt} for salt in range(3)]
    result = simulate(Plan("1", [("n0", "eu"), ("n1", "eu")], steps, work_s=12.0))
    (told,) = result.violations
    assert "n0 ended by itself" in told
    assert "a mistake" in told
    assert result.failed == 0
    assert result.acknowledged >= len(steps)


async def _go_on_alone(world: World) -> None:
    """R and N are given up by an operator's word, and come back."""
    w, *others = world.machines
    left = runs(w).cluster._control.state.generation
    with world.rage("kill"):
        for machine in others:
            world.held_down.add(machine.address)
            machine.kill()
        await soon(world, lambda: not runs(w).cluster._links.live())
        assert await within(world, w, runs(w).cluster.generations.force([NodeId("w")]))
        world.held_down.clear()
        await soon(world, lambda: all(machine.lost_disks for machine in others), 40.0)
        await soon(world, lambda: all(machine.ready for machine in others), 40.0)
    for machine in others:
        assert runs(machine).index.control.load().ended == [left]


def test_who_begins_empty_knows_which_generations_are_over():
    """Broken: it may join the one that it was to leave, if somebody of that greets it first."""
    tell(_go_on_alone)
