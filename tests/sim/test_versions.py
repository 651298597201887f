"""Whole nodes of different versions in one cluster."""

import asyncio
from typing import Any

import pytest

from cluster.errors import EventUndecodable
from cluster.model import FEATURES, RETIRED_LOGS, WHO, Event, Kind
from cluster.objects import Body, Hold
from node.index import journal, objects
from node.index.journal import Transaction
from tests.sim import clients
from tests.sim.history import Op
from tests.sim.machine import Machine, QuietLog, Running
from tests.sim.plan import Plan
from tests.sim.simulation import simulate
from tests.sim.world import World
from tests.unit.index.test_quarantined_events import MUTANTS

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


def test_nobody_is_named_in_an_event_until_the_last_node_is_upgraded(
    monkeypatch: pytest.MonkeyPatch,
):
    """
    Broken: n2 cannot read what the others write, or what they decide about the layout, and its
    index is another one.
    """
    start, asked_by = Machine.start, journal.asked_by
    features: dict[str, tuple[str, ...]] = {}
    named: dict[bool, set[bool]] = {False: set(), True: set()}

    def start_as_some_version(self: Machine) -> None:
        old = self.name == OLD and not self.incarnations
        self.features = features[self.name] = (RETIRED_LOGS,) if old else FEATURES
        start(self)

    def note(body: Body, who: str) -> Body:
        if not isinstance(body, Hold):
            named[WHO in features[OLD]].add(bool(who))
        return asked_by(body, who)

    monkeypatch.setattr(Machine, "start", start_as_some_version)
    monkeypatch.setattr(journal, "asked_by", note)
    upgrade = {"do": "kill", "node": 2, "at": 6.0, "for": 4.0, "salt": 2}
    plan = Plan("1", NODES, [upgrade, *(push(1.5 * n, n) for n in range(12))], work_s=20.0)
    assert simulate(plan).violations == []
    assert named[False] == {False}
    assert True in named[True]


def uses(world: World) -> list[bool]:
    running = [machine.running for machine in world.machines]
    return [each.cluster.uses("signed") for each in running if each is not None]


def test_no_client_comes_to_a_node_of_an_earlier_version(monkeypatch: pytest.MonkeyPatch):
    """
    Broken: a push whose blobs wait for a paused node comes to one that became older meanwhile, and
    is told that they are not there.
    """
    put, asked = clients._WORK["push"], set[str]()

    async def note_and_put(running: Running, op: Op) -> None:
        asked.add(op.machine)
        await put(running, op)

    monkeypatch.setitem(clients._WORK, "push", note_and_put)
    faults = [
        {"do": "pause", "node": 0, "at": 3.0, "for": 5.0, "salt": 0},
        {"do": "older", "node": 1, "at": 4.0, "for": 8.0, "salt": 0},
    ]
    # Its blobs go to n0, and its manifest to n1.
    result = simulate(Plan("1", NODES, [*faults, push(3.5, 1)], work_s=20.0))
    assert asked == set()
    assert "refused connection refused" in result.history[0]
    assert result.violations == []


class EarlierVersion:
    """n2 cannot read pushes until its first restart; whatever the others do, they can."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.kept: list[int] = [0]
        """How many events n2 had in quarantine, each time that it was looked at."""
        self.complaints: list[str] = []
        """What the nodes logged of each other's rows."""
        self._runs = 0
        start, merge, main, warn = Machine.start, objects._merge, World.main, QuietLog.warning

        def start_and_count(machine: Machine) -> None:
            self._runs += machine.name == OLD
            start(machine)

        def merge_as_that_version(txn: Transaction, event: Event) -> None:
            if txn.origin.node == OLD and self._runs == 1 and event.kind == Kind.ADD:
                raise EventUndecodable(event.dot, "unknown kind")
            merge(txn, event)

        async def main_and_look(world: World) -> None:
            looking = world.loop.create_task(self._look(world))
            await main(world)
            looking.cancel()

        def listen(log: QuietLog, event: str, **fields: object) -> None:
            if "rows" in event:
                self.complaints.append(event)
            warn(log, event, **fields)

        monkeypatch.setattr(Machine, "start", start_and_count)
        monkeypatch.setattr(objects, "_merge", merge_as_that_version)
        monkeypatch.setattr(World, "main", main_and_look)
        monkeypatch.setattr(QuietLog, "warning", listen)

    async def _look(self, world: World) -> None:
        while True:
            await asyncio.sleep(0.25)
            [old] = [machine for machine in world.machines if machine.name == OLD]
            if old.running is not None:
                self.kept.append(old.running.index.replica.quarantined())


POISON = {"do": "poison", "node": 0, "at": 4.5, "for": 1.0, "salt": 1}
"""An event that no version can apply, for one reason or another."""


def story_of_an_upgrade(*more: dict[str, Any]) -> Plan:
    """Pushes that n2 cannot read, and deletions of them that it can; then it is upgraded."""
    pushes = [push(0.5 + n, 7 * n) for n in range(6)]
    deletes = [
        {**push(3.0 + n, 7 * n), "do": kind}
        for n, kind in enumerate(("delete_manifest", "delete_tag", "delete_manifest"))
    ]
    upgrade = {"do": "kill", "node": 2, "at": 14.0, "for": 1.0, "salt": 1}
    trimmed = {"trim_interval_s": 1.0, "log_settled_s": 1.0, "log_away_s": 60.0}
    tuning = {**trimmed, "compare_interval_s": 1.0}
    return Plan("1", NODES, [*pushes, *deletes, *more, upgrade], work_s=20.0, tuning=tuning)


@pytest.mark.parametrize("more", [(), (POISON,)], ids=["", "poison"])
def test_what_a_node_could_not_read_it_applies_once_it_is_upgraded(
    monkeypatch: pytest.MonkeyPatch, more: tuple[dict[str, Any], ...]
):
    """Meanwhile nobody takes its rows, or its neighbours', for damaged."""
    version = EarlierVersion(monkeypatch)
    result = simulate(story_of_an_upgrade(*more))
    assert result.violations == []
    assert result.converged_s is not None
    assert max(version.kept) > 6, "it kept what it could not read"
    assert version.kept[-1] == len(more)
    assert version.complaints == []


@pytest.mark.parametrize("bug", sorted(MUTANTS.keys() - {"not in checkpoints"}))
def test_a_cluster_of_two_versions_notices_each_of_these_bugs(
    monkeypatch: pytest.MonkeyPatch, bug: str
):
    version = EarlierVersion(monkeypatch)
    mutant, _ = MUTANTS[bug]
    with mutant:
        result = simulate(story_of_an_upgrade(POISON))
    assert result.violations or version.complaints
