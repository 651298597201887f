"""
One simulated machine: a disk, a wall clock, and at most one running process of the real code.
"""

import asyncio
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any

from cluster.agent import Cluster
from cluster.clock import COUNTER_BITS, HybridClock
from cluster.config import ClusterConfig
from cluster.errors import EventUndecodable, JoinRefused
from cluster.events import Add, Remove, Withdraw, Write, decode_body, decode_event
from cluster.model import Dot, Event, Greeting, Member, NodeId, Origin, Region, Vector
from node.holdings import Holdings
from node.index import keys
from node.index.opening import Index, open_index
from node.registry.links import Links
from node.registry.listing import Listing
from node.registry.pull import Pull
from node.registry.push import Push
from node.registry.uploads import UploadConfig, Uploads
from node.registry.withdrawals import Withdrawals
from tests.sim.disk import Disk, SimBlobs, SimStore, SimWriter
from tests.sim.loop import Process, SimLoop
from tests.sim.network import Network

START_MS = 1_700_000_000_000
MAX_OFFSET_MS = 500

DOTS: ContextVar[list[Dot] | None] = ContextVar("dots", default=None)
"""Where the events of the client operation that runs now are noted."""


class SimClock:
    """A machine's clocks: the wall clock can be set and can drift. They survive restarts."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop
        self._offset_ms = 0.0
        self._rate = 0.0
        self._since = 0.0

    def now_ms(self) -> int:
        return START_MS + int(self._loop.time() * 1000 + self.offset_ms())

    def now_s(self) -> float:
        return self._loop.time()

    def offset_ms(self) -> float:
        return self._offset_ms + self._rate * (self._loop.time() - self._since)

    def set(self, offset_ms: float, drift_ms_s: float = 0.0) -> None:
        """Be *offset_ms* off from now on, and *drift_ms_s* more with each second."""
        self._offset_ms, self._rate, self._since = offset_ms, drift_ms_s, self._loop.time()


class QuietLog:
    """Counts what was logged aloud, and tells of deaths; the trace keeps no text."""

    def __init__(self, on_dead: Callable[[str, int], None]) -> None:
        """*on_dead* gets name and incarnation of each member that the node gives up."""
        self.warnings: dict[str, int] = {}
        self._on_dead = on_dead

    def debug(self, event: str, **fields: object) -> None: ...

    def info(self, event: str, **fields: object) -> None: ...

    def error(self, event: str, **fields: object) -> None:
        self.warning(event)

    def warning(self, event: str, **fields: object) -> None:
        self.warnings[event] = self.warnings.get(event, 0) + 1
        if event == "member dead":
            self._on_dead(str(fields["peer"]), int(str(fields["incarnation"])))


class Witnessed:
    """The `Replicator` of one node; notes which event a client operation waits for."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    async def wait_durable(self, dot: Dot, *args: Any, **kwargs: Any) -> Any:
        dots = DOTS.get()
        if dots is not None:
            dots.append(dot)
        return await self._cluster.wait_durable(dot, *args, **kwargs)


@dataclass
class Running:
    """The live objects of one incarnation."""

    process: Process
    store: SimStore
    blobs: SimBlobs
    index: Index
    writer: SimWriter
    cluster: Cluster
    uploads: Uploads
    push: Push
    withdrawals: Withdrawals
    pull: Pull
    links: Links
    listing: Listing
    log: QuietLog
    ready: bool = False


def named_by(event: Event) -> Sequence[Dot]:
    """The events that *event* replaces, removes or withdraws."""
    with suppress(EventUndecodable):
        match decode_body(event):
            case Add(dots, _) | Remove(dots) | Write(dots, _) | Withdraw(dots, _):
                return dots
    return ()


