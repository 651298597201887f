"""Whole nodes of different versions in one cluster."""

import asyncio
from typing import Any

import pytest

from tests.sim.machine import Machine
from tests.sim.plan import Plan
from tests.sim.world import World, simulate

NODES = [("n0", "eu"), ("n1", "eu"), ("n2", "us")]
OLD = "n2"
SIGNED = ("signed",)


def push(at: float, salt: int) -> dict[str, Any]:
    step = {"do": "push", "region": "eu", "repo": "lib/app", "tag": "v1", "layers": ["a"]}
    return {**step, "salt": salt, "at": at}


def test_a_feature_is_used_by_nobody_until_the_last_node_is_upgraded(
    monkeypatch: pytest.MonkeyPatch,
):
    """n2 lacks it, is gone for ten seconds, and comes back with it; others restart meanwhile."""
    start, main = Machine.start, World.main
    used: dict[bool, set[bool]] = {False: set(), True: set()}
    in_the_end: list[bool] = []

    def start_as_some_version(self: Machine) -> None:
        self.features = () if self.name == OLD and not self.incarnations else SIGNED
        start(self)

    async def look(world: World) -> None:
        while True:
            [old] = [machine for machine in world.machines if machine.name == OLD]
            used[bool(old.features)].update(uses(world))
            await asyncio.sleep(0.05)

    async def main_and_look(self: World) -> None:
        self.loop.call_later(1.0, lambda: looking.append(self.loop.create_task(look(self))))
        looking: list[Any] = []
        await main(self)
        in_the_end.extend(uses(self))
        looking[0].cancel()

    monkeypatch.setattr(Machine, "start", start_as_some_version)
    monkeypatch.setattr(World, "main", main_and_look)
    faults = [
        {"do": "kill", "node": 0, "at": 3.0, "for": 1.0, "salt": 1},
        {"do": "kill", "node": 2, "at": 6.0, "for": 10.0, "salt": 2},
        {"do": "kill", "node": 1, "at": 9.0, "for": 1.0, "salt": 3},
    ]
    plan = Plan("1", NODES, [*faults, *(push(2.0 * n, n) for n in range(8))], work_s=20.0)
    assert simulate(plan).violations == []
    assert used[False] == {False}
    assert used[True] == {False, True}, "it begins when the others hear of the upgrade"
    assert in_the_end == [True] * 3


def uses(world: World) -> list[bool]:
    running = [machine.running for machine in world.machines]
    return [each.cluster.uses("signed") for each in running if each is not None]
