"""The sums over the shared rows: what they must notice, and that keeping them up never drifts."""

import asyncio
import random
from itertools import chain

import pytest

from cluster.model import Digest
from node.errors import IndexFull
from node.index.index import Index
from node.index.merkle import RowChange, Sums, shared_rows
from node.index.store import END, FAMILIES, LOCAL_FAMILIES, SHARED_FAMILIES, Mutation
from node.registry.values import (
    AddBlob,
    DeleteBlob,
    DeleteManifest,
    DeleteSetting,
    DeleteTag,
    PutSetting,
)
from tests.fakes.ordered_store import FullStore
from tests.unit.index.conftest import OpenIndex
from tests.unit.index.nodes import CONFIG, hear, push, set_or_delete
from tests.unit.index.test_replica import poison


def added(family: str, key: bytes, value: bytes) -> RowChange:
    return RowChange(family, key, None, value)


def agree(index: Index) -> bool:
    store = index.journal.store
    return index.journal.sums == Sums.recompute(store) == Sums.load(store)


async def use(index: Index) -> None:
    """A bit of everything."""
    one = await push(index, "lib/app", "x", "a", "b")
    await push(index, "lib/app", "y", "b", subject=one)
    await push(index, "lib/app", "y", "c", subject=one)
    await index.metadata.delete(DeleteTag("lib/app", "a"))
    await index.metadata.delete(DeleteManifest("lib/app", one))
    await index.metadata.delete(DeleteBlob("lib/app", CONFIG))
    await index.replica.release(CONFIG)
    await index.metadata.put(PutSetting("project", "lib", '{"history_max":9}'))
    await index.metadata.put(PutSetting("project", "gone", "{}"))
    await index.metadata.delete(DeleteSetting("project", "gone"))
    await index.metadata.put(AddBlob("lib/app", CONFIG, 6, held=True))
    await push(index, "lib/app", "w", "b", "w")


async def test_sums_kept_up_are_the_sums_of_the_rows(open_node: OpenIndex):
    """If this fails, healthy nodes alarm and wipe their index for nothing."""
    one, other = open_node("a"), open_node("b")
    await use(one)
    await one.replica.apply(poison(one))
    assert one.journal.sums.rows > 5
    assert agree(one)
    await push(other, "lib/app", "elsewhere", "b")
    assert agree(other)
    await hear(other, one)
    assert agree(other)


async def test_every_shared_family_is_summed_up(open_node: OpenIndex):
    """A family that is left out may differ for ever. That is also why all of them are used here."""
    one, other = open_node("a"), open_node("b")
    await use(one)
    await push(other, "lib/app", "elsewhere", "b")
    await hear(one, other)
    for family in SHARED_FAMILIES:
        found = list(one.journal.store.scan(family, b"", END))
        assert found, f"{family} is not used by this test"
        before = one.journal.sums
        one.journal.store.write([Mutation(family, key, None) for key, _ in found])
        assert Sums.recompute(one.journal.store) != before, family
        one.journal.store.write([Mutation(family, key, value) for key, value in found])
    assert agree(one)


