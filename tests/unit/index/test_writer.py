"""How many changes may wait for the writer, and what becomes of those who wait for room."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from node.errors import StorageFailure
from node.index import writer as module
from node.index.index import Index
from tests.unit.index.conftest import OpenIndex

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
