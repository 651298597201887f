"""One run of one scenario: build, load, disturb, heal, ask, judge, take down."""

import asyncio
import random
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from cluster.config import ClusterConfig
from tests.e2e.small_disk import small_disk
from tests.faults.round_robin import round_robin
from tests.netfaults import agreement, operators
from tests.netfaults.causes import Period, explained, is_strict, over_at, strict_s
from tests.netfaults.disks import check_disks
from tests.netfaults.disturbances import Disturbances
from tests.netfaults.evidence import Evidence
from tests.netfaults.history import PULLS
from tests.netfaults.lateness import Lateness
from tests.netfaults.marks import phases
from tests.netfaults.network import Network
from tests.netfaults.nodes import REGION_OF, REGIONS, Node
from tests.netfaults.rules import MARKED
from tests.netfaults.scenarios import SCENARIOS, SMALL_DISK_BYTES, Scenario, Stage
from tests.netfaults.violation import Violation
from tests.netfaults.workload import Journey, Workload

EVIDENCE = "evidence.jsonl"
"""File in a run's directory: what it is judged by."""

_REPAIR_S = ClusterConfig().repair_pause_s + 1.0
"""How long after a member is back the others make the copies that blobs lack. Nodes are stopped one
after another, and a copy that is made meanwhile is in no index of those that went first."""


