"""The scenarios: what is done to which node, when, and how it is lifted again."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from tests.netfaults.disturbances import Disturbance, Disturbances
from tests.netfaults.network import Network
from tests.netfaults.nodes import REGIONS, Node

CALM_S: Final = 3.0
"""The run begins without a fault: an answer that fails then has no excuse."""


SMALL_DISK_BYTES: Final = 192 << 20
"""Of each node where disks are filled: ample for a run."""

_RESERVE_BYTES: Final = 8 << 20


class Slot(NamedTuple):
    """When one fault begins and ends, in seconds of the run."""

    start: float
    end: float


def plan(
    rng: random.Random, until: float, hold: tuple[float, float], pause: tuple[float, float]
) -> list[Slot]:
    """
    Faults that last *hold* with *pause* between them. The last one ends at *until*, with the load:
    what is measured then is how long the healed cluster takes to agree.
    """
    slots: list[Slot] = []
    end = until
    while end - hold[0] >= CALM_S:
        slots.append(Slot(max(CALM_S, end - rng.uniform(*hold)), end))
        end = slots[-1].start - rng.uniform(*pause)
    return slots[::-1]


@dataclass(kw_only=True)
class Stage:
    """What scenarios act on."""

    nodes: dict[str, Node]
    network: Network
    disturbances: Disturbances
    now: Callable[[], float]
    rng: random.Random

    def any_node(self) -> Node:
        return self.nodes[self.rng.choice(list(self.nodes))]

    async def until(self, moment: float) -> None:
        """Let time pass until *moment*."""
        await asyncio.sleep(max(0.0, moment - self.now()))


Lift = Callable[[], Awaitable[None]]


class Fault(NamedTuple):
    """A fault that holds. *lift* ends it and returns at once."""

    name: str
    nodes: frozenset[str]
    lift: Lift
    cut: bool = False
    both_ways: bool = True


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One kind of fault, again and again."""

    text: str
    begin: Callable[[Stage], Awaitable[Fault]]
    hold: tuple[float, float] = (2.0, 6.0)
    pause: tuple[float, float] = (2.0, 5.0)
    fake_clocks: bool = False
    small_disks: bool = False
    options: tuple[str, ...] = ()
    """More flags of `atoll serve`."""

    async def run(self, stage: Stage, until: float) -> None:
        """Carry it out until *until*; the last fault is lifted then."""
        for slot in plan(stage.rng, until, self.hold, self.pause):
            await stage.until(slot.start)
            began = stage.now()
            fault = await self.begin(stage)
            await stage.until(slot.end)
            await fault.lift()
            stage.disturbances.all.append(
                Disturbance(
                    name=fault.name,
                    start=began,
                    end=stage.now(),
                    nodes=fault.nodes,
                    cut=fault.cut,
                    both_ways=fault.both_ways,
                )
            )
        await stage.until(until)


# --- processes -----------------------------------------------------------------------------------


async def _kill(stage: Stage) -> Fault:
    # One node at a time: two that are away at once are another promise (`copies`).
    await asyncio.gather(*(node.wait_ready() for node in stage.nodes.values()))
    victim = stage.any_node()
    await asyncio.to_thread(victim.kill)

    async def lift() -> None:
        victim.start()

    return Fault(f"kill {victim.name}", frozenset({victim.name}), lift)


async def _pause(stage: Stage) -> Fault:
    victim = stage.any_node()
    victim.pause()

    async def lift() -> None:
        victim.resume()

    return Fault(f"stop {victim.name}", frozenset({victim.name}), lift)


# --- the network ---------------------------------------------------------------------------------


def _cut(stage: Stage, name: str, inside: frozenset[str], ways: tuple[bool, bool]) -> Fault:
    """Drop what goes into *inside* and what comes out of it, as *ways* (in, out) say."""
    pairs = [
        pair
        for one in sorted(inside)
        for other in sorted(stage.nodes.keys() - inside)
        for pair, wanted in (((other, one), ways[0]), ((one, other), ways[1]))
        if wanted
    ]
    for sender, receiver in pairs:
        stage.network.drop(sender, receiver)

    async def lift() -> None:
        for sender, receiver in pairs:
            stage.network.pass_(sender, receiver)

    return Fault(name, inside, lift, cut=True, both_ways=all(ways))


async def _isolate(stage: Stage) -> Fault:
    victim = stage.any_node().name
    return _cut(stage, f"cut off {victim}", frozenset({victim}), (True, True))


async def _split(stage: Stage) -> Fault:
    region = stage.rng.choice(list(REGIONS))
    return _cut(stage, f"cut off {region}", frozenset(REGIONS[region]), (True, True))


async def _one_way(stage: Stage) -> Fault:
    victim, deaf = stage.any_node().name, stage.rng.random() < 0.5
    name = f"{victim} {'hears' if deaf else 'is heard by'} nobody"
    return _cut(stage, name, frozenset({victim}), (deaf, not deaf))


# --- clocks and disks ----------------------------------------------------------------------------

_JUMPS_S: Final = (-3600.0, -30.0, -3.0, -0.3, 0.3, 3.0, 30.0, 3600.0)
"""Of the wall clock: within the 400 ms that are let pass, and far beyond."""


async def _jump(stage: Stage) -> Fault:
    victim, offset_s = stage.any_node(), stage.rng.choice(_JUMPS_S)
    victim.set_clock(offset_s)

    async def lift() -> None:
        victim.set_clock(0.0)

    return Fault(f"clock of {victim.name} {offset_s:+g} s", frozenset({victim.name}), lift)


async def _fill(stage: Stage) -> Fault:
    victim = stage.any_node()
    assert victim.disk is not None
    # Below the reserve, where only deletes go on, or to the last byte.
    leave_bytes = stage.rng.choice((0, _RESERVE_BYTES // 2))
    await asyncio.to_thread(victim.disk.fill, leave_bytes)

    async def lift() -> None:
        assert victim.disk is not None
        victim.disk.free()

    return Fault(f"disk of {victim.name} full", frozenset({victim.name}), lift)


SCENARIOS: Final[dict[str, Scenario]] = {
    "kill": Scenario(
        text="SIGKILL of a node, started again after 1 to 4 s", begin=_kill, hold=(1.0, 4.0)
    ),
    "pause": Scenario(text="SIGSTOP of a node for 2 to 8 s", begin=_pause, hold=(2.0, 8.0)),
    "isolate": Scenario(
        text="a node without its peers, both ways, for 4 to 15 s", begin=_isolate, hold=(4.0, 15.0)
    ),
    "split": Scenario(
        text="the regions without each other for 5 to 20 s", begin=_split, hold=(5.0, 20.0)
    ),
    "one-way": Scenario(
        text="a node that hears nobody, or that nobody hears, for 4 to 15 s",
        begin=_one_way,
        hold=(4.0, 15.0),
    ),
    "clock": Scenario(
        text="the wall clock of a node jumps by 0.3 s to 1 h, ahead or back, for 3 to 10 s",
        begin=_jump,
        hold=(3.0, 10.0),
        fake_clocks=True,
    ),
    "full-disk": Scenario(
        text="the disk of a node is full, for 3 to 10 s",
        begin=_fill,
        hold=(3.0, 10.0),
        small_disks=True,
        options=("--disk-reserve-bytes", str(_RESERVE_BYTES)),
    ),
}
