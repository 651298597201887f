"""What a story of a seeded bug is, and words that such stories are told in."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, NamedTuple
from unittest.mock import patch

from tests.sim import belonging, stories
from tests.sim.history import Op
from tests.sim.machine import Machine, Running
from tests.sim.stories import NODES, REPO, TAG, Nodes
from tests.sim.world import World

PUSH: Final = {"do": "push", "region": "eu", "repo": REPO, "tag": TAG, "layers": ["a"], "salt": 0}
"""
By a client, so that what it is told is judged. It comes to the first node of the region, and is of
another image each time.
"""


class BugStory(NamedTuple):
    happens: stories.Story
    shows: str
    """How the first thing begins that the checker finds with the bug."""

    nodes: Nodes = NODES
    tuning: dict[str, Any] | None = None
    identity: dict[str, float] | None = None
    """The bounds of tokens and log-ins, where it is about who may do what."""

    def shown(self, bug: str | None) -> list[str]:
        """What the checker finds, with that bug or without any."""
        return stories.shown(
            self.happens, self.nodes, bug=bug, identity=self.identity, **self.tuning or {}
        )


async def client(world: World, machine: Machine, do: str = "push") -> Op:
    """What a client is told that asks this one node for everything."""
    with patch.object(world.clients, "pick", lambda *_: machine):
        op = await world.clients.carry_out({**PUSH, "do": do, "region": machine.region})
    assert op is not None, "there was something to ask for"
    return op


def runs(machine: Machine) -> Running:
    assert machine.running is not None
    return machine.running


async def within(world: World, machine: Machine, work: Coroutine[Any, Any, Any]) -> bool:
    """Whether the process of the machine succeeds with *work*."""
    return await belonging.succeeds(world, runs(machine), work)


def stage(machine: Machine) -> tuple[int, int]:
    """The versions of the layout by which a node goes."""
    oldest, newest = runs(machine).cluster._env.chronicle.stage
    return oldest, newest


async def comes(world: World, name: str, region: str) -> Machine:
    """A node that was never there, as soon as it has caught up."""
    machine = world.machine(name, region, f"{name}:1")
    world.joined.append(machine)
    world.machines.append(machine)
    machine.start()
    await soon(world, lambda: machine.running is not None)
    await soon(world, lambda: runs(machine).cluster._env.join.joined)
    return machine


async def soon(world: World, condition: Any, patience_s: float = 20.0) -> None:
    await world.until(condition, patience_s)
    assert condition()


def deaf(machine: Machine) -> Any:
    """Letters of the control log to this run of it get lost."""

    async def lose(letter: bytes) -> None:
        await asyncio.sleep(0)

    return patch.object(runs(machine).cluster.service, "tell", lose)