async def test_a_full_disk_takes_sums_and_floors_back_with_the_rows(open_node: OpenIndex):
    """
    Broken: the node differs from all others for ever, by sums of rows that the disk never took,
    or sends its peers to a checkpoint for events that it has.
    """
    store = FullStore()
    index = open_node(store=store)
    await use(index)
    half = {origin: seq // 2 for origin, seq in index.replica.vector().items()}
    await index.replica.trim(half)
    sums = index.journal.sums
    store.full = True
    with pytest.raises(IndexFull):
        await push(index, "lib/app", "refused", "b", "r")
    with pytest.raises(IndexFull):
        await index.replica.trim(index.replica.vector())
    store.full = False
    await index.metadata.delete(DeleteTag("lib/app", "never"))
    assert index.journal.sums == sums
    assert agree(index)
    assert index.replica.floor() == half
    [(origin, seq)] = index.replica.vector().items()
    logged = index.replica.events_after(origin, half[origin], max_bytes=1 << 20)
    assert [event.dot.seq for event in logged] == list(range(half[origin] + 1, seq + 1))
    await push(index, "lib/app", "taken", "b")
    assert agree(index)


async def test_equal_rows_have_equal_sums_and_others_not(open_node: OpenIndex):
    """The compare would find nothing, or always something."""
    one, other = open_node("a"), open_node("b")
    await use(one)
    await hear(other, one)
    assert other.journal.sums == one.journal.sums
    await push(one, "lib/app", "z", "d")
    assert other.journal.sums != one.journal.sums


def test_a_row_counts_by_family_key_and_value():
    """A row under the wrong key, or in the wrong family, is a difference too."""
    rows = [
        ("tags", b"a", b"bc"),
        ("tags", b"ab", b"c"),
        ("linked", b"a", b"bc"),
        ("tags", b"a", b""),
    ]
    sums = {Sums().after([added(*row)])[0] for row in rows}
    assert len(sums) == len(rows)
    assert Sums() not in sums


def test_what_comes_and_goes_leaves_nothing():
    row = added("tags", b"k", b"v")
    sums, stored = Sums().after([row])
    assert (sums.rows, len(stored)) == (1, 1)
    empty, gone = sums.after([RowChange("tags", b"k", b"v", None)])
    assert empty == Sums()
    assert [mutation.value for mutation in gone] == [None], "a node that never had it has no row"


def test_a_change_to_the_same_value_writes_nothing():
    sums, _ = Sums().after([added("tags", b"k", b"v")])
    assert sums.after([RowChange("tags", b"k", b"v", b"v")]) == (sums, [])


@pytest.mark.parametrize("family", sorted(LOCAL_FAMILIES))
def test_what_is_a_node_s_own_does_not_count(family: str):
    """Logs begin where each node trimmed them; uploads are open on one node."""
    assert family in FAMILIES
    assert Sums().after([added(family, b"k", b"v")]) == (Sums(), [])


async def test_random_changes_never_drift(open_node: OpenIndex):
    rng = random.Random(5)
    index = open_node()
    for _ in range(60):
        text = str(rng.randrange(5))
        match rng.randrange(7):
            case 0 | 1:
                await push(index, "lib/app", text, rng.choice("abc"))
            case 2:
                await index.metadata.delete(DeleteTag("lib/app", rng.choice("abc")))
            case 3:
                await index.replica.release(CONFIG)
            case 4:
                digest = index.metadata.tag("lib/app", rng.choice("abc"))
                await index.metadata.delete(DeleteManifest("lib/app", digest or Digest.of(b"")))
            case 5:
                value = rng.choice(["{}", '{"history_max":9}', None])
                await set_or_delete(index, "project", rng.choice("abc"), value)
            case 6:
                await index.metadata.delete(DeleteBlob("lib/app", CONFIG))
    assert agree(index)


async def test_a_check_finds_a_row_that_changed_by_itself(open_node: OpenIndex):
    """
    Broken: what rots is served, and sent to peers, for ever; or a healthy index is thrown away,
    because rows were written while it was checked.
    """
    index = open_node()
    await use(index)
    for text in range(300):
        await push(index, "lib/many", f"m{text}", "t")
    check = asyncio.create_task(index.replica.check_rows())
    while not check.done():
        await push(index, "lib/app", "meanwhile", "b")
    assert check.result()
    key, value = next(iter(index.journal.store.scan("tags", b"", END)))
    index.journal.store.write([Mutation("tags", key, value[:-1] + bytes([value[-1] ^ 1]))])
    before = await index.replica.summed()
    assert not await index.replica.check_rows()
    assert before.sums == index.journal.sums.encode(), "the sums alone do not show it"
    index.journal.store.write([Mutation("tags", key, None)])
    assert not await index.replica.check_rows()
    index.journal.store.write([Mutation("tags", key, value)])
    assert await index.replica.check_rows()


@pytest.mark.parametrize("rows_max", [1, 2, 7, 1000])
async def test_a_check_reads_each_row_once_however_it_is_cut(open_node: OpenIndex, rows_max: int):
    """Broken: an index of a certain size counts as damaged."""
    index = open_node()
    await use(index)
    snapshot = index.journal.store.snapshot(SHARED_FAMILIES)
    pages = list(shared_rows(snapshot, rows_max))
    snapshot.close()
    assert Sums().after(chain(*pages))[0] == index.journal.sums
    assert all(0 < len(page) <= rows_max for page in pages)
