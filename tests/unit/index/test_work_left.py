"""What a change leaves to batches behind it: done before anybody builds on it, whatever fails."""

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count

import pytest

from cluster.errors import StorageFailure
from cluster.model import Digest, Key
from cluster.ports import Checkpoint
from node.index import local, references, rows
from node.index.checkpoint import IndexCheckpoint
from node.index.index import Index
from node.index.store import END, Change
from node.index.writer import Task
from node.registry.values import DeleteManifest
from tests.builders import an_index, descriptor, stored
from tests.fakes.ordered_store import MemoryStore
from tests.unit.index.conftest import OpenIndex
from tests.unit.index.nodes import (
    REPO,
    Stored,
    digest_of,
    hear,
    index_of,
    manifest,
    restore,
    rows_of,
    shared_rows,
    store,
)
from tests.unit.index.test_derived_presence import MANY, delete, forget, many, put, reads, rows_kept


async def layered(index: Index, width: int, levels: int) -> Stored:
    """Push levels of indexes, each of all in the level below, and delete all but the top."""
    level = [manifest(f"child {number}") for number in range(width)]
    for number in range(width):
        await store(index, f"child {number}")
    pushed = list(level)
    for number in range(levels):
        listed = [descriptor(digest, len(record.body)) for digest, record in level]
        level = [
            stored(an_index(*listed, annotations={"text": f"{number} {n}"})) for n in range(width)
        ]
        for each in level:
            await put(index, each)
        pushed += level
    top = index_of(*level)
    await put(index, top)
    for each in pushed:
        await delete(index, each)
    return top


async def test_each_name_is_looked_at_once_on_the_way_down(
    open_node: OpenIndex, monkeypatch: pytest.MonkeyPatch
):
    """Broken: with each further level of indexes of indexes a deletion takes some times as long."""
    index, looks, step = open_node(), count(), references._step
    top = await layered(index, width=12, levels=4)
    await forget(index)
    names = len(list(index.journal.store.scan(references.NAMED, b"", END)))
    monkeypatch.setattr(references, "_step", lambda *args: (next(looks), step(*args))[1])
    await delete(index, top)
    assert next(looks) <= names + 1
    await forget(index)
    assert rows_kept(index) == 0


class Dying(MemoryStore):
    """A disk that is gone after some writes."""

    writes_left: int | None = None

    def write(self, batch: Sequence[Change]) -> None:
        if self.writes_left == 0:
            raise StorageFailure("the machine is off")
        if self.writes_left is not None:
            self.writes_left -= 1
        super().write(batch)


@pytest.mark.parametrize("writes", [1, 2, 3, 7, 12])
async def test_a_crash_in_between_is_made_good_by_the_next_start(open_node: OpenIndex, writes: int):
    """Broken: children that nothing names any more are readable for ever."""
    disk = Dying()
    index = open_node("a", disk)
    named = await many(index)
    await forget(index)
    disk.writes_left = writes
    with pytest.raises(StorageFailure):
        await index.metadata.delete(DeleteManifest(REPO, named[0]))
    disk.writes_left = None
    index.writer.close()
    index = open_node("a", disk)
    assert not reads(index, named, *MANY)
    await forget(index)
    assert rows_kept(index) == 0


class Full(Dying):
    """The same, which says that it is in trouble, and can sync what was written before."""

    def write(self, batch: Sequence[Change]) -> None:
        try:
            super().write(batch)
        except StorageFailure as exc:
            self.trouble = exc
            raise

    def recover(self) -> None:
        self.trouble, self.writes_left = None, None
        super().recover()


