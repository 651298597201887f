"""Carries out a plan: starts the nodes, runs clients and faults, heals, waits, and looks."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass
from typing import Final

from cluster.config import ClusterConfig
from cluster.errors import BlobUnavailable
from cluster.layout.transition import Live
from cluster.model import Digest, Dot, Key, Kind, Origin, Vector
from node.index import objects
from tests.sim import checker, faults
from tests.sim.census import Census
from tests.sim.clients import Clients
from tests.sim.disk import Disk, synced_on
from tests.sim.excuses import Excused
from tests.sim.history import Link, Links, Op
from tests.sim.identity.people import People
from tests.sim.identity.plan import STEPS
from tests.sim.loop import SimLoop, SimTask
from tests.sim.machine import Machine, Running
from tests.sim.network import Network
from tests.sim.order import UNNOTICED_S
from tests.sim.plan import OPERATIONS, Plan, Step
from tests.sim.promptness import gave_up_early, prompt_s
from tests.sim.quorums import Quorums, keeping, store_of, taking
from tests.sim.watch import Observer

HEAL_S: Final = 30.0
"""Simulated seconds that the cluster has, once healed, to become identical."""

SYNC_S: Final = 0.5
"""After which what is in every index is on every disk."""

QUIET_S: Final = 12.0
"""After the last fault: time for restarts, dials, what had to be caught up, and lost calls."""

AROUND_S: Final = 0.5
"""How long an event may take to every node while nothing is wrong: several far round trips."""

SUPERVISOR_S: Final = 2.0
STEPS_S: Final = 20.0
"""How long the nodes have to begin their cluster before the first step."""


@dataclass(eq=False)
class Rage:
    """A fault that goes on, or whose consequences linger."""

    kind: str
    met: Counter[str]
    """Operations in the middle of which it fell, or that fell into it."""

    counts: bool = True
    """Whether what it is about came to pass, so that it has met them."""


class World:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.loop = SimLoop()
        self.network = Network(self.loop, plan.seed)
        self.excused = Excused()
        self.observer = Observer(self.everyone, self.lacks, self.excused)
        self.observer.holders = self._members_with
        self.machines: list[Machine] = []
        self.clones: list[Machine] = []
        self.departed: list[Machine] = []
        """Machines that have left for good."""
        self.joined: list[Machine] = []
        """Machines that came later."""
        self.snapshots: dict[int, Disk] = {}
        self.clients = Clients(self)
        self.people = People(self)
        self.census = Census(self)
        self.observer.counted_dead = self.census.counted_dead
        self.rages: list[Rage] = []
        """The faults that are going on now."""
        self.doubled: Counter[str] = Counter()
        """Names under which a copy runs beside its original, or in its place."""
        self.met_pairs: Counter[tuple[str, str]] = Counter()
        self.held_down: set[str] = set()
        """Addresses that a fault keeps from being restarted."""
        self.last_fault = 0.0
        self.faults_begun = 0
        self.slow: list[str] = []
        """Acknowledged writes that did not get around in time, though nothing was wrong."""
        self.healed_at: float | None = None
        self.converged_s: float | None = None
        self.quorums = Quorums(self)
        self.unlike: list[str] = []
        """What was not alike yet when it should have been."""

    # --- building --------------------------------------------------------------------------------

    def machine(self, name: str, region: str, address: str) -> Machine:
        seeds = tuple(f"{other}:1" for other, _ in self.plan.nodes[:3])
        machine = Machine(
            self.loop,
            self.network,
            self.observer,
            name=name,
            region=region,
            address=address,
            seeds=seeds,
            seed=self.plan.seed,
            config=ClusterConfig(
                seeds=seeds,
                copies=self.plan.copies,
                **{
                    "initial": tuple(name for name, _ in self.plan.nodes),
                    "open_joining": True,
                    **self.plan.tuning,
                },
            ),
        )
        machine.identity = self.plan.identity
        return machine

    async def main(self) -> None:
        for name, region in self.plan.nodes:
            self.machines.append(self.machine(name, region, f"{name}:1"))
            self.machines[-1].start()
        background = [
            self.loop.create_task(self._supervise(), name="supervisor"),
            self.loop.create_task(self.census.run(), name="census"),
        ]
        if self.plan.identity:
            background.append(self.loop.create_task(self.people.watch(), name="judge"))
        for task in background:
            task.add_done_callback(self._ended)
        await self.until(lambda: all(m.ready for m in self.machines), STEPS_S)
        begun = self.loop.time()
        clients, faulty = [], []
        for step in self.plan.steps:
            kind = clients if step["do"] in (*OPERATIONS, *STEPS) else faulty
            kind.append(self.loop.create_task(self._at(begun + step["at"], step)))
        await asyncio.sleep(self.plan.work_s)
        faults.heal_everything(self)
        self.healed_at = self.loop.time()
        # What an operator began before may be decided only now.
        await self.until(
            lambda: all(task.done() for task in faulty) and self._is_whole(clients), HEAL_S
        )
        if self._is_whole(clients):
            self.converged_s = self.loop.time() - self.healed_at
        else:
            self.unlike = list(checker.unlike(self))
        # Clients end by themselves: each has its patience.
        await asyncio.gather(*clients, *faulty)
        await asyncio.sleep(SYNC_S)
        for task in background:
            task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A look-out that fails sees nothing from then on, and the seed would seem to hold."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self.observer.violations.append(f"the {task.get_name()} ended by itself: {error!r}")

    async def _at(self, when: float, step: Step) -> None:
        await asyncio.sleep(max(0.0, when - self.loop.time()))
        if step["do"] in OPERATIONS:
            await self.clients.carry_out(step)
        elif step["do"] in STEPS:
            await self.people.carry_out(step)
        elif step["do"] == "policy":
            await self.clients.set_policy(step)
        elif self.healed_at is None:
            await faults.FAULTS_BY_NAME[step["do"]](self, step)

    async def until(self, condition: Callable[[], bool], patience_s: float) -> None:
        until = self.loop.time() + patience_s
        while not condition() and (rest_s := until - self.loop.time()) > 0:
            await asyncio.sleep(min(0.25, rest_s))

    async def _supervise(self) -> None:
        """Restart what ended by itself, and what says of itself that it is broken."""
        while True:
            await asyncio.sleep(SUPERVISOR_S)
            for machine in self.machines:
                running = machine.running
                if running is not None and running.writer.failed is not None:
                    machine.kill()
                if machine.running is None and machine.address not in self.held_down:
                    machine.start()

    def _is_whole(self, clients: list[SimTask]) -> bool:
        return all(task.done() for task in clients) and not self.waiting() and self.identical()

    def waiting(self) -> list[Op]:
        """What clients have not been told of yet."""
        return [op for op in self.clients.history if op.outcome == "unknown"]

    def identical(self) -> bool:
        # Who has just heard that it was removed ends in a moment, and comes back empty.
        if not all(m.ready and m.belongs for m in self.machines):
            return False
        first, *others = self.machines
        if any(checker.differences(first.disk, m.disk) for m in others):
            return False
        layouts = [m.running.cluster._env.chronicle for m in self.machines if m.running]
        alike = len({(c.stage, c.state.head) for c in layouts}) == 1
        return alike and not layouts[0].stage.joint

    # --- what clients and faults ask -------------------------------------------------------------

    @contextmanager
    def rage(self, kind: str, linger_s: float = 1.0) -> Iterator[Rage]:
        """A fault of *kind* goes on; its consequences linger a while."""
        rage = Rage(kind, Counter(op.kind for op in self.waiting()))
        self.rages.append(rage)
        self.faults_begun += 1
        self.last_fault = float("inf")
        try:
            yield rage
        finally:
            self.loop.call_later(linger_s, self._calm, rage)

    def _calm(self, rage: Rage) -> None:
        self.rages.remove(rage)
        if rage.counts:
            self.met_pairs.update({(rage.kind, kind): n for kind, n in rage.met.items()})
        if not self.rages:
            self.last_fault = self.loop.time()

    @property
    def raging(self) -> Counter[str]:
        """Faults that are going on now, by kind."""
        return Counter(rage.kind for rage in self.rages)

    def expect_everywhere(self, op: Op) -> None:
        """With nothing wrong, a write is acknowledged soon, and soon on every node."""
        allowed_s = prompt_s(op, self.machines[0].config)
        quiet_from = self.last_fault + QUIET_S
        if op.start <= quiet_from:
            self.excused.note("slow in trouble")
        elif op.end - op.start > allowed_s:
            self.slow.append(f"took longer than {allowed_s:.1f} s: {op}")
        if self.loop.time() > quiet_from:
            self._expect_around(op)

    def _expect_around(self, op: Op) -> None:
        self.loop.call_later(AROUND_S, self._look_everywhere, op, context=Context())

    def expect_an_answer(self, op: Op, disk: Disk) -> None:
        """
        With nothing wrong nobody is refused, but who names what is not there (`op.lacking`).

        Nor is, whatever is wrong, who reads a blob that is on a disk which could be asked; but what
        comes from there goes by the *disk* of the node that is asked for it.
        """
        quiet_from = self.last_fault + QUIET_S
        if op.start <= quiet_from:
            self.excused.note("refused in trouble")
        elif gave_up_early(op, self.machines[0].config):
            self.excused.note("gave up early")
            self._expect_around(op)
        elif not op.lacking:
            self.slow.append(f"refused while nothing is wrong: {op}")
        here = op.having & self.having(op) & op.connected
        unavailable = op.kind == "pull_blob" and op.error.startswith(BlobUnavailable.__name__)
        if unavailable and here and max(disk.full_at, disk.failed_at) >= op.start:
            self.excused.note("no room here")
        elif unavailable and here:
            self.slow.append(f"unavailable, and on {sorted(here)}: {op}")

    def having(self, op: Op) -> set[str]:
        """Addresses of the disks that have the blob that *op* reads, and have not failed since."""
        if op.kind != "pull_blob":
            return set()
        having = [m for m in self.everyone() if m.disk.counts(Digest(op.digest))]
        return {m.address for m in having if m.disk.failed_at < op.start and m.up}

    def _look_everywhere(self, op: Op) -> None:
        dot = op.dot
        if dot is None or self.last_fault > op.end or not all(m.ready for m in self.machines):
            return
        late = [m.address for m in self.machines if not has_durably(m, dot)]
        if late:
            self.slow.append(f"not around within {AROUND_S} s: {late} lack {op}")

    def lacks(self, machine: Machine, dot: Dot) -> bool:
        """Whether a power cut now would leave the machine without the event."""
        return not has_durably(machine, dot)

    def _members_with(self, dot: Dot) -> list[str]:
        """The machines that have the event on a disk that the layout names."""
        lives = [m.running.cluster._env.chronicle.live for m in self.machines if m.running]
        named = {disk.store for live in lives if live is not None for disk in live.members}
        return [
            m.address for m in self.machines if has_durably(m, dot) and store_of(m.disk) in named
        ]

    def known(self) -> Vector:
        """How far every log is known to anybody."""
        found: Counter[Origin] = Counter()
        for machine in self.machines:
            for origin, seq in machine.disk.vector().items():
                found[origin] = max(found[origin], seq)
        return found

    def met(self, op: Op) -> None:
        """Count the faults in the middle of which an operation begins."""
        for rage in self.rages:
            rage.met[op.kind] += 1

    def links(self, machine: Machine) -> Links:
        """
        The links of *machine* that work, and itself, by address.

        It says so of each, and the network lets messages through.
        """
        running = machine.running
        assert running is not None, "who does not run is asked nothing"
        members = {m.node: m.rpc for m in running.cluster._env.roll.others()}
        live = running.cluster._links.live()
        links = {members[link.node]: link for link in live if link.node in members}
        return {machine.address: Link(running, running.process)} | {
            m.address: Link(links[m.address], m.running.process)
            for m in self._reachable(machine)
            if m.address in links and m.running is not None
        }

    def living(self, running: Running) -> set[str]:
        """Whom this node takes for a member that lives, by address."""
        return {member.rpc for member in running.cluster._env.roll.living()}

    def keeping(self, running: Running) -> set[str]:
        """Whose copies of blobs count for this node, by address."""
        return self._stores(running, keeping)

    def taking(self, running: Running) -> set[str]:
        """Who may get copies of them, by address."""
        return self._stores(running, taking)

    def _stores(self, running: Running, which: Callable[[Live], set[str]]) -> set[str]:
        env = running.cluster._env
        known = {m.node: m.rpc for m in (env.me, *env.roll.others())}
        live = env.chronicle.live
        return set() if live is None else {known[n] for n in which(live) if n in known}

    def members(self, running: Running) -> int:
        """How many nodes belong to the cluster, by the layout that a node goes by."""
        live = running.cluster._env.chronicle.live
        return 0 if live is None else len(live.newest.stores())

    def sick(self, machine: Machine, since: float) -> Links:
        """Who could be reached by *machine*, and had a disk error after *since*."""
        return {
            m.address: Link(None, m.running.process)
            for m in self._reachable(machine)
            if m.disk.failed_at >= since and m.running is not None
        }

    def _reachable(self, machine: Machine) -> list[Machine]:
        return [
            m for m in self.everyone() if m.up and self.network.is_open(machine.address, m.address)
        ]

    def durable(self) -> dict[str, Vector]:
        """How far each running machine durably has every log, by address."""
        running = {m.address: m.running for m in self.everyone() if m.running is not None}
        return {address: each.index.journal.durable for address, each in running.items()}

    def everyone(self) -> list[Machine]:
        return [*self.machines, *self.clones]

    def victim(self, number: int) -> Machine:
        """The machine that a plan calls by its number, or the next one if that has left."""
        count = len(self.plan.nodes)
        names = [self.plan.nodes[(number + more) % count][0] for more in range(count)]
        present = {machine.name: machine for machine in self.machines}
        return next(present[name] for name in names if name in present)

    def note_holders(self, op: Op) -> None:
        """At an acknowledgement: whose disk has the write, and its blobs."""
        dot = op.dot
        if dot is not None:
            op.holders = self._holding(op, lambda disk: synced_on(disk, dot))
            disks = [d for m in [*self.everyone(), *self.departed] for d in _disks(m, op)]
            self.quorums.judge(op, [disk for disk in disks if synced_on(disk, dot)])
        if op.puts:
            op.blob_holders = [
                self._holding(op, lambda disk, digest=digest: disk.counts(digest))
                for digest, _ in op.blobs
            ]
            op.without = [address for child in op.children for address in self._without(op, child)]

    def _without(self, op: Op, child: str) -> list[str]:
        """Which holders of an image index have no push of a manifest that it lists."""
        key = Key(objects.MANIFEST, op.repo, child)
        events = self.observer.events.values()
        dots = [e.dot for e in events if e.key == key and e.kind == Kind.ADD]
        having = self._holding(op, lambda disk: any(synced_on(disk, dot) for dot in dots))
        return sorted(set(op.holders) - set(having))

    def _holding(self, op: Op, has: Callable[[Disk], bool]) -> list[str]:
        found = []
        for machine in [*self.everyone(), *self.departed]:
            disks = _disks(machine, op)
            if any(map(has, disks)):
                found.append(machine.address)
                if not has(machine.disk):
                    self.excused.note("disk just lost")
        return found

    def lost(self, since: float) -> set[str]:
        """Addresses whose disk was destroyed after *since*, or has left with its machine."""
        machines = [*self.everyone(), *self.departed]
        return {m.address for m in machines if m.lost_disk[1] and m.lost_disk[0] > since}


def _disks(machine: Machine, op: Op) -> Iterable[Disk]:
    """
    The disks that count as the machine's while *op* is acknowledged.

    One that was destroyed a moment ago is among them: it may have confirmed the write, and nobody
    can know yet that it is no more.
    """
    lost_at, lost = machine.lost_disk
    if machine.disk is not lost:
        yield machine.disk
    if lost is not None and lost_at > op.start - UNNOTICED_S:
        yield lost


def has_durably(machine: Machine, dot: Dot) -> bool:
    """Whether the machine's disk has the event, so that a power cut would leave it there."""
    return synced_on(machine.disk, dot)