class Observer:
    """What the simulator sees of every index: each event once it is durable where it was made."""

    def __init__(self, lacking: "Callable[[Dot], list[Machine]]") -> None:
        """*lacking* says which machines do not have an event."""
        self.events: dict[Dot, Event] = {}
        self.violations: list[str] = []
        self.lacking = lacking
        self.told: dict[Origin, int] = {}
        """Up to where clients were told that a log is safe."""
        self.counted_dead: Callable[[str, str, int], None] = lambda by, node, incarnation: None
        """Gets a node's name, and name and incarnation of the member that it has just given up."""

    def acknowledged(self, dot: Dot | None) -> None:
        if dot is not None:
            self.told[dot.origin] = max(dot.seq, self.told.get(dot.origin, 0))

    def made(self, event: Event) -> None:
        known = self.events.setdefault(event.dot, event)
        if known != event:
            self.violations.append(f"the dot {event.dot} names two events")
        for earlier in self._known_to(event):
            if earlier.stamp >= event.stamp:
                self.violations.append(f"stamp order: {event.dot} is not after {earlier.dot}")

    def _known_to(self, event: Event) -> Iterator[Event]:
        """What the writer of *event* had certainly seen: its last event, and what this one names"""
        node, epoch, seq = event.dot
        for dot in (Dot(node, epoch, seq - 1), *named_by(event)):
            if dot in self.events:
                yield self.events[dot]


class Overheard:
    """The `PeerService` of one node; compares the leases that it grants with what clients know."""

    def __init__(self, service: Any, machine: "Machine", origin: Origin) -> None:
        self._service = service
        self._observer = machine.observer
        self._origin = origin

    def __getattr__(self, name: str) -> Any:
        return getattr(self._service, name)

    def on_hello(self, greeting: Greeting) -> Greeting:
        answer: Greeting = self._service.on_hello(greeting)
        told = self._observer.told.get(self._origin, 0)
        if answer.current and told > greeting.have.get(self._origin, 0):
            dot = Dot(self._origin.node, self._origin.epoch, told)
            if greeting.member.rpc in {m.address for m in self._observer.lacking(dot)}:
                self._observer.violations.append(
                    f"lease: {greeting.member.node} may read at {self._origin.node}'s word, "
                    f"and lacks {dot}"
                )
        return answer


