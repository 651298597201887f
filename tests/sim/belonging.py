"""Faults and works of operators by which members come, go, and change."""

import asyncio
from collections.abc import Collection, Coroutine
from typing import TYPE_CHECKING, Any, Final

from cluster.errors import ClusterError, StorageFailure
from cluster.layout.changes import Add, Change, Remove, SetAvailability, SetWeight, SetZone
from cluster.layout.document import Availability, Layout
from cluster.model import NodeId
from tests.sim.machine import Machine, Running
from tests.sim.plan import Step

if TYPE_CHECKING:
    from tests.sim.world import World

PATIENCE_S: Final = 3.0
"""How long a node that leaves waits while nobody gets its copies."""

DEAD_S: Final = 3.0
"""After which an operator gives a node up."""

DRAINED_S: Final = 12.0
"""In which whatever was asked before is answered."""


def victim(world: "World", step: Step) -> Machine:
    return world.victim(step["node"])


def come_back(world: "World", machine: Machine) -> None:
    if world.healed_at is None:
        world.held_down.discard(machine.address)
        if machine.running is None:
            machine.start()


async def leave(world: "World", step: Step) -> None:
    """
    A node goes: others get its copies, it serves nobody any more, and is no member. It may come
    again, with an empty disk.
    """
    machine = victim(world, step)
    running = machine.running
    for_good = step["for_good"] and len(world.machines) > world.plan.copies + 1
    if running is None or not machine.up or not running.ready or machine.address in world.held_down:
        return
    with world.rage(step["do"]) as rage:
        rage.counts = False
        cluster, rows = running.cluster, running.rows
        drain = cluster.drain(NodeId(machine.name), rows, patience_s=PATIENCE_S)
        if not await succeeds(world, running, drain) or world.healed_at is not None:
            return  # it stays
        running.ready = False
        await world.until(lambda: not running.asked or running.process.dead, DRAINED_S)
        if running.asked or running.process.dead or world.healed_at is not None:
            running.ready = True  # somebody thought better of it
            return
        world.held_down.add(machine.address)
        rage.counts = await succeeds(world, running, cluster.leave(rows, lost=False))
        if machine.running is running:
            machine.kill()
        if rage.counts:
            machine.lose_disk()
        if world.healed_at is None and for_good and rage.counts:
            world.machines.remove(machine)
            world.departed.append(machine)
            return
        if world.healed_at is None:
            await asyncio.sleep(step["for"])
        world.held_down.discard(machine.address)
        if machine.running is None:
            machine.start()


async def remove(world: "World", step: Step) -> None:
    """
    An operator at another node takes one out that runs: it drains, and then comes back empty. Or
    one that is dead, which comes back with its disk later, and must not be heard.
    """
    machine, by = victim(world, step), _other(world, step)
    lost = step["salt"] % 2 == 0
    if by is None or by.running is None or machine.address in world.held_down:
        return
    running, node = by.running, NodeId(machine.name)
    with world.rage(step["do"]) as rage:
        rage.counts = False
        if lost:
            world.held_down.add(machine.address)
            machine.kill()
            await asyncio.sleep(DEAD_S)
            # What only it has is gone: it was a disk, and it is one that an operator gave up.
            before, machine.lost_disk = machine.lost_disk, (world.loop.time(), machine.disk)
            asked = change(world, running, Remove(node), lost=[node])
        else:
            asked = running.cluster.layouts.remove(node, running.rows, patience_s=PATIENCE_S)
        rage.counts = await succeeds(world, running, asked)
        if lost:
            if not rage.counts:
                # It stays a member, and its disk counts. Should it be gone after all, it says so.
                machine.lost_disk = before
            come_back(world, machine)


def _other(world: "World", step: Step) -> Machine | None:
    """A machine that is not the victim, and serves."""
    others = [m for m in world.machines if m is not victim(world, step) and m.ready and m.up]
    return others[step["salt"] % len(others)] if others else None


async def layout(world: "World", step: Step) -> None:
    """Operators change the layout: one, or two of them at the same time."""
    known = [m for m in world.machines if m.ready and m.up]
    if not known:
        return
    salt, node = step["salt"], NodeId(victim(world, step).name)
    changes: list[Change] = [
        SetWeight(node, 1 + salt % 200),
        SetZone(node, f"z{salt % 3}"),
        SetAvailability(node, (Availability.PAUSED, Availability.ACTIVE)[salt % 2]),
    ]
    with world.rage(step["do"]) as rage:
        rage.counts = False
        asked = []
        for number in range(1 + salt % 2):
            machine = known[(salt // 7 + number) % len(known)]
            wanted = changes[(salt // 3 + number) % len(changes)]
            assert machine.running is not None, "it serves"
            running = machine.running
            asked.append(succeeds(world, running, change(world, running, wanted)))
        rage.counts = any(await asyncio.gather(*asked))


async def change(
    world: "World", running: Running, *changes: Change, lost: Collection[NodeId] = ()
) -> int:
    """
    Have the node change the layout. What it says that it has done, the decided slots have to say.

    Raises:
        ClusterError: it has not.
    """
    layouts = running.cluster.layouts
    version = await layouts.change(*changes, lost=lost)
    decided = {e.live.newest.version: e.live.newest for e in layouts.entries}.get(version)
    for wanted in changes:
        if decided is None or not _is_so(wanted, decided):
            world.observer.violations.append(
                f"layout: version {version} is said to have {wanted}, and does not"
            )
    return version


def _is_so(wanted: Change, layout: Layout) -> bool:
    match wanted:
        case SetWeight(node, weight):
            return any((m.node, m.weight) == (node, weight) for m in layout.members)
        case SetZone(node, zone):
            return any((m.node, m.zone) == (node, zone) for m in layout.members)
        case SetAvailability(node, availability):
            return any((m.node, m.availability) == (node, availability) for m in layout.members)
        case Add(member):
            return any(m.disk == member.disk for m in layout.members)
        case Remove(node):
            return layout.member(node) is None
        case _:
            raise AssertionError(f"nobody asks for {wanted} here")


async def succeeds(world: "World", running: Running, asked: "Coroutine[Any, Any, Any]") -> bool:
    """Whether what the process is *asked* for is done; it may be refused, or the process end."""
    told = world.loop.create_future()
    if running.process.dead:
        asked.close()
        return False

    def tell(done: bool) -> None:
        if not told.done():
            told.set_result(done)

    async def ask() -> None:
        try:
            await asked
        except (ClusterError, StorageFailure):
            tell(False)
        else:
            tell(True)

    running.process.on_death[told] = lambda: tell(False)
    running.process.spawn(ask())
    return bool(await told)


async def join(world: "World", step: Step) -> None:
    """A node comes that was never there, and takes part while others fail."""
    name = f"n{len(world.plan.nodes) + len(world.joined)}"
    _, region = world.plan.nodes[step["node"] % len(world.plan.nodes)]
    with world.rage(step["do"]):
        machine = world.machine(name, region, f"{name}:1")
        world.joined.append(machine)
        world.machines.append(machine)
        machine.start()
        await world.until(lambda: machine.ready, step["for"])
