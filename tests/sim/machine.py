"""
One simulated machine: a disk, a wall clock, and at most one running process of the real code.
"""

import asyncio
import random
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from cluster.agent import Cluster
from cluster.clock import HybridClock
from cluster.config import ClusterConfig
from cluster.driver.layouts import Rows
from cluster.errors import EpochTaken, JoinRefused, StartsEmpty, StorageFailure
from cluster.model import FEATURES, Consistency, Dot, Kind, Member, NodeId, Region
from node.assembly import engine
from node.copies import stakes
from node.copies.holdings import Holdings
from node.index.index import Index, open_index
from node.registry.upload_config import UploadConfig
from node.registry.usecase import unconfirmed
from node.registry.usecases import UseCases
from node.remembered.validity import Validity
from tests.sim.calls import SimTransport
from tests.sim.disk import Disk, SimBlobs, SimStore, SimWriter
from tests.sim.history import Op
from tests.sim.identity.plan import STEPS
from tests.sim.identity.rooms import Rooms, rooms_of
from tests.sim.loop import Process, SimLoop
from tests.sim.network import Network
from tests.sim.recall import Recollection
from tests.sim.watch import Observer, Watch

START_MS = 1_700_000_000_000

ASKED: ContextVar[Op | None] = ContextVar("asked", default=None)
"""The operation of a client that is carried out now."""


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
    """The `Gate` of one node; notes which event a client operation waits for."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    async def ensure_current(self, *, patient: bool = False) -> bool:
        current = await self._cluster.ensure_current(patient=patient)
        op = ASKED.get()
        if op is not None and op.kind in STEPS and not current:
            unconfirmed.set(True)  # who logs in is not told, and goes by what is here
        return current

    async def wait_durable(self, dot: Dot, consistency: Consistency) -> Any:
        op = ASKED.get()
        if op is not None:
            op.dots.append(dot)
            op.consistency = consistency
        acknowledged = await self._cluster.wait_durable(dot, consistency)
        if op is not None:
            op.live = self._cluster._env.chronicle.live
        return acknowledged


@dataclass
class Running:
    """The live objects of one incarnation."""

    process: Process
    store: SimStore
    blobs: SimBlobs
    index: Index
    writer: SimWriter
    cluster: Cluster
    holdings: Holdings
    registry: UseCases
    log: QuietLog
    rows: Rows
    recollection: Recollection
    rooms: Rooms | None = None
    """Of who may do what; None where the plan is not about that."""

    ready: bool = False
    asked: set[Op] = field(default_factory=set)
    """What clients asked and were not answered, whether they still wait or not."""

    @property
    def rooms_open(self) -> Rooms:
        assert self.rooms is not None, "the plan is about accounts"
        return self.rooms


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
        self.identity: dict[str, float] = {}
        """The bounds of tokens and log-ins; empty: nobody asks who may do what."""
        self.disk = Disk(f"{seed} {address}")
        self.clock = SimClock(loop)
        self.running: Running | None = None
        self.lost_disk: tuple[float, Disk | None] = (0.0, None)
        """The last disk that a fault destroyed, or that counts for nothing any more, and when."""

        self.lost_disks: list[Disk] = []
        """All of them."""
        self.incarnations = 0
        self.features = FEATURES
        """Of the version that the next process is of."""
        self.cannot_read: frozenset[Kind] = frozenset()
        """Events that the version of the next process has not heard of."""
        self.epoch_after = 0
        """Behind this one is the epoch that the next process begins."""

        self.stopped_by: str = ""
        """Why the last process ended by itself, if it did."""

    def start(self) -> None:
        """Start a process on this disk."""
        assert self.running is None
        self.incarnations += 1
        process = Process(self.loop, f"{self.name}#{self.incarnations}", self.cannot_read)
        self.loop.call_soon(self._boot, process, context=process.context)

    def _boot(self, process: Process) -> None:
        if self.running is not None or process.dead:
            return
        try:
            self.running = running = assemble(self, process)
        except StorageFailure as exc:
            self.stopped_by = f"start: {exc}"
            return
        done = partial(self._ended, running)
        process.spawn(self._run(running)).add_done_callback(done)

    async def _run(self, running: Running) -> None:
        """What `node.main` does once the stores are open, without HTTP."""
        holdings = running.holdings
        try:
            await holdings.verify()
        except StorageFailure as exc:
            self.stopped_by = f"start: {exc}"
            self.kill()
            return
        self._overhear_leases(running)
        service: Any = running.cluster.service
        self.network.listen(self.address, self.region, running.process, service)
        try:
            async with asyncio.TaskGroup() as tasks:
                for work in (running.cluster, running.registry.uploads, holdings):
                    tasks.create_task(work.run(), name=type(work).__name__)
                if running.rooms is not None:
                    tasks.create_task(running.rooms.voters.run(), name="voters")
                    tasks.create_task(running.rooms.identity.run(), name="identity")
                await running.cluster.wait_joined()
                await holdings.renew()
                running.ready = True
        except* JoinRefused as exc:
            self.stopped_by = f"refused: {exc.exceptions[0]}"
            self.kill()
        except* EpochTaken as exc:
            # As `node.main` does: it goes on in the same process, with a later epoch.
            [taken] = exc.exceptions
            assert isinstance(taken, EpochTaken), "a node has one latest run"
            self.kill()
            self.epoch_after = taken.epoch
            self.start()
        except* StartsEmpty as exc:
            # As `node.main` does: the supervisor starts it again, on what is left.
            [end] = exc.exceptions
            assert isinstance(end, StartsEmpty), "a node has one cluster"
            self.stopped_by = str(end)
            self.kill()
            self.lose_disk()
            self.disk.ended = end.ended

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

    def lose_disk(self) -> None:
        """What is on the disk counts for nothing any more: the next process has an empty one."""
        self.replace_disk(Disk(f"{self.seed} {self.address} {self.incarnations}"))

    def replace_disk(self, disk: Disk) -> None:
        """The disk is gone, and *disk* is there in its place."""
        self.lost_disk = (self.loop.time(), self.disk)
        self.lost_disks.append(self.disk)
        self.disk = disk

    @property
    def ready(self) -> bool:
        return self.running is not None and self.running.ready

    def runs(self, epoch: int) -> bool:
        """Whether the run that writes the log *epoch* is not over; it may be paused."""
        return self.running is not None and self.running.index.replica.origin.epoch == epoch

    @property
    def belongs(self) -> bool:
        """Whether it is a member of its layout, with the disk that it has."""
        return self.running is not None and self.running.cluster._env.roll.has_me

    @property
    def reads(self) -> bool:
        """Whether it would answer a read now from its own index, without asking."""
        return self.up and self.running is not None and self.running.cluster._reads.are_covered()

    def _overhear_leases(self, running: Running) -> None:
        freshness: Any = running.cluster._freshness
        take = freshness.take

        def noting(member: Member, asked_at: float) -> None:
            take(member, asked_at)
            if self.running is running:
                self.observer.came_to_read(self)

        freshness.take = noting

    @property
    def up(self) -> bool:
        """Running, and not paused."""
        return self.running is not None and not self.running.process.paused


def assemble(machine: Machine, process: Process) -> Running:
    """
    Build a node of simulated stores and the real parts, joined as in a process
    (`node.assembly.engine`).

    Runs in the process's context, on the loop.
    """
    rng = random.Random(f"{machine.seed} {machine.name} {machine.incarnations}")
    store, blobs, log, wall = (
        SimStore(machine.disk),
        SimBlobs(machine.disk),
        QuietLog(partial(machine.observer.counted_dead, machine.name)),
        machine.clock,
    )
    clock, watch = HybridClock(wall), Watch(machine)
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
        ended=machine.disk.ended,
        epoch_after=machine.epoch_after,
    )
    me = Member(
        node=NodeId(machine.name),
        region=Region(machine.region),
        rpc=machine.address,
        http=machine.address,
        epoch=index.replica.origin.epoch,
        features=machine.features,
        store=index.disk,
    )
    records: Any = index.replica
    records.trim = watch.on_trim(records.trim)
    cluster, holdings = engine.join(
        me,
        machine.config,
        index,
        blobs,
        SimTransport(machine.network, me),
        wall,
        clock,
        rng,
        lambda _: log,
    )
    gate: Any = Witnessed(cluster)
    registry = UseCases.over(
        index.metadata.roles,
        blobs,
        gate,
        cluster,
        cluster,
        lambda: wall.now_ms() / 1000,
        lambda _: log,
        uploads=UploadConfig(),
    )
    rooms = None
    if machine.identity:
        rooms = rooms_of(
            machine.name, machine.identity, machine.disk, index.metadata, gate, cluster, wall, log
        )
    return Running(
        process=process,
        store=store,
        blobs=blobs,
        index=index,
        writer=writers[0],
        cluster=cluster,
        holdings=holdings,
        registry=registry,
        log=log,
        rows=partial(stakes.rows, index.metadata, index.metadata, cluster),
        recollection=Recollection(
            Validity(index.words, cluster, wall.now_s, lambda: wall.now_ms() / 1000)
        ),
        rooms=rooms,
    )
