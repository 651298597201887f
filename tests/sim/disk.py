"""
Simulated disks: an index and blobs that outlive the process, and faults.

A killed process loses nothing that it wrote; a power cut loses what was not synced. Every
incarnation of a node gets handles of its own: those of a dead one are fenced, and whatever is
left of it can change nothing any more.
"""

import asyncio
import math
import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from sortedcontainers import SortedDict

from cluster import vectors
from cluster.errors import StorageFailure, StorageFull
from cluster.model import Digest, Dot, Origin, Vector
from node.blobs.memory import MemoryBlobs, MemoryIngest, MemoryReader
from node.errors import IndexFull
from node.identity.signatures import OwnKey
from node.index import keys
from node.index.journal import Journal
from node.index.store import FAMILIES, Change, Mutation
from node.index.worded import WordedStore
from node.index.writer import GROUP_MAX, IndexWriter, Task
from tests.fakes.ordered_store import MemoryStore
from tests.sim.loop import SimLoop

T = TypeVar("T")

IO_ERRORS: ContextVar[list[str] | None] = ContextVar("io_errors", default=None)
"""Where failing reads are noted, when a client operation runs: none may become "not found"."""

SYNC_S = 0.0008
SYNC_SLOW_S = 0.02


class Disk:
    """What is on one machine's disk, and how well the disk works."""

    def __init__(self, seed: str) -> None:
        self.families: dict[str, SortedDict] = {name: SortedDict() for name in FAMILIES}
        self.unsynced: list[list[Mutation]] = []
        """Per batch, the rows as they were before it."""
        self.blobs: dict[Digest, bytes] = {}
        self.ended: tuple[bytes, ...] = ()
        """Generations that its index must not join again (see `node.recovery.former`)."""
        self.keys: Sequence[OwnKey] = ()
        """What its node signs tokens with."""
        self.ends: dict[Origin, int] = {}
        """How far the logs went that are retired here: what no node knows any more."""
        self.rng = random.Random(f"disk {seed}")
        self.failing = False
        """Every access fails with EIO."""
        self.sync_fails = False
        self.full = False
        self.failed_at = -math.inf
        """When an access failed last."""
        self.full_at = -math.inf
        """When something did not fit in last."""

    def sync_s(self) -> float:
        """How long the next sync takes."""
        slow = self.rng.random() < 0.02
        return (SYNC_SLOW_S if slow else SYNC_S) * (0.5 + self.rng.random())

    def power_cut(self) -> None:
        """Lose unsynced batches; the first few may have reached the disk all the same."""
        kept = self.rng.randrange(len(self.unsynced) + 1)
        while len(self.unsynced) > kept:
            for family, key, value in reversed(self.unsynced.pop()):
                if value is None:
                    self.families[family].pop(key, None)
                else:
                    self.families[family][key] = value
        self.unsynced.clear()

    def synced(self, family: str, key: bytes) -> bytes | None:
        """The row that a power cut would leave, if it took all that it can."""
        for batch in self.unsynced:
            for changed, row, before in batch:
                if (changed, row) == (family, key):
                    return before
        value: bytes | None = self.families[family].get(key)
        return value

    def counts(self, digest: Digest) -> bool:
        """Whether there is a copy of the blob that its node has told of."""
        return digest in self.blobs and keys.join(digest) in self.families["own"]

    def covers(self, known: Vector) -> bool:
        """Whether every event of *known* is here."""
        return vectors.covers(self.vector(), known)

    def vector(self) -> dict[Origin, int]:
        """How far each log is here, as it would be read."""
        rows = self.families["vector"]
        return {keys.read_origin(key): keys.read_reach(row) for key, row in rows.items()}

    def reached(self, vector: Vector, origin: Origin) -> int:
        """How far a log is here, by that *vector* of the disk, and no further than it ever went."""
        if vectors.is_retired(vector, origin):
            return self.ends.get(origin, 0)  # what came of another one since was refused
        return vector.get(origin, 0)

    def copy(self, seed: str) -> "Disk":
        """A copy of the directory as it is now, and as the kernel shows it."""
        other = Disk(seed)
        other.families = {name: rows.copy() for name, rows in self.families.items()}
        other.ended = self.ended
        other.ends = dict(self.ends)
        other.keys = self.keys
        other.blobs = dict(self.blobs)
        return other

    def check(self) -> None:
        if self.failing:
            self.failed_at = asyncio.get_running_loop().time()
            noted = IO_ERRORS.get()
            if noted is not None:
                noted.append("EIO")
            raise StorageFailure("simulated IO error")


def synced_on(disk: Disk, dot: Dot) -> bool:
    """Whether the disk has the event, so that a power cut would leave it there."""
    there = (dot.origin, vectors.mark_of(dot.node))
    found = {origin: disk.synced("vector", keys.origin(origin)) for origin in there}
    have = {origin: keys.read_reach(row) for origin, row in found.items() if row is not None}
    return disk.reached(have, dot.origin) >= dot.seq