class Machine:
    """A node's place in the world: name, region, address, disk, clock."""

    def __init__(
        self,
        loop: SimLoop,
        network: Network,
        observer: Observer,
        *,
        name: str,
        region: str,
        address: str,
        seeds: tuple[str, ...],
        seed: str,
        config: ClusterConfig,
    ) -> None:
        self.loop = loop
        self.network = network
        self.observer = observer
        self.name = name
        self.region = region
        self.address = address
        self.seeds = seeds
        self.seed = seed
        self.config = config
        self.disk = Disk(f"{seed} {address}")
        self.clock = SimClock(loop)
        self.running: Running | None = None
        self.lost_disk: tuple[float, Disk | None] = (0.0, None)
        """The last disk that a fault destroyed, and when."""
        self.incarnations = 0
        self.stopped_by: str = ""
        """Why the last process ended by itself, if it did."""

    def start(self) -> None:
        """Start a process on this disk."""
        assert self.running is None
        self.incarnations += 1
        process = Process(self.loop, f"{self.name}#{self.incarnations}")
        self.loop.call_soon(self._boot, process, context=process.context)

    def _boot(self, process: Process) -> None:
        if self.running is not None or process.dead:
            return
        try:
            self.running = running = assemble(self, process)
        except OSError as exc:
            self.stopped_by = f"start: {exc}"
            return
        done = partial(self._ended, running)
        process.spawn(self._run(running)).add_done_callback(done)

    async def _run(self, running: Running) -> None:
        """What `node.main` does once the stores are open, without HTTP."""
        holdings = Holdings(running.index.replica, running.blobs, running.log)
        try:
            await holdings.verify()
        except OSError as exc:
            self.stopped_by = f"start: {exc}"
            self.kill()
            return
        service: Any = Overheard(running.cluster.service, self, running.index.replica.origin)
        self.network.listen(self.address, self.region, running.process, service)
        try:
            async with asyncio.TaskGroup() as tasks:
                for work in (running.cluster, running.uploads, running.withdrawals, holdings):
                    tasks.create_task(work.run(), name=type(work).__name__)
                await running.cluster.wait_joined()
                await holdings.renew()
                running.ready = True
        except* JoinRefused as exc:
            self.stopped_by = f"refused: {exc.exceptions[0]}"
            self.kill()

    def _ended(self, running: Running, task: asyncio.Task[None]) -> None:
        """Nobody awaits the process's task, and asyncio tells of an error once it is collected."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self.observer.violations.append(f"{self.name} ended by itself: {error!r}")
            if self.running is running:
                # As `node.main` does: half a node that goes on listening would fail otherwise.
                self.kill()

    def kill(self, *, power: bool = False) -> None:
        """End the process; with *power* off, what was not synced goes, and the machine is mute."""
        running, self.running = self.running, None
        if running is None:
            return
        running.store.fenced = running.blobs.fenced = True
        running.process.kill()
        if power:
            self.disk.power_cut()
            self.network.goes_dark(self.address)
        else:
            self.network.refuses(self.address)

    @property
    def ready(self) -> bool:
        return self.running is not None and self.running.ready

    @property
    def up(self) -> bool:
        """Running, and not paused."""
        return self.running is not None and not self.running.process.paused


def assemble(machine: Machine, process: Process) -> Running:
    """
    Build a node from the real parts; the only place that knows how `node.main` does it.

    Runs in the process's context, on the loop.
    """
    rng = random.Random(f"{machine.seed} {machine.name} {machine.incarnations}")
    store, blobs, log, wall = (
        SimStore(machine.disk),
        SimBlobs(machine.disk),
        QuietLog(partial(machine.observer.counted_dead, machine.name)),
        machine.clock,
    )
    clock, watch = HybridClock(wall, MAX_OFFSET_MS), Watch(machine)
    writers: list[SimWriter] = []

    def make_writer(journal: Any) -> SimWriter:
        watch.begin(journal)
        writers.append(SimWriter(journal, machine.loop, watch.on_group, watch.on_sealed))
        return writers[0]

    index = open_index(
        store,
        NodeId(machine.name),
        clock,
        wall,
        rng,
        lambda event, reason: None,
        make_writer,
    )
    me = Member(
        node=NodeId(machine.name),
        region=Region(machine.region),
        rpc=machine.address,
        http=machine.address,
        epoch=index.replica.origin.epoch,
    )
    cluster = Cluster(
        me,
        machine.config,
        records=index.replica,
        blobs=blobs,
        transport=machine.network.transport(me),
        clock=wall,
        rng=rng,
        log=log,
        members=index.members,
    )
    clock.heed(cluster.clock_off_at)
    replicator: Any = Witnessed(cluster)
    uploads = Uploads(
        index.metadata, blobs, replicator, UploadConfig(), log, lambda: wall.now_ms() / 1000
    )
    withdrawals = Withdrawals(index.metadata, log)
    return Running(
        process=process,
        store=store,
        blobs=blobs,
        index=index,
        writer=writers[0],
        cluster=cluster,
        uploads=uploads,
        push=Push(index.metadata, replicator, withdrawals),
        withdrawals=withdrawals,
        pull=Pull(index.metadata, blobs, replicator),
        links=Links(index.metadata, replicator),
        listing=Listing(index.metadata, replicator),
        log=log,
    )


def answering(machines: Sequence[Machine], known: Mapping[str, str]) -> list[str]:
    """
    The addresses of those *machines* that a node takes for members: *known* is where each name
    answers, as far as that node has heard.

    A name is one member and says of itself what it has. While a copy of a machine's directory
    answers to the name, the others hear of the copy's disk, which counts here, and cannot know
    that the machine lacks anything. Once the machine is heard again it is the member again. Who is
    not known at all has to be waited for nevertheless, where it should be.
    """
    return [m.address for m in machines if known.get(m.name, f"{m.name}:1") == m.address]


class Watch:
    """Looks over the writer's shoulder: what was applied, and what became durable."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._observer = machine.observer
        self._applied: dict[Origin, int] = {}
        self._made = 0
        self._floor: Vector = {}
        self._restoring = False
        self._found_stamp = 0
        """The latest stamp in the log when the run began."""

    def begin(self, journal: Any) -> None:
        self._journal = journal
        self._applied = dict(journal.applied)
        self._floor, self._restoring = journal.floor, journal.restoring
        for origin, seq in journal.applied.items():
            if origin.node == self._machine.name:
                # A killed process may have written events that the next one finds.
                self._note(origin, 0, seq)
            last = self._event(origin, seq)
            self._found_stamp = max(self._found_stamp, 0 if last is None else last.stamp)

    def on_group(self) -> None:
        """Check what was just applied, and what was just forgotten."""
        restored, self._restoring = self._restoring, self._journal.restoring
        if not restored and not self._restoring:
            self._check_order()
            self._check_floor()
        self._floor = self._journal.floor
        self._check_clock_bound()

    def _check_order(self) -> None:
        """Every event of every log is here, and what it builds on."""
        applied = self._journal.applied
        for origin, upto in applied.items():
            for seq in range(self._applied.get(origin, 0) + 1, upto + 1):
                event = self._event(origin, seq)
                if event is None:
                    self._complain(f"order: {self._machine.name} has no {origin} {seq}")
                    continue
                for dot in named_by(event):
                    if dot.seq > applied.get(dot.origin, 0):
                        self._complain(
                            f"order: {self._machine.name} applied {event.dot} without {dot}"
                        )

    def _check_floor(self) -> None:
        """A log is kept for whoever lacks it, for as long as it says."""
        keep_ms = self._machine.config.log_away_s * 1000
        for origin, seq in self._journal.floor.items():
            if seq == self._floor.get(origin, 0):
                continue
            event = self._observer.events.get(Dot(origin.node, origin.epoch, seq))
            if event is None:
                continue
            age_ms = self._machine.clock.now_ms() - (event.stamp >> COUNTER_BITS)
            lacking = self._members_among(self._observer.lacking(event.dot))
            if age_ms < keep_ms and lacking:
                self._complain(
                    f"floor: {self._machine.name} forgot {event.dot} after {age_ms} ms, "
                    f"and {lacking} lack it"
                )

    def _members_among(self, machines: Sequence[Machine]) -> list[str]:
        if not machines:
            return []
        running = self._machine.running
        assert running is not None, "what does not run forgets nothing"
        known = {str(m.node): m.rpc for m in running.cluster.statistics().members}
        return answering(machines, {**known, self._machine.name: self._machine.address})

    def _complain(self, text: str) -> None:
        self._observer.violations.append(text)

    def _check_clock_bound(self) -> None:
        applied = self._journal.applied
        for origin, seq in applied.items():
            before = self._applied.get(origin, 0)
            if seq == before:
                continue
            self._applied[origin] = seq
            if origin == self._journal.origin:
                continue
            last = self._event(origin, seq)
            ahead_ms = 0 if last is None else (last.stamp >> 16) - self._machine.clock.now_ms()
            if ahead_ms > MAX_OFFSET_MS:
                self._observer.violations.append(
                    f"clock bound: {self._machine.name} applied {origin} {ahead_ms} ms ahead"
                )

    def on_sealed(self) -> None:
        origin = self._journal.origin
        durable = self._journal.durable.get(origin, 0)
        if durable > self._made:
            self._note(origin, self._made, durable)
            self._made = durable

    def _note(self, origin: Origin, after: int, upto: int) -> None:
        for seq in range(after + 1, upto + 1):
            event = self._event(origin, seq)
            if event is None:
                continue
            self._observer.made(event)
            if origin == self._journal.origin and event.stamp <= self._found_stamp:
                self._observer.violations.append(f"stamp order: {event.dot} is before its log")

    def _event(self, origin: Origin, seq: int) -> Event | None:
        row = self._machine.disk.families["log"].get(keys.log(origin, seq))
        return None if row is None else decode_event(row)
