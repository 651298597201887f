"""Who waits for the writer: how many changes, for room or for a sync, and for how long."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence

import pytest

from node.errors import StorageFailure
from node.index import writer as module
from node.index.index import Index
from node.index.store import Change
from node.registry.values import AddBlob, DeleteUpload, PutUpload, UploadRecord
from tests.fakes.ordered_store import MemoryStore
from tests.unit.index.conftest import OpenIndex
from tests.unit.index.nodes import CONFIG

ROOM = 4


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PENDING_MAX", ROOM)


@pytest.fixture
async def gate(open_node: OpenIndex) -> AsyncIterator[threading.Event]:
    """What the writer waits at. Opened in the end: a test that fails would leave it there."""
    gate = threading.Event()
    yield gate
    gate.set()


def submit(index: Index, change: object = lambda: None) -> "asyncio.Task[object]":
    return asyncio.create_task(index.writer.submit(change))


class RefusingStore(MemoryStore):
    """A store that writes nothing while it *refuses*."""

    refuses = False

    def write(self, batch: Sequence[Change]) -> None:
        if self.refuses:
            self.trouble = StorageFailure("Input/output error")
        if self.trouble is not None:
            raise self.trouble
        super().write(batch)

    def recover(self) -> None:
        self.trouble = None
        super().recover()


async def turns() -> None:
    """Let every task go on as far as it can without the writer."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_who_gives_up_waiting_for_room_takes_none(
    room: None, open_node: OpenIndex, gate: threading.Event
):
    """Broken: each client that goes away while the disk is slow takes a place for ever."""
    index, done = open_node(), []
    full = [submit(index, gate.wait) for _ in range(ROOM)]
    await turns()
    waiting = [submit(index) for _ in range(3 * ROOM)]
    await turns()
    for task in (*full, *waiting):
        task.cancel()
    await asyncio.gather(*full, *waiting, return_exceptions=True)
    gate.set()
    async with asyncio.timeout(20):
        for _ in range(2 * ROOM):
            await asyncio.gather(*(submit(index, lambda: done.append(1)) for _ in range(ROOM)))
    assert len(done) == 2 * ROOM * ROOM


async def test_a_change_whose_client_is_gone_keeps_its_place_until_it_is_over(
    room: None, open_node: OpenIndex, gate: threading.Event
):
    """Broken: more changes wait than may, each holding its memory."""
    index, done = open_node(), []
    full = [submit(index, gate.wait) for _ in range(ROOM)]
    await turns()
    for task in full:
        task.cancel()
    later = submit(index, lambda: done.append(1))
    await turns()
    assert index.writer._room.locked(), "it waits for room"
    gate.set()
    async with asyncio.timeout(20):
        await later
    assert done == [1]


async def test_who_waits_for_room_when_the_index_is_closed_is_told(
    room: None, open_node: OpenIndex, gate: threading.Event
):
    """Broken: a request waits for ever, and with it the end of the node."""
    index = open_node()
    full = [submit(index, gate.wait) for _ in range(ROOM)]
    await turns()
    waiting = submit(index)
    await turns()
    gate.set()
    index.writer.close()
    async with asyncio.timeout(20):
        with pytest.raises(StorageFailure):
            await waiting
        await asyncio.gather(*full)


async def test_what_need_not_be_synced_waits_for_no_sync_and_causes_none(
    open_node: OpenIndex, monkeypatch: pytest.MonkeyPatch
):
    """Broken: a chunk of an upload costs a sync, or waits until others have had theirs."""
    index, synced, syncing = open_node(), threading.Event(), threading.Event()

    def sync() -> None:
        syncing.set()
        assert synced.wait(20)

    monkeypatch.setattr(index.journal.store, "sync", sync)
    opened = UploadRecord("u-1", "lib/app", 0, 1.0)
    await index.metadata.note(PutUpload(opened))
    assert index.metadata.uploads() == [opened]
    assert not syncing.is_set()
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        gate = threading.Event()
        tasks.create_task(index.writer.submit(gate.wait, synced=False))
        await turns()
        # Both are of one group now.
        linked = tasks.create_task(index.metadata.put(AddBlob("lib/app", CONFIG, 6, held=True)))
        noted = tasks.create_task(index.metadata.note(DeleteUpload("u-1")))
        await turns()
        gate.set()
        await noted
        assert await asyncio.to_thread(syncing.wait, 20)
        assert not linked.done()
        synced.set()
    assert index.metadata.uploads() == []


async def test_a_row_that_could_not_be_written_is_told_and_the_next_one_is_written(
    open_node: OpenIndex,
):
    """Broken: a failed write of an upload's row stops the index, or is passed over."""
    store = RefusingStore()
    index = open_node(store=store)
    store.refuses = True
    with pytest.raises(StorageFailure):
        await index.metadata.note(PutUpload(UploadRecord("u-1", "lib/app", 0, 1.0)))
    store.refuses = False
    await index.metadata.note(PutUpload(UploadRecord("u-2", "lib/app", 0, 1.0)))
    assert [upload.id for upload in index.metadata.uploads()] == ["u-2"]
    assert index.writer.trouble is None
