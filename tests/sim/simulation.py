"""Runs a plan in a world of its own, and says what it showed."""

import gc
import sys
import warnings
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from cluster.errors import EventUndecodable
from cluster.model import Event
from cluster.objects.events import Body, decode_body
from node.identity import authority, signatures
from node.identity import secrets as names
from node.index import history, objects, replica
from tests.sim import checker
from tests.sim.excuses import Excused
from tests.sim.identity.rooms import SeededSecrets
from tests.sim.loop import PROCESS, Deadlock
from tests.sim.plan import Plan
from tests.sim.world import World


@dataclass
class Result:
    """What one simulation showed."""

    seed: str
    violations: list[str] = field(default_factory=list)
    operations: int = 0
    acknowledged: int = 0
    alone: int = 0
    """Acknowledged with fewer than `copies` disks, as the others of a small cluster were away."""

    missing: int = 0
    refused: int = 0
    """Answered that nothing has changed, or that there is no answer now."""

    failed: int = 0
    converged_s: float | None = None
    simulated_s: float = 0.0

    handles: int = 0
    trace: int = 0
    met: Counter[tuple[str, str]] = field(default_factory=Counter)
    access: Counter[str] = field(default_factory=Counter)
    """What was asked about accounts, by kind and outcome, and the decisions that were compared."""
    excused: Excused = field(default_factory=Excused)
    recalled: int = 0
    """Reads that could have been answered from memory."""
    history: list[str] = field(default_factory=list)


def simulate(plan: Plan) -> Result:
    """Run *plan* and check it."""
    # Collected while it runs, a dropped coroutine would act at a moment that no seed decides.
    gc.collect()
    gc.disable()
    mishaps: list[str] = []
    hook, sys.unraisablehook = sys.unraisablehook, lambda it: mishaps.append(_unraisable(it))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            # Only the text: a warning that is kept keeps what it is about, and with it the world.
            warnings.showwarning = lambda message, category, *_, **__: mishaps.append(
                f"{category.__name__}: {message}"
            )
            world, result = World(plan), Result(plan.seed)
            with (
                patch.object(history, "KEPT_MAX", plan.history_max),
                patch.object(objects, "decode_body", _decode_as_its_version),
                patch.object(replica, "decode_body", _decode_as_its_version),
                _accounts(plan),
            ):
                _run(world, result)
            # What was dropped on the way is collected while all that goes on is held.
            gc.collect()
            result.violations += [f"mishap: {text}" for text in dict.fromkeys(mishaps)]
            # What is collected now runs its `finally` blocks in a world that is over, on fenced
            # stores: what those blocks complain of says nothing.
            world.loop.let_go()
            del world
            gc.collect()
    finally:
        sys.unraisablehook = hook
        gc.enable()
    return result


def _accounts(plan: Plan) -> ExitStack:
    """What accounts take from chance and from time is the plan's."""
    stack = ExitStack()
    if plan.identity:
        seeded = SeededSecrets(plan.seed)
        for owner in (signatures, names):
            stack.enter_context(patch.object(owner, "secrets", seeded))
        stack.enter_context(patch.object(authority, "LOOK_S", LOOK_S))
    return stack


LOOK_S = 0.5
"""Between two looks at which voters are connected, where the bound is of seconds."""


def _decode_as_its_version(event: Event) -> Body:
    """What a process of an earlier version makes of an event: not all of them mean something."""
    process = PROCESS.get()
    if process is not None and event.kind in process.cannot_read:
        raise EventUndecodable(event.dot, f"unknown kind {event.kind!r}")
    return decode_body(event)


def _unraisable(it: Any) -> str:
    """What could not be raised, for want of somebody to raise it to."""
    return f"{it.err_msg or 'ignored'}: {it.object!r}: {it.exc_value!r}"


def _run(world: World, result: Result) -> None:
    try:
        world.loop.run(world.main())
        result.violations += world.loop.run(checker.check(world))
    except Deadlock:
        result.violations.append("deadlock: nothing is left to happen")
    result.violations += checker.bugs(world)
    _fill(result, world)
    for machine in world.everyone():
        machine.kill()


def _fill(result: Result, world: World) -> None:
    ops = world.clients.history
    outcomes = Counter(op.outcome for op in ops)
    result.operations = len(ops)
    result.acknowledged = outcomes["ok"]
    result.missing, result.refused = outcomes["missing"], outcomes["refused"]
    result.failed = outcomes["failed"]
    result.alone = sum(len(op.holders) < world.plan.copies for op in ops if op.holders)
    result.converged_s = world.converged_s
    result.simulated_s = world.loop.time()
    result.handles = world.loop.handles_run
    result.trace = world.network.crc
    result.met = +world.met_pairs
    world.excused.note("open for ever", result.failed)
    result.excused = world.excused
    result.access = world.people.judge.counts
    result.recalled = len(world.clients.recalled)
    result.history = [str(op) for op in ops]
