"""The scenarios: what is done to which node, when, and how it is lifted again."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from cluster.config import ClusterConfig
from tests.netfaults.causes import CLOCK_CACHE_S, FAR_LOST_S, LINK_S, RESUME_S, TIMER_S
from tests.netfaults.disturbances import RECONNECT_S, Disturbance, Disturbances, Kind
from tests.netfaults.lateness import Lateness
from tests.netfaults.network import Network
from tests.netfaults.nodes import REGIONS, Node
from tests.netfaults.operators import change_layouts

CALM_S: Final = 3.0
"""The run begins without a fault: an answer that fails then has no excuse."""

TAIL_CALM_S: Final = 9.0
"""So it ends, too, when what the last fault left behind has had its time."""

STRICT_SHARE: Final = 1 / 3
"""Of the load, at least: the time in which no fault can excuse anything."""

START_S: Final = 4.0
"""What is planned for the start of a killed node on a busy machine. What it took is measured."""

START_REGION_S: Final = 5.0
"""The same of all nodes of a region, which start at once."""

SMALL_DISK_BYTES: Final = 192 << 20
"""Of each node where disks are filled: ample for a run."""

_RESERVE_BYTES: Final = 8 << 20


class Slot(NamedTuple):
    """When one fault begins and ends, in seconds of the run."""

    start: float
    end: float


class Plan(NamedTuple):
    """The faults of one run, and how long there is load behind the last one."""

    slots: list[Slot]
    tail_s: float


def plan(
    rng: random.Random,
    duration_s: float,
    *,
    hold: tuple[float, float],
    settle_s: float,
    pause: tuple[float, float],
) -> Plan:
    """
    Faults for a load of *duration_s* seconds. They last *hold*, may be felt for *settle_s* more,
    and leave *pause* of calm before the next one. A third of the load at least is calm; of that a
    good part is the tail, in which everybody has to have recovered.
    """
    tail_s = min(settle_s + TAIL_CALM_S, duration_s / 4)
    slots: list[Slot] = []
    end, felt_s = duration_s - tail_s, 0.0
    while True:
        start = end - rng.uniform(*hold)
        felt_s += end - start + settle_s
        if slots and (start < CALM_S or felt_s > (1 - STRICT_SHARE) * duration_s):
            return Plan(slots[::-1], tail_s)
        slots.append(Slot(max(CALM_S, start), end))
        end = start - settle_s - rng.uniform(*pause)


@dataclass(kw_only=True)
class Stage:
    """What scenarios act on."""

    nodes: dict[str, Node]
    network: Network
    disturbances: Disturbances
    now: Callable[[], float]
    rng: random.Random
    lateness: Lateness
    changed: int = 0
    """Layouts that operators have brought about."""

    def any_node(self) -> Node:
        return self.nodes[self.rng.choice(list(self.nodes))]

    async def until(self, moment: float) -> None:
        """Let time pass until *moment*."""
        await asyncio.sleep(max(0.0, moment - self.now()))


Lift = Callable[[], Awaitable[None]]


class Fault(NamedTuple):
    """A fault that holds. *lift* ends it and returns at once."""

    name: str
    kind: Kind
    nodes: frozenset[str]
    lift: Lift
    both_ways: bool = True
    harmless: bool = False
    started: tuple[Node, ...] = ()
    """Nodes that have to start after *lift*."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One kind of fault, again and again."""

    text: str
    begin: Callable[[Stage], Awaitable[Fault]]
    settle_s: float
    """How long it is planned to be felt when it is lifted; `causes` has why."""

    hold: tuple[float, float] = (2.0, 6.0)
    pause: tuple[float, float] = (3.0, 5.0)
    fake_clocks: bool = False
    small_disks: bool = False
    operators: bool = False
    """Whether somebody changes the layout all the while."""

    options: tuple[str, ...] = ()
    """More flags of `atoll serve`."""

    def plan(self, rng: random.Random, duration_s: float) -> Plan:
        return plan(rng, duration_s, hold=self.hold, settle_s=self.settle_s, pause=self.pause)

    async def run(self, stage: Stage, slots: Sequence[Slot], group: asyncio.TaskGroup) -> None:
        """
        Carry out *slots*; returns when the last fault is lifted. *group* gets what looks when
        nodes that start are ready.
        """
        changing = group.create_task(change_layouts(stage)) if self.operators else None
        for slot in slots:
            await stage.until(slot.start)
            # One fault at a time: two nodes that are away at once are another promise (`copies`).
            await asyncio.gather(*(node.wait_ready() for node in stage.nodes.values()))
            if stage.now() + self.hold[0] > slot.end and slot is not slots[-1]:
                continue
            await self._carry_out(stage, slot, group)
        if changing is not None:
            changing.cancel()

    async def _carry_out(self, stage: Stage, slot: Slot, group: asyncio.TaskGroup) -> None:
        start = stage.now()
        fault = await self.begin(stage)
        holds = stage.now()
        await stage.until(slot.end)
        loosens = stage.now()
        await fault.lift()
        stage.disturbances.all.append(
            Disturbance(
                name=fault.name,
                kind=fault.kind,
                nodes=fault.nodes,
                start=start,
                holds=holds,
                loosens=loosens,
                end=stage.now(),
                both_ways=fault.both_ways,
                harmless=fault.harmless,
            )
        )
        if fault.started:
            group.create_task(_note_ready(stage, fault.started))


