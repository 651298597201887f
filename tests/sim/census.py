"""Looks at who counts whom as dead, and at what is bounded, all the while a plan goes on."""

import asyncio
import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cluster.model import NodeId, Status
from tests.sim.bounds import exceeded
from tests.sim.machine import Machine

if TYPE_CHECKING:
    from tests.sim.world import World

EVERY_S: Final = 0.25

CALM_S: Final = 5.0
"""After trouble: time for a suspect to hear of it and to contradict."""

NOTICED_S: Final = 8.0
"""In which a region knows of a death: a round of probes, and the shortest suspicion."""

RECOVERED_S: Final = 7.5
"""
Calm before the death: a member that is not linked to has been found, and the worst health score is
down to 1. What is left adds a second to the probe.
"""

HASTY_S: Final = 3.5
"""A suspect has longer than that to contradict, however many accuse it."""

NETWORK: Final = frozenset(
    {"half", "one_way", "region", "bridge", "loss", "delay", "duplication", "reordering"}
)
"""Faults in which nobody can tell a node that is gone from one that is not heard."""


@dataclass(slots=True)
class Trouble:
    """When something was first and last seen to be wrong. Calm of `CALM_S` ends it."""

    since: float = -math.inf
    until: float = -math.inf

    def note(self, now: float) -> None:
        if now - self.until > CALM_S:
            self.since = now
        self.until = now

    def explains(self, death_at: float) -> bool:
        """Whether a death that is declared now can be due to it."""
        return death_at - self.until <= CALM_S and death_at - self.since >= HASTY_S


class Census:
    """
    The promises of the failure detector.

    Nobody who can be heard is counted as dead, whoever else is paused, killed or stalled, the
    observer included; nor anybody who is away for a moment. Who is gone is counted as dead in the
    own region in `NOTICED_S`.
    """

    def __init__(self, world: "World") -> None:
        self._world = world
        self.violations: list[str] = []
        self._network = Trouble()
        self._machines: defaultdict[str, Trouble] = defaultdict(Trouble)
        self._doubled: defaultdict[str, Trouble] = defaultdict(Trouble)
        """Names that two machines bear: either may be taken for the other."""
        self._down_since: dict[tuple[str, int], float] = {}
        self._told: set[tuple[str, float]] = set()
        self._given_up: set[tuple[str, int]] = set()
        self._beyond: set[tuple[str, str]] = set()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self._look()
            await asyncio.sleep(EVERY_S)

    def counted_dead(self, by: str, node: str, incarnation: int) -> None:
        """
        Judge that the node *by* has just given up that *incarnation* of *node*.

        The first to do so: news of it may sleep in a node that is paused, and be told long after.
        """
        now = self._world.loop.time()
        self._look()
        if not all(m.ready for m in self._world.machines if m.name == by):
            return  # it starts, and repeats what it remembers of an earlier run
        if (node, incarnation) in self._given_up:
            return
        self._given_up.add((node, incarnation))
        troubles = (self._network, self._machines[node], self._doubled[node])
        if not any(trouble.explains(now) for trouble in troubles):
            self._complain(f"false death: {by} gave up {node}, {self._machines[node]}")

    def _look(self) -> None:
        world, now = self._world, self._world.loop.time()
        if any(world.raging[kind] > 0 for kind in NETWORK):
            self._network.note(now)
        for name in +world.doubled:
            self._doubled[name].note(now)
        # All of it before any check: those compare machines, and two may have gone at once.
        for machine in world.machines:
            if not (machine.up and machine.ready):
                self._machines[machine.name].note(now)
        for machine in world.departed:
            self._machines[machine.name].note(now)
        for machine in world.machines:
            # Each run dies once, also one that came and went between two looks.
            run = machine.name, machine.incarnations
            if machine.running is not None:
                self._down_since.pop(run, None)  # it was seen before it had begun
                self._check_bounds(machine)
            elif now - self._down_since.setdefault(run, now) > NOTICED_S:
                self._check_noticed(machine, self._down_since[run])

    def _check_noticed(self, gone: Machine, since: float) -> None:
        others = [m for m in self._world.machines if m.region == gone.region and m is not gone]
        troubles = [self._network, self._doubled[gone.name]]
        troubles += [self._machines[m.name] for m in others]
        troubles += [self._doubled[m.name] for m in others]
        calm_since = since - RECOVERED_S
        if (gone.name, since) in self._told or any(t.until > calm_since for t in troubles):
            return
        for machine in others:
            assert machine.running is not None, "it had no trouble"
            members = machine.running.cluster.statistics().members
            status = {member.node: member.status for member in members}.get(NodeId(gone.name))
            if status not in (Status.DEAD, Status.LEFT, None):
                self._told.add((gone.name, since))
                self._complain(f"death unnoticed: {gone.name} is {status} to {machine.name}")

    def _check_bounds(self, machine: Machine) -> None:
        assert machine.running is not None, "asked of machines that run"
        for name, text in exceeded(machine.running, machine.config):
            if (machine.name, name) not in self._beyond:
                self._beyond.add((machine.name, name))
                self._complain(f"bound: {machine.name} has {text} of {name}")

    def _complain(self, text: str) -> None:
        self.violations.append(f"{text} (at {self._world.loop.time():.2f} s)")
