"""Whole engines in one process, over `Network`, started and killed by tests."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

import msgspec

from cluster.agent import Cluster
from cluster.config import ClusterConfig, MembershipConfig
from cluster.driver.control import ControlDriver
from cluster.layout.rows import Row
from cluster.membership.precedence import first_word
from cluster.messages import Decisions, Greeting, Heard, Stage
from cluster.model import Digest, Member, NodeId, Vector, Vitals
from cluster.replication.transfer import Transfer
from cluster.statistics import ClusterStatistics
from cluster.tasks.changes import Changes
from node.blobs.memory import MemoryBlobs
from tests.builders import a_member
from tests.fakes.control_store import MemoryControl
from tests.fakes.log import MemoryLog
from tests.fakes.member_store import MemoryMembers
from tests.fakes.network import Network
from tests.fakes.records import MemoryRecords
from tests.fakes.virtual_time import LoopClock

PATIENCE_S = 20.0
"""How long a test waits for what has to happen: it takes a second or two, of virtual time."""

CONFIG = ClusterConfig(
    cluster="test",
    open_joining=True,
    quiet_s=0.02,
    heartbeat_interval_s=0.01,
    heartbeat_remote_interval_s=0.01,
    lease_s=0.1,
    # Only tests of silence are to notice some.
    heartbeat_timeout_s=10.0,
    dial_timeout_s=10.0,
    backoff_min_s=0.005,
    backoff_max_s=0.02,
    antientropy_interval_s=0.02,
    # What a test sees is what it asked for: only tests of the repair let it run.
    repair_pause_s=3_600.0,
    laggard_s=0.02,
    durable_timeout_s=10.0,
    catch_up_timeout_s=10.0,
    join_timeout_s=10.0,
    stall_timeout_s=10.0,
    hold_timeout_s=10.0,
    chunk_bytes=1024,
    hold_inline_max_bytes=512,
)

FAST_DETECTOR: Final = {
    "lan": MembershipConfig(
        probe_interval_s=0.05, probe_timeout_s=0.03, suspicion_min_s=0.1, suspicion_max_s=0.3
    ),
    "wan": MembershipConfig(
        probe_interval_s=0.05, probe_timeout_s=0.03, suspicion_min_s=0.1, suspicion_max_s=0.3
    ),
    "spread_interval_s": 0.01,
    "exchange_interval_s": 0.1,
    "lag_check_s": 0.05,
}
"""Tuning for tests that need a member to be found dead."""

CALM: Final = {
    "heartbeat_interval_s": 1.0,
    "heartbeat_remote_interval_s": 1.0,
    "lease_s": 3.0,
    "antientropy_interval_s": 5.0,
}
"""Tuning for tests that last for minutes of virtual time: each heartbeat costs some real time."""


async def until(cluster: Cluster, condition: Callable[[ClusterStatistics], bool]) -> None:
    """
    Return once *condition* holds, which is looked at when a link, an acknowledgement or the log of
    the node changes.
    """
    await cluster._env.changes.wait_until(lambda: condition(cluster.statistics()))


class Engine:
    """
    One node: its stores survive `Fleet.kill`, its engine does not.

    What tests ask of the inside of an engine, they ask here: who changes the inside changes this
    class, and no test.
    """

    def __init__(self, network: Network, member: Member, config: ClusterConfig, seed: int) -> None:
        self.member = member
        self.address = member.rpc
        self.config = config
        self.records = MemoryRecords(member.node, member.epoch)
        self.blobs = MemoryBlobs()
        self.known = MemoryMembers()
        self.control = MemoryControl()
        self.log = MemoryLog()
        self.clock = LoopClock()
        self.who = ""
        """Who asks for what is done."""
        self._network = network
        self._seed = seed
        self.cluster = self._assemble()
        self.task: asyncio.Task[None] | None = None

    def renew(self) -> None:
        """A new process on the same disk."""
        self.cluster = self._assemble()

    def _assemble(self) -> Cluster:
        return Cluster(
            self.member,
            self.config,
            records=self.records.roles,
            blobs=self.blobs,
            transport=self._network.transport(self.member),
            clock=self.clock,
            rng=random.Random(self._seed),
            log=self.log,
            members=self.known,
            control=self.control,
            who=lambda: self.who,
        )

    @property
    def runs(self) -> bool:
        return self.task is not None and not self.task.done()

    def connected(self) -> set[str]:
        return {m.node for m in self.cluster.statistics().members if m.connected}

    async def until(self, condition: Callable[[ClusterStatistics], bool]) -> None:
        await until(self.cluster, condition)

    async def until_connected(self, *nodes: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self.until(lambda _: self.connected() == set(nodes))

    @property
    def statistics(self) -> ClusterStatistics:
        return self.cluster.statistics()

    @property
    def stage(self) -> Stage:
        """By which versions of the layout this node goes."""
        return self.cluster._stages.mine

    @property
    def decides(self) -> ControlDriver:
        """This node's part in the control log."""
        return self.cluster._control

    @property
    def letters_waiting(self) -> int:
        """How many letters of the control log wait to be read here."""
        return len(self.cluster._control._steps)

    @property
    def changes(self) -> Changes:
        """Who waits in this engine, and for what."""
        return self.cluster._env.changes

    def told(self, node: NodeId) -> Vector:
        """What *node* has, by its own word to this one."""
        return self.cluster._env.progress.of(node)

    def heard_of(self, node: NodeId) -> Heard:
        """How much of the vector of *node* has come here."""
        return self.cluster._env.progress.heard_of(node)

    def greeting_to(self, node: NodeId) -> Greeting:
        """What this node would say to *node* at the next heartbeat."""
        return self.cluster._roster._greetings.brief(node)

    def say_of_itself(self, decisions: Decisions, vitals: Vitals) -> None:
        """Let its greetings say so from here on."""
        self.cluster._stages.decisions = lambda: decisions
        self.cluster._env.vitals.mine = lambda: vitals

    def say_its_disk_is_whole(self, whole: bool) -> None:
        """Let its greetings say so from here on, or that it lacks what it once confirmed."""
        self.cluster._stages.is_continuous = lambda: whole

    async def ask_region(self) -> bool:
        """A round of the region, as a read has that no leases cover."""
        return await self.cluster._catch_up.catch_up_region()

    def hear_of(self, member: Member) -> None:
        """Somebody has told this node of *member*."""
        self.cluster._env.members.take(first_word(member))

    def member_named(self, node: NodeId) -> Member | None:
        return self.cluster._env.members.get(node)

    def has_caught_up(self, node: str) -> bool:
        """Whether all that *node* had when its link came up is here."""
        return self.cluster._links.has_caught_up(NodeId(node))

    def heard_joined(self, other: "Engine") -> bool:
        """Whether *other* has told this node that it has all that its seeds had."""
        return self.cluster._stages.has_joined(other.member)

    def is_linked(self, node: str) -> bool:
        """Whether there is a link to *node*, be it a member or not."""
        return self.cluster._links.peer(NodeId(node)) is not None

    def hindered(self) -> Collection[NodeId]:
        """The peers from which the storage here could not take what they have."""
        return self.cluster._links.hindered()

    def parks(self) -> bool:
        """Whether events are left at their senders, being ahead of the clock here."""
        return bool(self.cluster._links._parts.intake._parked)

    def want_state(self, node: str) -> None:
        """*node* has said that what this one needs is gone from its logs."""
        self.cluster._links.link(NodeId(node))._want_state()

    async def rows(self, node: NodeId) -> AsyncGenerator[Row, None]:
        """The blobs that *node* said it holds, as far as this node knows."""
        for digest, holders in list(self.records.holding.items()):
            if node in holders:
                size = self.records.held_size(digest)
                assert size is not None, "who holds it said so"
                yield Row(digest, size, {node, *self.cluster.having(digest)})

    async def leave(self) -> Sequence[NodeId]:
        """Be no member any more; the process is to be killed then."""
        return await self.cluster.leave(self.rows, lost=False)

    def keepers(self) -> tuple[NodeId, ...]:
        """The nodes whose copies of blobs count by the layout."""
        return self.cluster._env.roll.keepers()

    def places(self, digest: Digest, holder: str) -> NodeId:
        """Where the next copy belongs of a blob that *holder* has."""
        placed = self.cluster._env.roll.places(digest, [NodeId(holder)])
        return next(node for node in placed if node != holder)

    def holding(self, digest: Digest) -> list[NodeId]:
        """The nodes whose copies of a blob count here, this one first."""
        return self.cluster._durability.holding(digest)

    def is_short(self, digest: Digest) -> bool:
        """Whether a blob lacks a copy that somebody could take."""
        return self.cluster._durability.is_short(digest)

    def makes_a_copy(self, digest: Digest) -> bool:
        """Whether what is coming of a blob will count as a copy."""
        return self.cluster._fetcher._transfers[digest].counts

    def vouches(self, digest: Digest, node: str) -> bool:
        """Whether this node counts the copy that *node* said it has."""
        row = self.records.holders(digest).get(NodeId(node))
        return row is not None and self.cluster._links.vouches(row)

    def leased_by(self, node: str) -> bool:
        """Whether *node* has granted this one a lease that is not over."""
        granters = self.cluster._freshness._machine._leases.granters(self.clock.now_s())
        return node in {disk.node for disk in granters}

    async def put(self, data: bytes) -> Digest:
        """A blob that a client pushed to this node."""
        digest = Digest.of(data)
        await self.blobs.put(digest, data)
        await self.records.hold(digest, len(data))
        return digest

    async def read(self, digest: Digest, size: int) -> bytes:
        async with self.cluster.fetch(digest, size) as blob:
            if isinstance(blob, Transfer):
                return b"".join([chunk async for chunk in blob.stream(0, size)])
            return await blob.read(0, size)