async def _note_ready(stage: Stage, nodes: Sequence[Node]) -> None:
    """Note when *nodes*, which were started last, take traffic again: all of them."""
    number = len(stage.disturbances.all) - 1
    await asyncio.gather(*(node.wait_ready() for node in nodes))
    fault = stage.disturbances.all[number]
    stage.disturbances.all[number] = replace(fault, ready=stage.now())


# --- processes -----------------------------------------------------------------------------------


async def _kill(stage: Stage) -> Fault:
    victim = stage.any_node()
    await asyncio.to_thread(victim.kill)

    async def lift() -> None:
        victim.start()

    name = f"kill {victim.name}"
    return Fault(name, "kill", frozenset({victim.name}), lift, started=(victim,))


async def _power(stage: Stage) -> Fault:
    region = stage.rng.choice(list(REGIONS))
    victims = [stage.nodes[name] for name in REGIONS[region]]
    for victim in victims:
        victim.send_kill()
    await asyncio.gather(*(asyncio.to_thread(victim.kill) for victim in victims))

    async def lift() -> None:
        for victim in victims:
            victim.start()

    name = f"no power in {region}"
    return Fault(name, "kill", frozenset(REGIONS[region]), lift, started=tuple(victims))


async def _pause(stage: Stage) -> Fault:
    victim = stage.any_node()
    victim.pause()

    async def lift() -> None:
        victim.resume()

    return Fault(f"stop {victim.name}", "stop", frozenset({victim.name}), lift)


# --- the network ---------------------------------------------------------------------------------


Pairs = list[tuple[str, str]]
"""Who sends, and to whom."""


def _cut(stage: Stage, name: str, inside: frozenset[str], ways: tuple[bool, bool]) -> Fault:
    """Drop what goes into *inside* and what comes out of it, as *ways* (in, out) say."""
    pairs = [
        pair
        for one in sorted(inside)
        for other in sorted(stage.nodes.keys() - inside)
        for pair, wanted in (((other, one), ways[0]), ((one, other), ways[1]))
        if wanted
    ]
    return Fault(name, "cut", inside, _drop(stage, pairs), both_ways=all(ways))


def _drop(stage: Stage, pairs: Pairs) -> Lift:
    """Drop what goes between *pairs*, until it is lifted."""
    for sender, receiver in pairs:
        stage.network.drop(sender, receiver)

    async def lift() -> None:
        for sender, receiver in pairs:
            stage.network.pass_(sender, receiver)

    return lift


async def _isolate(stage: Stage) -> Fault:
    victim = stage.any_node().name
    return _cut(stage, f"cut off {victim}", frozenset({victim}), (True, True))


async def _split(stage: Stage) -> Fault:
    region = stage.rng.choice(list(REGIONS))
    return _cut(stage, f"cut off {region}", frozenset(REGIONS[region]), (True, True))


async def _bridge(stage: Stage) -> Fault:
    """The third of the quorum sees both: another node of the region, or its witness."""
    one, other = stage.rng.sample(stage.rng.choice(list(REGIONS.values())), 2)
    lift = _drop(stage, [(one, other), (other, one)])
    return Fault(f"{one} and {other} apart", "bridge", frozenset({one, other}), lift)


async def _one_way(stage: Stage) -> Fault:
    victim, deaf = stage.any_node().name, stage.rng.random() < 0.5
    name = f"{victim} {'hears' if deaf else 'is heard by'} nobody"
    return _cut(stage, name, frozenset({victim}), (deaf, not deaf))


