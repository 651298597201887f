"""A disk has a name, made with its index, and what it has of the control log goes together."""

import random
from collections.abc import Sequence

from node.index.store import Change
from tests.fakes.ordered_store import MemoryStore
from tests.unit.index.conftest import OpenIndex


async def test_an_old_index_keeps_its_name(open_node: OpenIndex):
    """Broken: each restart is another disk, and no node is a member any more."""
    store = MemoryStore()
    first = open_node("a", store, rng=random.Random(1))
    first.writer.close()
    again = open_node("a", store, rng=random.Random(2))
    assert again.disk == first.disk
    assert again.replica.origin != first.replica.origin, "though it is another run"


async def test_a_new_index_is_another_disk(open_node: OpenIndex):
    """Broken: a wiped disk counts for what it had."""
    rng = random.Random(1)
    names = [open_node("a", MemoryStore(), rng=rng).disk for _ in range(50)]
    assert len(set(names)) == 50
    assert all(len(name) == 16 and name == name.lower() for name in names)


class Noting(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.batches: list[Sequence[Change]] = []

    def write(self, batch: Sequence[Change]) -> None:
        self.batches.append(list(batch))
        super().write(batch)


async def test_acceptor_and_slots_are_one_batch_and_synced(open_node: OpenIndex):
    """Broken: a slot is there, and the counter that says so is not, or the other way round."""
    store = Noting()
    index = open_node("a", store)
    store.batches.clear()
    await index.control.save(b"state", {1: b"one", 2: b"two"})
    (batch,) = store.batches
    assert {change.value for change in batch} == {b"state", b"one", b"two"}
    store.crash()
    saved = index.control.load()
    assert (saved.acceptor, list(saved.slots)) == (b"state", [b"one", b"two"])
