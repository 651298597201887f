"""One seed's machines, and the network between them."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from cluster.layout.transition import Live
from cluster.model import NodeId
from tests.control.loop import Loop
from tests.freshness.layouts import layout
from tests.freshness.machine import Machine
from tests.freshness.oracles import Oracles
from tests.freshness.process import Process, Refused


class World:
    def __init__(
        self,
        loop: Loop,
        regions: Mapping[str, Sequence[str]],
        copies: int,
        spare: Mapping[str, str],
        trust_s: float,
    ) -> None:
        """*spare* are nodes that are no members at first: their regions."""
        self.loop = loop
        self.random = loop.random
        self.config = SimpleNamespace(
            lease_s=0.8, laggard_s=0.2, laggard_remote_s=1.0, dial_timeout_s=trust_s
        )
        self.copies = copies
        self.repair_s = 1.0
        self.note_late = True
        self.decided = [Live(layout(1, regions, copies))]
        self.oracles = Oracles(self)
        self.loss = self.slow = self.late = self.duplication = 0.0
        self.cuts: Counter[tuple[str, str]] = Counter()
        """Directions in which nothing passes, and by how many faults."""

        self.minorities: list[tuple[frozenset[str], float]] = []
        """Who is cut off from all others, and since when."""

        self._epoch = 0
        places = {node: region for region, nodes in regions.items() for node in nodes} | spare
        self.machines = {
            NodeId(node): Machine(self, node, region, self._rate())
            for node, region in places.items()
        }

    @property
    def now(self) -> float:
        return self.loop.now

    def count(self, what: str) -> None:
        self.oracles.counts[what] += 1

    @property
    def counts(self) -> Counter[str]:
        return self.oracles.counts

    def _rate(self) -> float:
        """Two clocks differ by less than `DRIFT`, and by nearly that in many worlds."""
        return self.random.choice([1.0, 1.049, self.random.uniform(1.0, 1.049)])

    def next_epoch(self) -> int:
        self._epoch += 1
        return self._epoch

    def others(self, machine: Machine) -> Iterator[Machine]:
        yield from (other for other in self.machines.values() if other is not machine)

    # The network.

    def ask(
        self, sender: Process, to: NodeId, asked: Callable[[Process], Any],
        answered: Callable[[Any], None],
    ) -> None:  # fmt: skip
        """Ask the run at *to* something that it answers at once."""
        self.call(sender, to, lambda there, reply: reply(asked(there)), answered)

    def call(
        self, sender: Process, to: NodeId,
        asked: Callable[[Process, Callable[[Any], None]], None],
        answered: Callable[[Any], None],
    ) -> None:  # fmt: skip
        """
        Ask whichever run there is at *to* by then. The answer comes to *sender*, if it still runs.

        Nothing keeps requests and answers in order, or apart from those of another run: there are
        several connections between two nodes, and a channel connects again by itself.
        """
        target, home = self.machines[to], sender.machine

        def ask() -> None:
            there = target.process
            if there is not None:
                asked(there, lambda answer: self._carry(to, home.node, sender, answered, answer))

        self._pass(home.node, to, lambda: self._when_awake(target, ask))

    def _carry(
        self, frm: NodeId, to: NodeId, run: Process, answered: Callable[[Any], None], answer: Any
    ) -> None:
        def come() -> None:
            if not run.is_over:
                guarded(lambda: answered(answer))

        self._pass(frm, to, lambda: self._when_awake(run.machine, come))

    def _when_awake(self, machine: Machine, act: Callable[[], None]) -> None:
        rest = machine.frozen_until - self.now
        if rest > 0:
            self.loop.after(rest + self.random.uniform(0, 0.02), self._when_awake, machine, act)
        else:
            guarded(act)

    def _pass(self, frm: NodeId, to: NodeId, arrive: Callable[[], None]) -> None:
        if self.random.random() < self.loss:
            return
        times = 2 if self.random.random() < self.duplication else 1
        for _ in range(times):
            self.loop.after(self._delay(frm, to), self._arrive, frm, to, arrive)

    def _arrive(self, frm: NodeId, to: NodeId, arrive: Callable[[], None]) -> None:
        if not self.cuts[frm, to]:
            arrive()

    def _delay(self, frm: NodeId, to: NodeId) -> float:
        far = self.machines[frm].region != self.machines[to].region
        base = self.random.uniform(0.02, 0.06) if far else self.random.uniform(0.0003, 0.004)
        if self.late and self.random.random() < self.late:
            return self.random.uniform(1, 5)
        if self.random.random() < self.slow:
            return base + self.random.choice([0.03, 0.15, 0.5]) * self.random.uniform(0.5, 2)
        return base


def guarded(act: Callable[[], None]) -> None:
    try:
        act()
    except Refused:
        return
