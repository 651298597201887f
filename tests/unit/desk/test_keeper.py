"""The counters are what a scan would count, whatever was written and how."""

import asyncio
import random

import pytest

from cluster.errors import StorageFailure
from cluster.model import Key
from cluster.objects import Write
from node.desk import counts, keeper
from node.desk.catalogue_desk import CatalogueDesk
from node.desk.keeper import CatalogueKeeper
from node.index import changed, keys
from node.index.changed import ChangedNames
from node.index.index import Index
from node.index.store import Mutation
from node.index.worded import Observer, WrittenBatch
from node.registry.values import AddBlob, DeleteBlob, DeleteManifest, DeleteTag
from tests.fakes.log import MemoryLog
from tests.fakes.ordered_store import MemoryStore
from tests.unit.desk.desks import counted, kept, running, scanned
from tests.unit.index.conftest import OpenIndex
from tests.unit.index.nodes import LAYER, digest_of, foreign, push, restore, store


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than one page of whatever is counted."""
    monkeypatch.setattr(counts, "ROWS_TOGETHER", 3)


async def agrees(desk: CatalogueDesk, index: Index) -> None:
    await counted(desk.keeper)
    assert kept(desk.keeper) == scanned(index)


async def fill(index: Index) -> None:
    for number in range(8):
        await push(index, "lib/app", f"{number}", f"v{number}", f"w{number % 3}")
    await push(index, "lib/other", "x")
    await index.metadata.put(AddBlob("lib/other", LAYER, 1000, held=True))
    await index.metadata.put(AddBlob("only/blobs", LAYER, 1000, held=True))
    await push(index, "z", "y", "latest")


async def test_all_is_counted_at_the_start(open_node: OpenIndex):
    index = open_node()
    await fill(index)
    async with running(index) as desk:
        assert set(kept(desk.keeper)) == {"lib/app", "lib/other", "z"}
        assert kept(desk.keeper)["lib/app"][:2] == (11, 6)
        assert kept(desk.keeper)["lib/other"][:2] == (0, 1006)
        await agrees(desk, index)


async def test_what_is_written_later_is_counted(open_node: OpenIndex):
    index = open_node()
    async with running(index) as desk:
        assert kept(desk.keeper) == {}
        await fill(index)
        await agrees(desk, index)
        before = kept(desk.keeper)["lib/app"]
        await push(index, "lib/app", "0", "again")
        await agrees(desk, index)
        after = kept(desk.keeper)["lib/app"]
        assert after[0] == before[0] + 1
        assert after[2] > before[2], "the same image was pushed once more"


async def test_deletions_are_counted(open_node: OpenIndex):
    index = open_node()
    await fill(index)
    async with running(index) as desk:
        await index.metadata.delete(DeleteTag("lib/app", "v1"))
        await index.metadata.delete(DeleteBlob("lib/other", LAYER))
        await agrees(desk, index)
        await index.metadata.delete(DeleteManifest("lib/app", digest_of("7")))
        await index.metadata.delete(DeleteManifest("z", digest_of("y")))
        await agrees(desk, index)
        assert "z" not in kept(desk.keeper)
        assert list(desk.keeper.catalogue.containing("z")) == []


async def test_a_conflict_is_counted_and_its_tag_once(open_node: OpenIndex):
    index = open_node()
    await fill(index)
    async with running(index) as desk:
        tags = kept(desk.keeper)["lib/app"][0]
        tag = Key("tag", "lib/app", "v1")
        await index.replica.apply([foreign(index, 1, tag, Write((), digest_of("2")))])
        await agrees(desk, index)
        assert kept(desk.keeper)["lib/app"][0] == tags
        assert kept(desk.keeper)["lib/app"][3] == 1
        await store(index, "3", "v1", repository="lib/app")
        await agrees(desk, index)
        assert kept(desk.keeper)["lib/app"][3] == 0


async def test_a_conflict_with_what_is_not_there_counts_no_tag(open_node: OpenIndex):
    """The later head points to a manifest that was never pushed: the tag is not served."""
    index = open_node()
    await fill(index)
    async with running(index) as desk:
        tag = Key("tag", "lib/app", "v1")
        await index.replica.apply([foreign(index, 1, tag, Write((), digest_of("none")))])
        await agrees(desk, index)
        assert kept(desk.keeper)["lib/app"][0] == 10


@pytest.mark.parametrize("seed", range(4))
async def test_many_writers_at_once(open_node: OpenIndex, seed: int):
    """Broken: a write that comes while its repository is counted is not counted any more."""
    index, rng = open_node(), random.Random(seed)

    async def write(writer: int) -> None:
        for step in range(25):
            repository, text = f"lib/{rng.randrange(4)}", str(rng.randrange(6))
            match rng.randrange(6):
                case 0:
                    await index.metadata.delete(DeleteTag(repository, f"v{rng.randrange(5)}"))
                case 1:
                    await index.metadata.delete(DeleteManifest(repository, digest_of(text)))
                case 2:
                    await index.metadata.put(AddBlob(repository, LAYER, 1000, held=True))
                case 3:
                    await index.metadata.delete(DeleteBlob(repository, LAYER))
                case _:
                    await push(index, repository, text, f"v{rng.randrange(5)}")
            if step % 5 == writer:
                await asyncio.sleep(0)

    async def ask(desk: CatalogueDesk) -> None:
        for _ in range(20):
            await desk.keeper.refresh()
            await asyncio.sleep(0)

    async with running(index) as desk, asyncio.TaskGroup() as tasks:
        writers = [tasks.create_task(write(number)) for number in range(5)]
        tasks.create_task(ask(desk))
        await asyncio.wait(writers)
        await agrees(desk, index)


async def test_a_checkpoint_changes_everything(open_node: OpenIndex):
    source, target = open_node("a"), open_node("b")
    await fill(source)
    await push(target, "lost/app", "gone", "v1")
    async with running(target) as desk:
        assert set(kept(desk.keeper)) == {"lost/app"}
        await restore(source, target)
        await agrees(desk, target)
        assert {"lib/app", "lib/other", "z"} <= set(kept(desk.keeper))


async def test_while_a_checkpoint_comes_it_says_so(open_node: OpenIndex):
    """Broken: a node that has nothing yet says that there is nothing."""
    target = open_node("b")
    await fill(target)
    async with running(target) as desk:
        target.journal.restoring = True
        target.changes.note(set(), everything=True)
        await desk.keeper.refresh()
        assert desk.keeper.building
        assert set(kept(desk.keeper)) == {"lib/app", "lib/other", "z"}, "as they were"
        target.journal.restoring = False
        await agrees(desk, target)


async def test_a_store_that_was_opened_again_is_counted_again(open_node: OpenIndex):
    memory = MemoryStore()
    index = open_node(store=memory)
    await fill(index)
    async with running(index) as desk:
        index.journal.store.write([Mutation("blobs", keys.join("z", LAYER), None)])
        await counted(desk.keeper)
        await index.writer.submit(index.journal.store.recover)
        desk.keeper.look()
        assert desk.keeper.building
        await agrees(desk, index)


async def test_a_restart_counts_the_same(open_node: OpenIndex):
    memory = MemoryStore()
    index = open_node(store=memory)
    await fill(index)
    async with running(index) as desk:
        before = kept(desk.keeper)
    index.writer.close()
    again = open_node(store=memory)
    async with running(again) as desk:
        assert kept(desk.keeper) == before
        await push(again, "lib/app", "new", "v9")
        await agrees(desk, again)


class Failing(MemoryStore):
    """Cannot be read for a while."""

    fails = False

    def scan(self, family, start, stop):
        if self.fails:
            raise StorageFailure("EIO")
        return super().scan(family, start, stop)


async def test_a_disk_that_fails_is_tried_again(
    open_node: OpenIndex, monkeypatch: pytest.MonkeyPatch
):
    """Broken: a node stops because nobody could count."""
    monkeypatch.setattr(keeper, "_RETRY_S", 0.01)
    memory = Failing()
    index = open_node(store=memory)
    await fill(index)
    async with running(index) as desk:
        memory.fails = True
        await push(index, "lib/app", "new", "v9")
        await desk.keeper.refresh()
        await asyncio.sleep(0.05)
        assert desk.keeper.building
        memory.fails = False
        await agrees(desk, index)


async def test_a_row_that_cannot_be_read_is_told_and_leaves_the_others(open_node: OpenIndex):
    index, log = open_node(), MemoryLog()
    await fill(index)
    async with running(index, log) as desk:
        index.journal.store.write([Mutation("blobs", keys.join("z", LAYER), b"\xc1")])
        await counted(desk.keeper)
        assert set(kept(desk.keeper)) == {"lib/app", "lib/other"}
    assert [line.fields["repository"] for line in log.named("a repository cannot be counted")] == [
        "z"
    ]


async def test_who_pushed_last_is_what_the_tag_says(open_node: OpenIndex):
    index = open_node()
    index.metadata.who = lambda: "ann"
    await push(index, "lib/app", "one", "v1")
    index.metadata.who = lambda: "bob"
    await push(index, "lib/app", "two", "v2")
    async with running(index) as desk:
        assert desk.keeper.catalogue.get("lib/app").who == "bob"
        await push(index, "lib/app", "three")
        await counted(desk.keeper)
        assert desk.keeper.catalogue.get("lib/app").who == "", "no tag tells it"


async def test_nothing_is_noted_for_nobody(open_node: OpenIndex):
    """Broken: a desk that nobody runs gathers what is written, for ever."""
    index, observers = open_node(), list[Observer]()
    keeper = CatalogueKeeper(index.metadata, observers.append, MemoryLog())
    assert not observers
    noted = ChangedNames()
    await fill(index)
    index.observe(noted)
    assert noted.take() == (set(), False)
    await push(index, "z", "more")
    found = noted.take()
    assert not found.everything
    assert b"z" in found.names
    assert keeper.building


async def test_what_failed_to_be_written_is_looked_at(open_node: OpenIndex):
    """Broken: it was written after all, and never counted."""
    index, noted = open_node(), ChangedNames()
    noted(WrittenBatch((), {b"a"}, everything=False, failed=True))
    assert noted.take() == ({b"a"}, False)
    index.observe(noted)
    index.journal.store.recover()
    assert noted.take() == (set(), True)


def test_who_is_slow_to_take_is_told_that_all_has_changed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(changed, "WAITING_MAX", 3)
    noted = ChangedNames()
    for name in (b"a", b"b", b"c"):
        noted(WrittenBatch((), {name}, everything=False, failed=False))
    assert noted.take() == ({b"a", b"b", b"c"}, False)
    for name in (b"a", b"b", b"c", b"d", b"e"):
        noted(WrittenBatch((), {name}, everything=False, failed=False))
    assert noted.take() == ({b"e"}, True)