class SimStore(MemoryStore):
    """The `OrderedStore` of one incarnation."""

    def __init__(self, disk: Disk) -> None:
        super().__init__()
        self.disk = disk
        self.fenced = False
        self._families = disk.families
        # RocksDB writes its log back when it opens: what is read from here on is durable.
        disk.unsynced.clear()

    def get(self, family: str, key: bytes) -> bytes | None:
        if self.disk.failing:
            self.disk.check()
        value: bytes | None = self._families[family].get(key)
        return value

    def scan(self, family: str, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        if self.disk.failing:
            self.disk.check()
        rows = self._families[family]
        for key in list(rows.irange(start, stop, inclusive=(True, False))):
            value = rows.get(key)
            if value is not None:
                yield key, value

    def write(self, batch: Sequence[Change]) -> None:
        self._check_writable()
        super().write(batch)
        self.disk.unsynced.append(self._undo)
        self._undo = []

    def sync(self) -> None:
        self._check_writable()
        if self.disk.sync_fails:
            raise StorageFailure("simulated fsync failure")
        self.disk.unsynced.clear()

    def recover(self) -> None:
        """What could not be synced is torn off, somewhere, as when RocksDB opens again."""
        self._check_writable()
        self.disk.power_cut()

    def crash(self) -> None:
        raise AssertionError("use Disk.power_cut")

    def _check_writable(self) -> None:
        if self.fenced:
            raise StorageFailure("this process is dead")
        self.disk.check()
        if self.disk.full:
            raise IndexFull("simulated disk full")


class SimBlobs(MemoryBlobs):
    """The `BlobStore` of one incarnation; storing a blob takes a sync."""

    def __init__(self, disk: Disk) -> None:
        super().__init__()
        self.disk = disk
        self.fenced = False
        self._blobs = disk.blobs

    def size(self, digest: Digest) -> int | None:
        self.disk.check()
        return super().size(digest)

    @asynccontextmanager
    async def open(self, digest: Digest) -> AsyncIterator[MemoryReader]:
        self.disk.check()
        async with super().open(digest) as reader:
            yield reader

    async def serve(self, digest: Digest, *, whole: bool) -> MemoryReader | None:
        self.disk.check()
        return await super().serve(digest, whole=whole)

    async def put(self, digest: Digest, data: bytes) -> None:
        await self.settle()
        await super().put(digest, data)

    async def stage(self, name: str) -> MemoryIngest:
        self.disk.check()
        self._staged.pop(name, None)
        return SimIngest(self, name, bytearray())

    async def settle(self) -> None:
        """Wait for the disk; then nothing may have happened to it or to this process."""
        await asyncio.sleep(self.disk.sync_s())
        self._check_alive()

    def _check_alive(self) -> None:
        if self.fenced:
            raise StorageFailure("this process is dead")
        self.disk.check()

    def _reserve(self, size: int) -> None:
        self._check_alive()
        if self.disk.full:
            self.disk.full_at = asyncio.get_running_loop().time()
            raise StorageFull("simulated disk full")


class SimIngest(MemoryIngest):
    async def commit(self, digest: Digest, size: int | None = None) -> int:
        assert isinstance(self._store, SimBlobs)
        await self._store.settle()
        return await super().commit(digest, size)


class SimWriter(IndexWriter):
    """
    An `IndexWriter` without a thread: a group runs at once, its sync takes simulated time.

    Between the two a reader sees what is not durable yet, as with the real one.
    """

    def __init__(
        self,
        journal: Journal,
        loop: SimLoop,
        on_group: Callable[[], None],
        on_sealed: Callable[[], None],
    ) -> None:
        """*on_group* is called after a group ran, *on_sealed* after it was synced."""
        super().__init__(journal)
        worded = journal.store
        assert isinstance(worded, WordedStore)
        store = worded.inner
        assert isinstance(store, SimStore)
        self._disk = store.disk
        self._loop = loop
        self._on_group = on_group
        self._on_sealed = on_sealed
        self._waiting: list[Task[Any]] = []
        self._busy = False
        self._closed = False

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def submit(self, change: Callable[[], T], *, synced: bool = True) -> T:
        if self.failed is not None or self._closed:
            raise self.failed or StorageFailure("this process is dead")
        task: Task[T] = Task(change, self._loop, synced=synced)
        self._waiting.append(task)
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._run_group)
        return await task.future

    def close(self) -> None:
        self._closed = True

    def _run_group(self) -> None:
        group, self._waiting = self._waiting[:GROUP_MAX], self._waiting[GROUP_MAX:]
        failure = self.run_changes(group)
        if failure is None:
            self._on_group()
        self._loop.call_later(self._disk.sync_s(), self._finish, group, failure)

    def _finish(self, group: list[Task[Any]], failure: StorageFailure | None) -> None:
        failure = failure or self.seal()
        if failure is None:
            self._on_sealed()
        for task in group:
            task.settle(failure)
        self._busy = bool(self._waiting)
        if self._busy:
            self._run_group()
