"""The promises of `ControlStore`, held by the index on both stores and by the engine's fake."""

from collections.abc import AsyncIterator, Callable
from operator import attrgetter
from pathlib import Path

import pytest

from cluster.ports import ControlStore, SavedControl
from tests.contract.reopened import KINDS, reopened
from tests.fakes.control_store import MemoryControl

Reopen = Callable[[], ControlStore]


@pytest.fixture(params=KINDS)
async def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Reopen]:
    with reopened(request.param, tmp_path, MemoryControl(), attrgetter("control")) as open_again:
        yield open_again


async def test_nothing_was_decided_at_first(reopen: Reopen):
    saved = reopen().load()
    assert (saved.acceptor, list(saved.slots), list(saved.ended)) == (b"", [], [])


async def test_what_was_saved_is_there_after_a_restart(reopen: Reopen):
    """Broken: an acceptor forgets what it promised, and two values are decided in one slot."""
    store = reopen()
    await store.save(b"promised", {1: b"one", 2: b"two"})
    await store.save(b"accepted", {})
    await store.save(b"more", {3: b"three"})
    saved = reopen().load()
    assert SavedControl(saved.acceptor, list(saved.slots)) == (
        b"more",
        [b"one", b"two", b"three"],
        (),
    )


async def test_slots_come_in_their_order(reopen: Reopen):
    """Beyond 255 and 65,535, too, where keys by text would not."""
    store = reopen()
    for slot in range(250, 261):
        await store.save(b"", {slot: str(slot).encode()})
    await store.save(b"", {70_000: b"70000"})
    found = [int(row) for row in reopen().load().slots]
    assert found == [*range(250, 261), 70_000]
