"""The sums over the shared rows: what they must notice, and that keeping them up never drifts."""

import random

import pytest

from cluster.model import Digest
from node.index.memory import MemoryStore
from node.index.merkle import RowChange, Sums
from node.index.opening import Index
from node.index.store import FAMILIES, LOCAL_FAMILIES, Mutation
from tests.unit.index.conftest import OpenIndex
from tests.unit.index.test_metadata import CONFIG, push
from tests.unit.index.test_replica import log_of, poison


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
    await index.metadata.delete_tag("lib/app", "a")
    await index.metadata.delete_manifest("lib/app", one)
    await index.metadata.delete_blob("lib/app", CONFIG)
    await index.replica.release(CONFIG)


async def test_sums_kept_up_are_the_sums_of_the_rows(open_node: OpenIndex):
    """If this fails, healthy nodes alarm and wipe their index for nothing."""
    one, other = open_node("a"), open_node("b")
    await use(one)
    await one.replica.apply(poison(one))
    assert one.journal.sums.rows > 5
    assert agree(one)
    await other.replica.apply(log_of(one))
    assert agree(other)


async def test_equal_rows_have_equal_sums_and_others_not(open_node: OpenIndex):
    """The compare would find nothing, or always something."""
    one, other = open_node("a"), open_node("b")
    await use(one)
    await other.replica.apply(log_of(one))
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


async def test_an_old_directory_gets_its_sums(open_node: OpenIndex):
    """Without them a node that was upgraded would differ from every other one."""
    from node.index import keys

    store = MemoryStore()
    old = open_node(store=store)
    await use(old)
    old.writer.close()
    store.write([Mutation("meta", keys.join("format"), keys.u64(1))])
    store.write([Mutation("merkle", bytes([n]), None) for n in range(256)])
    assert Sums.load(store) == Sums()
    again = open_node(store=store)
    assert agree(again)
    assert again.journal.sums.rows > 0
    assert store.get("meta", keys.join("format")) == keys.u64(2)


async def test_random_changes_never_drift(open_node: OpenIndex):
    rng = random.Random(5)
    index = open_node()
    for _ in range(60):
        text = str(rng.randrange(5))
        match rng.randrange(5):
            case 0 | 1:
                await push(index, "lib/app", text, rng.choice("abc"))
            case 2:
                await index.metadata.delete_tag("lib/app", rng.choice("abc"))
            case 3:
                await index.replica.release(CONFIG)
            case 4:
                digest = index.metadata.tag("lib/app", rng.choice("abc"))
                await index.metadata.delete_manifest("lib/app", digest or Digest.of(b""))
    assert agree(index)
