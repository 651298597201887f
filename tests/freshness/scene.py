"""A world for directed scenarios: good weather, clocks that agree, and a hand on every message."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from cluster.model import NodeId, Origin
from tests.control.loop import Loop
from tests.freshness.machine import Machine
from tests.freshness.plan import SIZES
from tests.freshness.world import World

FOR_EVER: Final = 1000.0


class Scene(World):
    """A world with good weather, whose clocks agree."""

    def __init__(
        self, size: str, trust_s: float = FOR_EVER, rates: Mapping[str, float] | None = None
    ) -> None:
        regions, copies, spare = SIZES[size]
        super().__init__(Loop(1), regions, copies, spare, trust_s)
        self.repair_s = 30.0
        self.note_late = False
        self.held: list[Callable[[], None]] = []
        self.holds: set[tuple[str, str]] = set()
        """Directions in which messages wait until `release`."""

        for machine in self.machines.values():
            machine.rate = (rates or {}).get(machine.node, 1.0)
            machine.start()
        self.wait(4.5)

    def _arrive(self, frm: NodeId, to: NodeId, arrive: Callable[[], None]) -> None:
        if (frm, to) in self.holds:
            self.held.append(arrive)
        else:
            super()._arrive(frm, to, arrive)

    def release(self) -> None:
        self.holds.clear()
        held, self.held = self.held, []
        for arrive in held:
            arrive()

    def nodes(self, names: str) -> list[Machine]:
        return [self.machines[NodeId(name)] for name in names.split()]

    def cut(self, *pairs: str) -> None:
        """Two letters are two nodes that are cut from each other."""
        for one, other in pairs:
            self.cuts[one, other] += 1
            self.cuts[other, one] += 1

    def heal(self, *pairs: str) -> None:
        for one, other in pairs:
            self.cuts[one, other] -= 1
            self.cuts[other, one] -= 1

    def wait(self, seconds: float) -> None:
        self.loop.run_until(self.now + seconds)

    def wait_until(self, is_so: Callable[[], bool], at_most_s: float = 10.0) -> None:
        end = self.now + at_most_s
        while not is_so():
            assert self.now < end, "it never comes to that"
            self.wait(0.0005)

    def read(self, reader: Machine, seconds: float = 4.0) -> None:
        """Let *reader* read for a while."""
        end = self.now + seconds
        while self.now < end:
            assert reader.process is not None
            reader.process.read()
            self.wait(0.02)

    def is_live(self, *machines: Machine) -> None:
        """Return if reads of *machines* ask nobody, and their writes are acknowledged."""
        for machine in machines:
            process = run_of(machine)
            if not process.driver.is_covered():
                self.oracles.fail("I5", f"{machine.node}: {process.driver.why_uncovered()}")
            process.write()
        self.wait(2.0)
        for machine in machines:
            if run_of(machine).open:
                self.oracles.fail("I5", f"{machine.node} acknowledges nothing")


def run_of(machine: Machine) -> Any:
    """The run of a machine that is up."""
    assert machine.process is not None
    return machine.process


def acknowledged_by(world: Scene, writer: Machine, count: int = 1) -> None:
    before = world.counts["acknowledgements"]
    for _ in range(count):
        run_of(writer).write()
    world.wait_until(lambda: world.counts["acknowledgements"] == before + count)


def was_asked(asking: Machine, other: Machine) -> Callable[[], bool]:
    return lambda: other.disk in run_of(asking).driver._machine._disk._asked


def held_of_an_earlier_run(world: Scene, one: Machine, other: Machine) -> list[Callable[[], None]]:
    """Restart *one*; what the run before sent to *other* is still under way."""
    world.holds = {(one.node, other.node)}
    world.wait(0.3)
    one.kill()
    world.holds = set()
    held, world.held = world.held, []
    one.start()
    world.wait(1.5)
    return held


def greet(asking: Machine, other: Machine) -> None:
    """One greeting and its answer get through, whatever is cut."""
    run, asked_at = run_of(asking), asking.clock()
    question = run._greeting(brief=False)
    run._on_answer(other.node, question, run_of(other).on_hello(question), asked_at)


def synced_unnoted(world: Scene) -> Origin:
    """
    c is cut off, and then a and b have the first event of a's log on their disks, and have yet to
    note it. Returns the log.
    """
    a, b = world.nodes("a b")
    origin: Origin = run_of(a).origin
    world.cut("ac", "bc")
    world.wait(2.0)
    b.durable[origin] = a.durable[origin] = 1
    run_of(a).written = 1
    run_of(a).open.append((1, world.now))
    for machine in (a, b):
        world.oracles.synced(machine)
    return origin
