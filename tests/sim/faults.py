"""The faults: each one begins, lasts, and is taken back."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from cluster import vectors
from cluster.errors import StorageFailure
from cluster.model import Digest, Dot, Event, Key, Kind, Stamp
from node.index import keys, objects
from tests.sim import belonging
from tests.sim.belonging import come_back, victim
from tests.sim.disk import Disk
from tests.sim.machine import Machine
from tests.sim.network import Weather
from tests.sim.plan import Step

if TYPE_CHECKING:
    from tests.sim.world import World

Pairs = list[tuple[str, str]]

CUT_NOTICED_S: Final = 4.0
"""After which a silent link is down: four greetings."""

BOOT_CLOCK_MS: Final = 3000.0
BOOT_CLOCK_S: Final = 2.0

OLDER: Final = (Kind.ADD, Kind.REMOVE, Kind.WRITE)
"""Kinds of events that an earlier version may not have heard of."""

THROUGH_S: Final = 8.0
"""How long gossip may take: a whole interval, and a pull."""


def heal_everything(world: "World") -> None:
    """Take back what is still going on: from here on the cluster has to become whole."""
    network = world.network
    network.mend([pair for pair, count in list(network._cut.items()) for _ in range(count)])
    network.weather = Weather()
    for twin in world.clones:
        _end_twin(world, twin)
    world.held_down.clear()
    for machine in world.machines:
        machine.clock.set(0.0)
        machine.disk.failing = machine.disk.full = machine.disk.sync_fails = False
        if machine.running is not None and machine.running.process.paused:
            machine.running.process.resume()
        if machine.running is not None and (
            machine.running.writer.failed is not None or machine.running.process.cannot_read
        ):
            machine.kill()
        machine.cannot_read = frozenset()
        if machine.running is None:
            machine.start()


def _addresses(world: "World") -> list[str]:
    return [machine.address for machine in world.everyone()]


def _between(one: list[str], other: list[str], *, both: bool = True) -> Pairs:
    pairs = [(a, b) for a in one for b in other]
    return pairs + [(b, a) for a, b in pairs] if both else pairs


async def _partition(world: "World", step: Step, pairs: Pairs) -> None:
    with world.rage(step["do"]):
        world.network.cut(pairs)
        await asyncio.sleep(step["for"])
        if world.healed_at is None:
            world.network.mend(pairs)


async def half(world: "World", step: Step) -> None:
    addresses = _addresses(world)
    random.Random(step["salt"]).shuffle(addresses)
    middle = max(1, len(addresses) // 2)
    await _partition(world, step, _between(addresses[:middle], addresses[middle:]))


async def one_way(world: "World", step: Step) -> None:
    addresses = _addresses(world)
    random.Random(step["salt"]).shuffle(addresses)
    middle = 1 + step["salt"] % (len(addresses) - 1)
    await _partition(world, step, _between(addresses[:middle], addresses[middle:], both=False))


async def region(world: "World", step: Step) -> None:
    lonely = victim(world, step).region
    inside = [m.address for m in world.everyone() if m.region == lonely]
    outside = [m.address for m in world.everyone() if m.region != lonely]
    await _partition(world, step, _between(inside, outside))


async def bridge(world: "World", step: Step) -> None:
    """Two halves that see each other through one node only."""
    addresses = _addresses(world)
    random.Random(step["salt"]).shuffle(addresses)
    # Not a clone, which may have been stopped.
    members = {machine.address for machine in world.machines}
    joint = next(address for address in addresses if address in members)
    rest = [address for address in addresses if address != joint]
    middle = len(rest) // 2
    across = world.loop.create_task(_look_across(world, step["for"]))
    await _partition(world, step, _between(rest[:middle], rest[middle:]))
    await across


async def _look_across(world: "World", lasts_s: float) -> None:
    """What was written on one side gets to the other: nobody hands it on, but gossip brings it."""
    if lasts_s < CUT_NOTICED_S + THROUGH_S + 0.5:
        return
    begun, alone = world.faults_begun, len(world.rages) == 1
    await asyncio.sleep(CUT_NOTICED_S)
    known = world.known()
    await asyncio.sleep(THROUGH_S)
    if not alone or world.faults_begun != begun or world.healed_at is not None:
        return
    if all(machine.ready for machine in world.machines):
        late = [m.address for m in world.machines if not m.disk.covers(known)]
        if late:
            world.slow.append(f"not through the bridge within {THROUGH_S} s: {late}")


def _weather(name: str, value: float) -> "Callable[[World, Step], Awaitable[None]]":
    async def blow(world: "World", step: Step) -> None:
        with world.rage(step["do"]):
            setattr(world.network.weather, name, value)
            await asyncio.sleep(step["for"])
            setattr(world.network.weather, name, 0.0)

    return blow


async def _absence(world: "World", step: Step, *, power: bool = False) -> None:
    """The process ends, and starts again after a while."""
    machine = victim(world, step)
    if machine.address in world.held_down:
        return
    with world.rage(step["do"]):
        world.held_down.add(machine.address)
        machine.kill(power=power)
        await asyncio.sleep(step["for"])
        wrong = step["salt"] % 4 == 0 and world.healed_at is None
        if wrong:
            # A clock that stood still, until somebody sets it.
            machine.clock.set(-BOOT_CLOCK_MS)
        come_back(world, machine)
        if wrong:
            await asyncio.sleep(BOOT_CLOCK_S)
            machine.clock.set(0.0)


async def kill(world: "World", step: Step) -> None:
    await _absence(world, step)


async def away(world: "World", step: Step) -> None:
    """
    An absence in which the others forget events that the absent one lacks.

    Where they did not, it was a kill like others, and the fault has met nothing.
    """
    machine = victim(world, step)
    if machine.address in world.held_down:
        return
    with world.rage(step["do"]) as rage:
        rage.counts = False
        world.held_down.add(machine.address)
        machine.kill()
        await asyncio.sleep(step["for"])
        rage.counts = any(
            floor > synced
            for other in world.machines
            for floor, synced in _floors(other.disk, machine.disk)
        )
        come_back(world, machine)


def _floors(one: Disk, other: Disk) -> "Iterator[tuple[int, int]]":
    """Up to where the logs on *one* are forgotten, and how far *other* has them."""
    for key, floor in one.families["floor"].items():
        yield keys.read_u64(floor), vectors.reached(other.vector(), keys.read_origin(key))


async def older(world: "World", step: Step) -> None:
    """
    A node of an earlier version, which has not heard of some kind of event, until it is upgraded.

    No client comes to it meanwhile: it keeps what it cannot read, and cannot serve it.
    """
    machine = victim(world, step)
    if machine.address in world.held_down or machine.cannot_read:
        return
    with world.rage(step["do"]):
        machine.cannot_read = frozenset({OLDER[step["salt"] % len(OLDER)]})
        _start_again(machine)
        await asyncio.sleep(step["for"])
        machine.cannot_read = frozenset()
        if world.healed_at is None and machine.address not in world.held_down:
            _start_again(machine)


def _start_again(machine: Machine) -> None:
    machine.kill()
    machine.start()


async def power_cut(world: "World", step: Step) -> None:
    await _absence(world, step, power=True)


async def pause(world: "World", step: Step) -> None:
    running = victim(world, step).running
    if running is None or running.process.paused:
        return
    with world.rage(step["do"]):
        running.process.pause()
        world.network.suspect(lambda call: call.callee_process is running.process)
        await asyncio.sleep(step["for"])
        if not running.process.dead and running.process.paused:
            running.process.resume()


async def clock_jump(world: "World", step: Step) -> None:
    machine = victim(world, step)
    with world.rage(step["do"]):
        machine.clock.set(step["offset_ms"])
        # Before the node has noticed: its peers may park what it writes now.
        pushes = [_push_now(world, machine.region, step["salt"] + more) for more in range(2)]
        await asyncio.gather(*pushes)
        await asyncio.sleep(step["for"])
        machine.clock.set(0.0)


def _push_now(world: "World", region: str, salt: int) -> Awaitable[None]:
    push = {"do": "push", "region": region, "repo": "lib/app", "tag": "v1", "layers": ["clock"]}
    return world.clients.carry_out({**push, "salt": salt})


async def clock_drift(world: "World", step: Step) -> None:
    machine = victim(world, step)
    with world.rage(step["do"]):
        machine.clock.set(0.0, max(-400.0, min(400.0, step["offset_ms"])) / step["for"])
        await asyncio.sleep(step["for"])
        machine.clock.set(0.0)


async def _replace_disk(world: "World", step: Step, disk: Disk) -> None:
    machine = victim(world, step)
    if machine.address in world.held_down:
        return
    with world.rage(step["do"]):
        world.held_down.add(machine.address)
        machine.kill(power=True)
        machine.replace_disk(disk)
        await asyncio.sleep(step["for"])
        come_back(world, machine)


async def wipe(world: "World", step: Step) -> None:
    """A disk is lost: all of it, the blobs, or the index."""
    old, seed = victim(world, step).disk, f"{world.plan.seed} {step['salt']}"
    new = Disk(seed)
    if step["salt"] % 3 == 1:
        new = old.copy(seed)
        new.blobs.clear()
    elif step["salt"] % 3 == 2:
        new.blobs = dict(old.blobs)
    await _replace_disk(world, step, new)


async def snapshot(world: "World", step: Step) -> None:
    world.snapshots[step["node"]] = victim(world, step).disk.copy(f"snapshot {world.plan.seed}")


async def restore(world: "World", step: Step) -> None:
    """A disk is replaced by a copy of what it was some time ago."""
    disk = world.snapshots.get(step["node"])
    if disk is not None:
        await _replace_disk(world, step, disk)


async def clone(world: "World", step: Step) -> None:
    """A second machine starts from a copy of a directory; the first runs on, or is away."""
    original = victim(world, step)
    if original.address in world.held_down:
        return
    with world.rage(step["do"]):
        twin = world.machine(original.name, original.region, f"{original.name}c:1")
        twin.disk = original.disk.copy(f"clone {world.plan.seed}")
        twin.incarnations = 1000
        if not step["alive"]:
            world.held_down.add(original.address)
            original.kill()
        world.clones.append(twin)
        world.doubled[twin.name] += 1
        twin.start()
        await asyncio.sleep(step["for"])
        _end_twin(world, twin)
        await asyncio.sleep(0.5)
        come_back(world, original)


def _end_twin(world: "World", twin: Machine) -> None:
    """The copy of a machine goes for good, and its disk with it. Once is enough."""
    if twin.lost_disk[1] is None:
        twin.kill()
        twin.lost_disk = (world.loop.time(), twin.disk)
        world.doubled[twin.name] -= 1


async def poison(world: "World", step: Step) -> None:
    """A node writes an event whose body nobody can decode."""
    running = victim(world, step).running
    if running is None or not running.ready or running.process.paused:
        return
    journal = running.index.journal

    def change() -> None:
        txn = journal.begin()
        origin = txn.origin
        dot = Dot(origin.node, origin.epoch, txn.known(origin) + 1)
        stamp = journal.clock.tick(Stamp(0))
        key = Key(objects.MANIFEST, "lib/app", Digest.of(str(step["salt"]).encode()))
        objects.apply(txn, Event(dot, stamp, "add", key, b"\xc1"))
        txn.commit()

    with world.rage(step["do"], linger_s=4.0):
        running.process.spawn(_quietly(running.writer.submit(change)))
        await asyncio.sleep(1.0)


async def _quietly(work: Awaitable[None]) -> None:
    """The disk may fail meanwhile; then the poison was not written."""
    with suppress(StorageFailure):
        await work


def _disk_fault(name: str) -> "Callable[[World, Step], Awaitable[None]]":
    async def fail(world: "World", step: Step) -> None:
        disk = victim(world, step).disk
        with world.rage(step["do"]):
            setattr(disk, name, True)
            await asyncio.sleep(min(step["for"], 5.0))
            setattr(disk, name, False)

    return fail


FAULTS_BY_NAME: Final["dict[str, Callable[[World, Step], Awaitable[None]]]"] = {
    "half": half,
    "one_way": one_way,
    "region": region,
    "bridge": bridge,
    "loss": _weather("loss", 0.03),
    "delay": _weather("delay_s", 0.4),
    "duplication": _weather("duplication", 0.3),
    "reordering": _weather("reordering", 0.3),
    "kill": kill,
    "away": away,
    "leave": belonging.leave,
    "join": belonging.join,
    "remove": belonging.remove,
    "layout": belonging.layout,
    "older": older,
    "power_cut": power_cut,
    "pause": pause,
    "clock_jump": clock_jump,
    "clock_drift": clock_drift,
    "wipe": wipe,
    "snapshot": snapshot,
    "restore": restore,
    "clone": clone,
    "poison": poison,
    "disk_full": _disk_fault("full"),
    "io_error": _disk_fault("failing"),
    "sync_error": _disk_fault("sync_fails"),
}