@dataclass(kw_only=True)
class Result:
    """What one run showed."""

    scenario: str
    seed: int
    duration_s: float
    operations: dict[str, int] = field(default_factory=dict)
    """By kind and outcome: `push ok`."""

    failures: dict[str, int] = field(default_factory=dict)
    """Answers that were no success, by kind, status and code."""

    faults: int = 0
    changed: int = 0
    """Layouts that operators brought about."""

    strict_s: float = 0.0
    """Seconds of load in which no fault could excuse a failure at any node."""

    strict_operations: int = 0
    """Operations that no fault could have excused, had they failed."""

    bodies: int = 0
    """Manifests and blobs that were pulled and hashed."""

    blobs: int = 0
    """The blobs among them."""

    deleted: int = 0
    """Manifests whose deletion was acknowledged."""

    converged_s: float | None = None
    """From the last heal until all five nodes had said the same; None: not in time."""

    identical_s: float | None = None
    """Until besides none had an event that another one lacked; None: not in time."""

    waited_for: str = ""
    """Why they had not, the last time that it was not so."""

    late_s: float = 0.0
    """How late the timers of the runner were, at worst: how busy the machine was."""

    acknowledged: int = 0
    unknown: int = 0
    took_effect: int = 0
    excused: dict[str, int] = field(default_factory=dict)
    """Answers that were no success, by status and what explains them."""

    unconfirmed: dict[str, int] = field(default_factory=dict)
    """Reads marked so, by the phase of the fault: see `marks`."""

    stale_marked: int = 0
    """Those of them that were older than their region's last write."""

    violations: dict[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        return asdict(self)


@dataclass(kw_only=True)
class Run:
    """The parameters of one run, and where it works."""

    scenario: str
    seed: int
    duration_s: float
    rate: float
    """Operations a second, of all clients together."""

    directory: Path

    async def carry_out(self) -> tuple[Result, list[Violation]]:
        """
        Do it. On return, and on any exception, no process of it is left.

        Raises:
            ProcessFailed: a node ended by itself, or did not start.
        """
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        with _network() as network, self._nodes(network) as nodes:
            await asyncio.gather(*(node.wait_ready() for node in nodes.values()))
            return await self._work(network, nodes)

    @contextmanager
    def _nodes(self, network: Network) -> Iterator[dict[str, Node]]:
        scenario = SCENARIOS[self.scenario]
        with ExitStack() as stack:
            nodes = {}
            for name in REGION_OF:
                nodes[name] = node = Node(
                    name=name,
                    network=network,
                    directory=self.directory,
                    fake_clock=scenario.fake_clocks,
                    options=scenario.options,
                )
                if scenario.small_disks:
                    node.disk = stack.enter_context(small_disk(node.data_dir, SMALL_DISK_BYTES))
                stack.callback(node.end)
                node.start()
            yield nodes

    async def _work(
        self, network: Network, nodes: dict[str, Node]
    ) -> tuple[Result, list[Violation]]:
        began = time.monotonic()

        def now() -> float:
            return time.monotonic() - began

        stage = Stage(
            nodes=nodes,
            network=network,
            disturbances=Disturbances(),
            now=now,
            rng=random.Random(self.seed),
            lateness=Lateness(now),
        )
        async with agreement.reader() as session, asyncio.TaskGroup() as group:
            watching = group.create_task(stage.lateness.watch())
            reading = agreement.Nodes(session, {name: n.http for name, n in nodes.items()})
            load = await self._load(stage, reading)
            agreed = await agreement.converge(reading, now, load.periods[-1][1])
            for node in nodes.values():
                await node.wait_ready()
            contents = await agreement.contents(reading, load.work.history, load.work.images)
            await stage.until(max(map(over_at, stage.disturbances)) + _REPAIR_S)
            restless = await agreement.quiet(reading)
            restless += await operators.disagreement(nodes, now)
            watching.cancel()
        for node in nodes.values():
            node.check_running()
            await asyncio.to_thread(node.stop)
        evidence = Evidence(
            load.work.history, stage.disturbances, agreed.tags, contents.manifests, stage.lateness
        )
        evidence.save(self.directory / EVIDENCE)
        found = [
            *contents.violations,
            *restless,
            *evidence.judge(),
            *_disagreement(load.healed),
            *_disagreement(agreed),
            *_idle(stage, SCENARIOS[self.scenario]),
            *check_disks({name: node.data_dir for name, node in nodes.items()}),
        ]
        violations = [each for each in found if each.rule != MARKED]
        result = self._result(evidence, load, violations)
        return replace(
            result,
            changed=stage.changed,
            took_effect=contents.took_effect,
            stale_marked=len(found) - len(violations),
        ), violations

    async def _load(self, stage: Stage, reading: agreement.Nodes) -> "_Load":
        """
        Clients and faults at once; then, from the last heal on, the time until all nodes are the
        same; then clients alone, whom nothing may disturb any more.
        """
        nodes = stage.nodes
        journey = Journey({node.http: name for name, node in nodes.items()})
        plan = SCENARIOS[self.scenario].plan(stage.rng, self.duration_s)
        async with AsyncExitStack() as stack:
            proxies = {}
            for region, names in REGIONS.items():
                backends = [nodes[name].http for name in names]
                proxy = await stack.enter_async_context(round_robin(backends, tell=journey.note))
                proxies[region] = proxy.address
            addresses = {name: node.http for name, node in nodes.items()}
            work = Workload(proxies, addresses, journey, stage.now, self.seed)
            disturbed_s = self.duration_s - plan.tail_s
            async with asyncio.TaskGroup() as group:
                group.create_task(work.run(disturbed_s, self.rate))
                await SCENARIOS[self.scenario].run(stage, plan.slots, group)
                last = max(fault.end for fault in stage.disturbances)
                # Measured from the heal, while the last answers may still be on their way.
                healed = await agreement.converge(reading, stage.now, last)
            again = stage.now()
            await work.run(again + plan.tail_s, self.rate)
        return _Load(work, healed, ((0.0, disturbed_s), (again, again + plan.tail_s)))

    def _result(self, evidence: Evidence, load: "_Load", violations: list[Violation]) -> Result:
        history, disturbances, healed = evidence.history, evidence.disturbances, load.healed
        pushes = [op for op in history if op.kind == "push"]
        last = max(each.end for each in disturbances)
        return Result(
            scenario=self.scenario,
            seed=self.seed,
            duration_s=self.duration_s,
            operations=dict(Counter(f"{op.kind} {op.outcome}" for op in history)),
            failures=dict(
                Counter(
                    f"{op.kind} {op.status} {op.code or op.why}".strip()
                    for op in history
                    if op.outcome in ("unknown", "refused")
                )
            ),
            excused=dict(
                Counter(
                    f"{op.status or 'no answer'}: {told}"
                    for op, told in explained(history, disturbances)
                    if told
                )
            ),
            unconfirmed=dict(phases(history, disturbances)),
            faults=len(disturbances.all),
            strict_s=strict_s(disturbances, load.periods),
            strict_operations=sum(is_strict(op, disturbances) for op in history),
            bodies=sum(op.kind in PULLS and op.outcome == "ok" for op in history),
            blobs=sum(op.kind == "pull_blob" and op.outcome == "ok" for op in history),
            deleted=sum(op.kind == "delete_digest" and op.outcome == "ok" for op in history),
            converged_s=None if healed.at is None else healed.at - last,
            identical_s=None if healed.identical_at is None else healed.identical_at - last,
            waited_for=healed.waited_for,
            late_s=evidence.lateness.worst_s,
            acknowledged=sum(op.outcome == "ok" for op in pushes),
            unknown=sum(op.outcome == "unknown" for op in pushes),
            violations=dict(Counter(violation.rule for violation in violations)),
        )


class _Load(NamedTuple):
    """What the clients did, and when."""

    work: Workload
    healed: agreement.Agreement
    periods: tuple[Period, Period]


def _idle(stage: Stage, scenario: Scenario) -> list[Violation]:
    """Operators who changed nothing have shown nothing."""
    if scenario.operators and not stage.changed:
        return [Violation("no layout was changed", (), "operators asked in vain all the while")]
    return []


def _disagreement(agreed: agreement.Agreement) -> list[Violation]:
    if agreed.identical_at is not None:
        return []
    return [Violation("the nodes are not the same in time", (), agreed.waited_for)]


@contextmanager
def _network() -> Iterator[Network]:
    network = Network(REGION_OF)
    try:
        yield network
    finally:
        network.close()
