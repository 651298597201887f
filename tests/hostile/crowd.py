"""Many connections at once from many addresses, hostile or not, and what they were told."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.hostile.attacks import ATTACKS, Attack, as_costly_as_is_taken
from tests.hostile.stranger import CLOSED, SILENT, Stranger, Target, connected

ADDRESSES: Final = tuple(f"127.0.66.{number}" for number in range(1, 9))
"""Where they come from. The healthy load has an address of its own, as other people have."""

_NEIGHBOUR_HOLDS_S: Final = 6.0


@dataclass(kw_only=True)
class Told:
    """What a crowd was told: (kind, status) -> how often."""

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    wrong: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Those among them that nobody should be told."""

    refused: int = 0
    """Connections that were not taken at all."""

    @property
    def requests(self) -> int:
        return self.answers.total() + self.refused


async def strangers(targets: Sequence[Target], count: int, at_once: int, seed: int) -> Told:
    """Carry out *count* attacks, *at_once* at a time, on all *targets* in turn."""
    rng = random.Random(seed)
    shares = [attack.share for attack in ATTACKS]
    chosen = rng.choices(ATTACKS, shares, k=count)
    return await _all(targets, chosen, at_once, rng)


async def large_pushes(targets: Sequence[Target], count: int, at_once: int, seed: int) -> Told:
    """
    The largest manifests there are, from people who mean well.

    What is pushed lies in the index's memory until it is written out, whoever pushed it. With this
    it is as full before the strangers come as it ever gets.
    """
    pushed = Attack(as_costly_as_is_taken, 0, frozenset({201}))
    return await _all(targets, [pushed] * count, min(at_once, 2), random.Random(seed))


async def neighbours(targets: Sequence[Target], count: int, at_once: int, seed: int) -> Told:
    """As many connections that behave: some requests with pauses, as a browser or a client does."""
    rng = random.Random(seed)
    behaved = Attack(well_behaved, 0, frozenset({200}))
    return await _all(targets, [behaved] * count, at_once, rng)


async def well_behaved(stranger: Stranger) -> int:
    """Pull a manifest a few times over one connection that is kept a while."""
    path = f"/v2/{stranger.target.repository}/manifests/{stranger.target.tag}"
    status = CLOSED
    for _ in range(3):
        await stranger.ask("GET", path)
        status = await stranger.status()
        if status != 200:
            break
        await stranger.hold(stranger.rng.uniform(0, _NEIGHBOUR_HOLDS_S / 3))
    return status


async def _all(
    targets: Sequence[Target], chosen: Sequence[Attack], at_once: int, rng: random.Random
) -> Told:
    told = Told()
    places = asyncio.Semaphore(at_once)
    async with asyncio.TaskGroup() as tasks:
        for number, attack in enumerate(chosen):
            await places.acquire()
            target, source = targets[number % len(targets)], ADDRESSES[number % len(ADDRESSES)]
            task = tasks.create_task(
                _one(told, attack, target, source, random.Random(rng.random()))
            )
            task.add_done_callback(lambda _: places.release())
    return told


async def _one(told: Told, attack: Attack, target: Target, source: str, rng: random.Random) -> None:
    async with connected(target, rng, source) as stranger:
        if stranger is None:
            told.refused += 1
            return
        status = await attack.run(stranger)
    told.answers[attack.name, status] += 1
    if status == SILENT or status not in attack.allowed:
        told.wrong[attack.name, status] += 1