class Fleet:
    def __init__(self, group: asyncio.TaskGroup) -> None:
        self.network = Network()
        self.engines: dict[str, Engine] = {}
        self._group = group

    def add(
        self, node: str, region: str = "eu", seeds: tuple[str, ...] = (), **tuning: object
    ) -> Engine:
        """
        Make an engine without starting it; its address is `<node>:1`.

        Without seeds it begins a cluster. With some it is taken into that of a seed, unless
        *tuning* names it among those that begin one (`initial`).
        """
        return self.adopt(a_member(node, region), seeds, **tuning)

    def adopt(self, member: Member, seeds: tuple[str, ...], **tuning: object) -> Engine:
        if "initial" not in tuning and not {*seeds} - {member.rpc}:
            tuning["initial"] = (member.node,)
        config = replace(CONFIG, seeds=seeds, **tuning)  # type: ignore[arg-type]
        engine = Engine(self.network, member, config, seed=len(self.engines))
        self.engines[member.rpc] = engine
        return engine

    def start(self, engine: Engine) -> None:
        self.network.services[engine.address] = engine.cluster.service
        engine.task = self._group.create_task(engine.cluster.run())

    async def kill(self, engine: Engine) -> None:
        """End the process: its links break, its disk stays."""
        self.network.unplug(engine.address)
        assert engine.task is not None
        engine.task.cancel()
        await asyncio.wait([engine.task])
        assert engine.task.cancelled() or engine.task.result() is None, "it ended by itself"

    def restart(self, engine: Engine) -> None:
        engine.renew()
        self.start(engine)

    def wipe(self, engine: Engine) -> None:
        """Start a process of the same name on an empty disk, which is another one."""
        # An epoch is by the clock, and so above all incarnations of the run before.
        node, epoch = engine.member.node, engine.member.epoch + 1000
        engine.member = msgspec.structs.replace(
            engine.member, epoch=epoch, store=f"{engine.member.store}-{epoch}"
        )
        engine.records, engine.blobs = MemoryRecords(node, epoch), MemoryBlobs()
        engine.known, engine.control = MemoryMembers(), MemoryControl()
        self.restart(engine)

    def next_run(self, engine: Engine) -> None:
        """Start a process on what the engine's disk has now, with a log of its own."""
        engine.member = msgspec.structs.replace(engine.member, epoch=engine.member.epoch + 1)
        engine.records.renew(engine.member.epoch)
        self.restart(engine)

    async def trio(self, *regions: str, **tuning: object) -> tuple[Engine, Engine, Engine]:
        """Nodes a, b and c, all connected with each other."""
        a, b, c = await self.together(("a", "b", "c"), regions or ("eu", "eu", "eu"), **tuning)
        return a, b, c

    async def pair(self, *regions: str, **tuning: object) -> tuple[Engine, Engine]:
        """Nodes a and b, connected with each other."""
        a, b = await self.together(("a", "b"), regions or ("eu", "eu"), **tuning)
        return a, b

    async def stored(self, data: bytes, *holders: "Engine") -> Digest:
        """A blob on *holders*, of which every node has heard."""
        for engine in holders:
            digest = await engine.put(data)
        names = {engine.member.node for engine in holders}
        await self.until(
            lambda: all(names <= set(e.records.holders(digest)) for e in self.engines.values())
        )
        return digest

    async def together(
        self, names: Sequence[str], regions: Sequence[str], **tuning: object
    ) -> list[Engine]:
        """Nodes that have begun a cluster, all connected with each other."""
        engines = [
            self.add(
                name,
                region,
                tuple(f"{other}:1" for other in names),
                **{"initial": tuple(names), **tuning},
            )
            for name, region in zip(names, regions, strict=True)
        ]
        for engine in engines:
            self.start(engine)
        for engine in engines:
            await engine.until_connected(*(set(names) - {engine.member.node}))
            await engine.cluster.wait_joined()
        return engines

    async def until(self, condition: Callable[[], bool]) -> None:
        """
        Wait for something that no event announces to the outside, a record on another node say.

        Heartbeats keep the network busy, so the condition is looked at again soon.
        """
        async with asyncio.timeout(PATIENCE_S):
            await self.network.changed.wait_until(condition)


@asynccontextmanager
async def fleet() -> AsyncIterator[Fleet]:
    """Run engines for one test. One that fails ends the test with its error."""
    async with asyncio.TaskGroup() as group:
        ships = Fleet(group)
        yield ships
        for engine in ships.engines.values():
            if engine.task is not None:
                engine.task.cancel()
