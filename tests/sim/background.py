"""
Simulations of what nodes do in the background: comparing and checking indexes, often, and making
copies. Tells what the nodes saw.
"""

import asyncio
import json
import random
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Final
from unittest import mock

from cluster.model import Digest
from node.index.replica import IndexReplica
from tests.sim import faults, simulation, world
from tests.sim.clients import read_blob
from tests.sim.machine import Machine, QuietLog
from tests.sim.plan import Plan, Step, make_plan
from tests.sim.repeatable import with_fixed_hashes

SEEDS: Final = range(4)
OFTEN: Final = {"compare_interval_s": 0.5, "check_rows_interval_s": 3.0, "check_rows_again_s": 1.0}

BLOBS: Final[dict[str, list[str]]] = {}
"""What each machine had on its disk when it was last killed, by address."""


class WatchfulMachine(Machine):
    """A machine whose node looks at its index all the time."""

    def __init__(self, *args: Any, config: Any, **kwargs: Any) -> None:
        super().__init__(*args, config=replace(config, **OFTEN), **kwargs)

    def kill(self, *, power: bool = False) -> None:
        """Also the last thing that happens to a machine: note what is on its disk."""
        BLOBS[self.address] = sorted(self.disk.blobs)
        super().kill(power=power)


async def rot(world: Any, step: Step) -> None:
    """One row changes on the disk, behind the engine's back."""
    rows = world.machines[0].disk.families["manifests"]
    key, row = random.Random(step["salt"]).choice(list(rows.items()))
    rows[key] = row[:-1] + bytes([row[-1] ^ 1])
    step["rotten"] = key.hex()


def rotten_plan() -> Plan:
    """A few pushes, and then the rot."""
    push = {"do": "push", "region": "eu", "repo": "lib/app", "layers": ["base"]}
    pushes = [{**push, "at": 0.2 * n, "tag": f"v{n}", "salt": n} for n in range(10)]
    nodes = [("a", "eu"), ("b", "eu"), ("c", "us")]
    return Plan("rot", nodes, [*pushes, {"at": 4.0, "do": "rot", "salt": 5}], work_s=16.0)


def alone_plan() -> Plan:
    """Pushes to a lone node of two, whose peer comes back."""
    push = {"do": "push", "region": "eu", "repo": "lib/app"}
    pushes = [
        {**push, "at": 8 + n, "tag": f"v{n}", "salt": n, "layers": [f"{n}"]} for n in range(5)
    ]
    away = {"at": 1.0, "do": "away", "node": 1, "for": 15.0, "salt": 1}
    return Plan("alone", [("a", "eu"), ("b", "us")], [away, *pushes], work_s=40.0)


async def pull(world: Any, step: Step) -> None:
    """A client pulls the blobs of every image through one node."""
    running = world.machines[step["node"]].running
    for images in world.clients.images.values():
        for image in images:
            for digest, _ in image.blobs:
                await read_blob(running, image.repo, digest)
    await asyncio.sleep(1.0)  # A reader has the last byte before the row is written.
    step["cached"] = len(running.index.journal.cached)


def cached_plan() -> Plan:
    """A node has pulled what was pushed elsewhere; a disk is lost, and then it takes a push."""
    image = {"region": "eu", "repo": "lib/app", "layers": ["base"]}
    steps: list[Step] = [
        {**image, "at": 1.0, "do": "push", "tag": "v1", "salt": 2},
        {"at": 4.0, "do": "pull", "node": 2, "salt": 1},
        {"at": 5.0, "do": "wipe", "node": 1, "for": 12.0, "salt": 3},
        {**image, "at": 14.5, "do": "retag", "region": "us", "tag": "v2", "salt": 2},
    ]
    return Plan("cached", [("a", "eu"), ("b", "eu"), ("c", "us")], steps, work_s=30.0)


def counts_all(self: IndexReplica, digest: Digest) -> int | None:
    """The bug: what came with a pull is a copy like any other."""
    return self.size_here(digest)


def told(plan: Plan) -> dict[str, Any]:
    """Run *plan*; what is wrong in the end, and what the nodes said aloud of their indexes."""
    alarms: list[str] = []
    BLOBS.clear()

    def error(self: QuietLog, event: str, **fields: object) -> None:
        alarms.append(event)

    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(world, "Machine", WatchfulMachine))
        stack.enter_context(mock.patch.object(QuietLog, "error", error))
        stack.enter_context(mock.patch.dict(faults.FAULTS_BY_NAME, {"rot": rot, "pull": pull}))
        result = simulation.simulate(plan)
    return {
        "violations": result.violations,
        "acknowledged": result.acknowledged,
        "alone": result.alone,
        "blobs": list(BLOBS.values()),
        "alarms": alarms,
        "rotten": [step["rotten"] for step in plan.steps if "rotten" in step],
        "cached": sum(step.get("cached", 0) for step in plan.steps),
    }


if __name__ == "__main__":
    with_fixed_hashes("tests.sim.background")
    plans = {"rot": rotten_plan(), "alone": alone_plan(), "cached": cached_plan()}
    plans |= {f"seed {s}": make_plan(f"compare {s}") for s in SEEDS}
    found = {name: told(plan) for name, plan in plans.items()}
    with mock.patch.object(IndexReplica, "held_size", counts_all):
        found["cached counts"] = told(cached_plan())
    print(json.dumps(found))