class Unread(MemoryStore):
    """A disk of which one read fails, as one without a free descriptor has it; writing goes on."""

    reads_left: int | None = None

    def scan(self, family: str, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        if self.reads_left is not None and family == "meta":
            self.reads_left -= 1
            if self.reads_left < 0:
                self.reads_left = None
                raise StorageFailure("a read failed")
        return super().scan(family, start, stop)


@pytest.mark.parametrize("reads_left", [0, 1, 2, 5])
async def test_a_read_that_fails_in_between_is_made_good(open_node: OpenIndex, reads_left: int):
    """Broken: what is left waits for a restart, and a peer takes over half of it for ever."""
    disk = Unread()
    index, other = open_node("a", disk), open_node("b")
    named = await many(index)
    await forget(index)
    disk.reads_left = reads_left
    with pytest.raises(StorageFailure):
        await index.metadata.delete(DeleteManifest(REPO, named[0]))
    assert disk.reads_left is None
    assert index.writer.trouble is not None, "so the writer goes on though nobody writes"
    await restore(index, other)
    assert index.writer.trouble is None
    for node in (index, other):
        assert not reads(node, named, *MANY)
        await forget(node)
        assert rows_kept(node) == 0


async def tagged_1000_times(index: Index) -> Digest:
    tags = [f"t{number}" for number in range(1000)]
    for number in range(0, 1000, 50):
        await store(index, "child", *tags[number : number + 50])
    return digest_of("child")


async def test_a_read_that_fails_while_tags_go_is_made_good(open_node: OpenIndex):
    """Broken: two nodes with the same events differ."""
    disk = Unread()
    index, other = open_node("a", disk), open_node("b")
    child = await tagged_1000_times(index)
    disk.reads_left = 0
    with pytest.raises(StorageFailure):
        await index.metadata.delete(DeleteManifest(REPO, child))
    sums = await index.replica.summed()
    await hear(other, index)
    assert rows_of(index) == rows_of(other)
    assert sums.sums == (await other.replica.summed()).sums


@pytest.mark.parametrize("writes", [1, 2])
async def test_nobody_looks_at_what_is_half_done(open_node: OpenIndex, writes: int):
    """Broken: the disk is full in the middle, and a checkpoint of the same group has half of it."""
    disk = Full()
    index = open_node("a", disk)
    named = await many(index)
    await forget(index)
    loop = asyncio.get_running_loop()

    def remove() -> None:
        txn = index.journal.begin()
        live = rows.presence(txn, "manifests", REPO, named[0])
        local.remove(txn, Key("manifest", REPO, named[0]), live)
        txn.commit()

    group = [
        Task(lambda: None, loop),
        Task(remove, loop),
        Task(partial(IndexCheckpoint, index.journal), loop),
    ]
    disk.writes_left = writes
    assert (index.writer.run_changes(group) or index.writer.seal()) is None
    before, *others = [task.outcome for task in group]
    assert before is None, "it is durable"
    assert [type(outcome) for outcome in others] == [StorageFailure, StorageFailure]
    await index.replica.checkpoint()
    assert not reads(index, named, *MANY)


async def take(index: Index, taken: Checkpoint) -> None:
    """Take over all parts of a checkpoint, but do not come to the end."""
    await index.replica.begin_restore(taken.head)
    part = None
    while part is None or part.next:
        part = taken.part(part.next if part else b"")
        await index.replica.restore(part)


async def test_what_a_restore_left_waits_for_the_end_of_the_next(open_node: OpenIndex):
    """Broken: a recovery goes on with it in the middle of the rows that arrive; or nobody does."""
    disk = Unread()
    index, other = open_node("a", disk), open_node("b")
    child = await tagged_1000_times(index)
    await hear(other, index)
    earlier = await other.replica.checkpoint()
    await index.metadata.delete(DeleteManifest(REPO, child))
    await hear(other, index)
    await take(index, earlier)
    disk.reads_left = 0
    with pytest.raises(StorageFailure):
        await index.replica.end_restore()
    disk.reads_left = 0  # the machine goes off before the recovery
    index.writer.close()
    disk.reads_left = None
    index = open_node("a", disk)
    await take(index, earlier)
    disk.trouble = StorageFailure("the disk failed")
    disk.recover = partial(setattr, disk, "trouble", None)
    await index.writer.submit(lambda: None)
    assert len(list(disk.scan("tags", b"", END))) == 1000, "as they came"
    await restore(other, index)
    assert index.writer.trouble is None
    assert not list(disk.scan("meta", b"untagging", b"untagginh"))
    assert shared_rows(index) == shared_rows(other)
