"""One run of one scenario: build, load, disturb, heal, ask, judge, take down."""

import asyncio
import random
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.faults.round_robin import round_robin
from tests.netfaults import agreement
from tests.netfaults.disturbances import Disturbances
from tests.netfaults.history import Op, write_history
from tests.netfaults.network import Network
from tests.netfaults.nodes import REGION_OF, REGIONS, Node
from tests.netfaults.rules import Rules, Violation
from tests.netfaults.scenarios import SCENARIOS, Stage
from tests.netfaults.workload import Journey, Workload


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
    converged_s: float | None = None
    acknowledged: int = 0
    unknown: int = 0
    took_effect: int = 0
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
        nodes = {
            name: Node(name=name, network=network, data_dir=self.directory / name)
            for name in REGION_OF
        }
        try:
            for node in nodes.values():
                node.start()
            yield nodes
        finally:
            for node in nodes.values():
                if node.is_running:
                    node.kill()

    async def _work(
        self, network: Network, nodes: dict[str, Node]
    ) -> tuple[Result, list[Violation]]:
        began = time.monotonic()

        def now() -> float:
            return time.monotonic() - began

        scenario, disturbances = SCENARIOS[self.scenario], Disturbances()
        stage = Stage(
            nodes=nodes,
            network=network,
            disturbances=disturbances,
            now=now,
            rng=random.Random(self.seed),
        )
        journey = Journey({node.http: name for name, node in nodes.items()})
        async with AsyncExitStack() as stack:
            proxies = {}
            for region, names in REGIONS.items():
                backends = [nodes[name].http for name in names]
                proxy = await stack.enter_async_context(round_robin(backends, tell=journey.note))
                proxies[region] = proxy.address
            work = Workload(proxies, journey, now, self.seed)
            async with asyncio.TaskGroup() as group:
                group.create_task(work.run(self.duration_s, self.rate))
                group.create_task(scenario.run(stage, self.duration_s))
        async with agreement.reader() as session:
            reading = agreement.Nodes(session, {name: n.http for name, n in nodes.items()})
            agreed = await agreement.converge(reading, now)
            for node in nodes.values():
                await node.wait_ready()
            lost, took_effect = await agreement.contents(reading, work.history, work.images)
        for node in nodes.values():
            node.check_running()
        rules = Rules(work.history, disturbances)
        violations = [
            *lost,
            *rules.reads(),
            *rules.answers(),
            *rules.final_tags(agreed.tags),
            *_disagreement(agreed),
        ]
        write_history(self.directory / "history.jsonl", work.history)
        return self._result(work.history, disturbances, agreed, took_effect, violations), violations

    def _result(
        self,
        history: list[Op],
        disturbances: Disturbances,
        agreed: agreement.Agreement,
        took_effect: int,
        violations: list[Violation],
    ) -> Result:
        pushes = [op for op in history if op.kind == "push"]
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
            faults=len(disturbances.all),
            converged_s=agreed.seconds,
            acknowledged=sum(op.outcome == "ok" for op in pushes),
            unknown=sum(op.outcome == "unknown" for op in pushes),
            took_effect=took_effect,
            violations=dict(Counter(violation.rule for violation in violations)),
        )


def _disagreement(agreed: agreement.Agreement) -> list[Violation]:
    if agreed.seconds is not None:
        return []
    text = "; ".join(agreed.differences[:5])
    return [Violation("the nodes do not agree", (), text)]


@contextmanager
def _network() -> Iterator[Network]:
    network = Network(REGION_OF)
    try:
        yield network
    finally:
        network.close()