async def _voter(stage: Stage) -> Fault:
    """All five nodes are voters: each of these is about one."""
    return await stage.rng.choice((_kill, _pause, _isolate))(stage)


# --- clocks and disks ----------------------------------------------------------------------------

_JUMPS_S: Final = (-3600.0, -30.0, -3.0, -0.3, 0.3, 3.0, 30.0, 3600.0)
"""Of the wall clock: within the 400 ms that are let pass, and far beyond."""


async def _jump(stage: Stage) -> Fault:
    victim, offset_s = stage.any_node(), stage.rng.choice(_JUMPS_S)
    victim.set_clock(offset_s)

    async def lift() -> None:
        victim.set_clock(0.0)

    name = f"clock of {victim.name} {offset_s:+g} s"
    harmless = abs(offset_s) * 1000 < ClusterConfig().clock_off_max_ms
    return Fault(name, "clock", frozenset({victim.name}), lift, harmless=harmless)


async def _fill(stage: Stage) -> Fault:
    victim = stage.any_node()
    assert victim.disk is not None
    # Below the reserve, where only deletes go on, or to the last byte.
    leave_bytes = stage.rng.choice((0, _RESERVE_BYTES // 2))
    await asyncio.to_thread(victim.disk.fill, leave_bytes)

    async def lift() -> None:
        assert victim.disk is not None
        victim.disk.free()

    return Fault(f"disk of {victim.name} full", "disk", frozenset({victim.name}), lift)


SCENARIOS: Final[dict[str, Scenario]] = {
    "kill": Scenario(
        text="SIGKILL of a node, started again after 1 to 4 s",
        begin=_kill,
        settle_s=START_S + LINK_S,
        hold=(1.0, 4.0),
    ),
    "pause": Scenario(
        text="SIGSTOP of a node for 2 to 8 s", begin=_pause, settle_s=RESUME_S, hold=(2.0, 8.0)
    ),
    "freeze": Scenario(
        # Longer than a client waits. Waiting for the others to be ready takes of the planned time.
        text="SIGSTOP of a node for 10 to 12 s",
        begin=_pause,
        settle_s=RESUME_S,
        hold=(10.0, 12.0),
    ),
    "power": Scenario(
        text="SIGKILL of all nodes of a region at once, started again after 1 to 4 s",
        begin=_power,
        settle_s=START_REGION_S + LINK_S,
        hold=(1.0, 4.0),
    ),
    "isolate": Scenario(
        text="a node without its peers, both ways, for 4 to 12 s",
        begin=_isolate,
        settle_s=RECONNECT_S,
        hold=(4.0, 12.0),
    ),
    "split": Scenario(
        text="the regions without each other for 5 to 15 s",
        begin=_split,
        # Some 6 s after it began nobody in a region waits for the other one any more.
        settle_s=FAR_LOST_S + TIMER_S - 5.0,
        hold=(5.0, 15.0),
    ),
    "bridge": Scenario(
        text="two nodes of a region without each other for 4 to 12 s, all others see both",
        begin=_bridge,
        settle_s=RECONNECT_S,
        hold=(4.0, 12.0),
    ),
    "one-way": Scenario(
        text="a node that hears nobody, or that nobody hears, for 4 to 12 s",
        begin=_one_way,
        settle_s=RECONNECT_S,
        hold=(4.0, 12.0),
    ),
    "voters": Scenario(
        text="SIGKILL, SIGSTOP or a cut of a voter for 2 to 8 s, while operators change the layout",
        begin=_voter,
        settle_s=max(START_S + LINK_S, RESUME_S, RECONNECT_S),
        hold=(2.0, 8.0),
        operators=True,
    ),
    "clock": Scenario(
        text="the wall clock of a node jumps by 0.3 s to 1 h, ahead or back, for 3 to 8 s",
        begin=_jump,
        settle_s=CLOCK_CACHE_S + TIMER_S,
        hold=(3.0, 8.0),
        fake_clocks=True,
    ),
    "full-disk": Scenario(
        text="the disk of a node is full, for 3 to 8 s",
        begin=_fill,
        settle_s=RECONNECT_S,
        hold=(3.0, 8.0),
        small_disks=True,
        options=("--disk-reserve-bytes", str(_RESERVE_BYTES)),
    ),
}
