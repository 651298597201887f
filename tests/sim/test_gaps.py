"""A hole in the log of its only holder, under clients and newcomers."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from cluster.driver.intake import Intake
from cluster.model import Dot, Event, Origin
from tests.sim import faults
from tests.sim.plan import Plan, Step
from tests.sim.simulation import simulate
from tests.sim.world import World

PATIENCE_S = 3.0
HOLE = {"at": 3.0, "do": "hole", "node": 0, "for": 20.0, "salt": 0}
NODES = [("n0", "eu"), ("n1", "eu"), ("n2", "us")]


def plan() -> Plan:
    """Pushes to everybody; in the middle a node comes, and one is killed; reads of it all."""
    # So that what is behind the hole is acknowledged, and has to be found by who can ask for it.
    local = {"do": "policy", "project": "lib", "consistency": "local"}
    steps: list[Step] = [HOLE, {**local, "at": 0.1, "region": "eu", "salt": 0}]
    for number in range(12):
        push = {"do": "push", "region": "eu", "repo": "lib/app", "tag": f"v{number}"}
        steps.append({**push, "at": 1.0 + number, "layers": [f"{number}"], "salt": number})
        for late in range(3):
            read = {"do": "pull_tag", "region": "eu", "repo": "lib/app", "tag": f"v{number}"}
            steps.append({**read, "at": 12.0 + 3 * late + number / 5, "salt": number + late})
    steps.append({"at": 6.0, "do": "kill", "node": 1, "for": 1.0, "salt": 3})
    steps.append({"at": 7.0, "do": "join", "node": 3, "for": 1.0, "salt": 5})
    return Plan("gap", NODES, steps, work_s=26.0, tuning={"gap_patience_s": PATIENCE_S})


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the nodes said of themselves when the hole had lasted for long."""
    seen: dict[str, Any] = {}

    async def hole(world: World, step: Step) -> None:
        running = world.machines[step["node"]].running
        assert running is not None
        journal = running.index.journal
        origin = journal.origin
        lost, whole = journal.applied.get(origin, 0) + 1, journal.events_after

        def events_after(of: Origin, seq: int, max_bytes: int) -> Sequence[Event]:
            found = whole(of, seq, max_bytes)
            return [e for e in found if e.dot != Dot(origin.node, origin.epoch, lost)]

        journal.events_after = events_after
        with world.rage("hole"):
            await asyncio.sleep(step["for"])
        others = [machine for machine in world.machines if machine.running is not running]
        seen["ready"] = {machine.name for machine in others if machine.ready}
        seen["standing"] = {
            machine.name
            for machine in others
            if machine.running is not None
            and machine.running.cluster.statistics().logs_standing == 1
        }
        seen["lost"] = journal.applied.get(origin, 0) - lost
        del journal.events_after

    monkeypatch.setitem(faults.FAULTS_BY_NAME, "hole", hole)
    return seen


def test_the_rest_goes_on_beside_a_hole_and_nobody_is_told_less(seen: dict[str, Any]):
    """Broken: nobody joins any more, or what was pushed there is "not found"."""
    result = simulate(plan())
    assert result.violations == []
    assert result.converged_s is not None
    assert seen["lost"] > 0, "something was written behind the hole"
    assert seen["ready"] == seen["standing"] == {"n1", "n2", "n3"}


def test_a_hole_that_counts_as_filled_is_noticed(
    seen: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    """The bug that the patience with a gap invites: this file has to see it."""
    take = Intake.take

    async def take_as_filled(self: Intake, events: Sequence[Event]) -> Any:
        gaps = await take(self, events)
        return () if gaps and self.lasting(gaps) else gaps

    monkeypatch.setattr(Intake, "take", take_as_filled)
    assert simulate(plan()).violations != []


def test_a_hole_that_is_waited_for_without_end_is_noticed(
    seen: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    """As it was before."""
    monkeypatch.setattr(Intake, "lasting", lambda *_: False)
    simulate(plan())
    assert seen["ready"] != {"n1", "n2", "n3"}
