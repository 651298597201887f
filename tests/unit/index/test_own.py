"""What this node holds, answered from memory: always what its own rows say."""

import random

import pytest

from cluster.model import Digest, Held, Key
from cluster.objects import Hold
from node.errors import StorageFailure
from node.index.index import Index
from node.index.own import OwnBlobs
from node.registry.values import AddBlob
from tests.fakes.ordered_store import FailingStore, MemoryStore
from tests.unit.index.conftest import OpenIndex
from tests.unit.index.nodes import CONFIG, LAYER, foreign, hear, log_of


def sizes(index: Index) -> list[int | None]:
    return [index.replica.held_size(digest) for digest in (CONFIG, LAYER)]


async def test_it_follows_what_the_node_says(open_node: OpenIndex):
    """Broken: a blob that is here is fetched from elsewhere, or one that is gone is counted."""
    index = open_node()
    assert sizes(index) == [None, None]
    await index.replica.hold(CONFIG, 6)
    await index.metadata.put(AddBlob("lib/app", LAYER, 5, held=True))
    assert sizes(index) == [6, 5]
    assert (len(index.journal.own), index.journal.own.bytes) == (2, 11)
    await index.replica.release(CONFIG)
    assert sizes(index) == [None, 5]
    assert (len(index.journal.own), index.journal.own.bytes) == (1, 5)


async def test_a_cached_copy_is_here_and_no_event_says_so(open_node: OpenIndex):
    """Broken: a pull is told to the world, or its blob is fetched again by the next one."""
    store = MemoryStore()
    index = open_node(store=store)
    await index.replica.cache(CONFIG, 6)
    for each in (index, open_node(store=store)):
        assert (each.replica.held_size(CONFIG), each.replica.size_here(CONFIG)) == (None, 6)
        assert log_of(each) == []
        assert each.replica.cached_here(None, 9) == [Held(CONFIG, 6, stands=True)]
        assert each.replica.held_here(None, 9) == []


async def test_a_cached_copy_that_is_held_is_cached_no_more(open_node: OpenIndex):
    """Broken: one copy stands in two roles, and goes as the lesser one."""
    index = open_node()
    await index.replica.cache(CONFIG, 6)
    await index.replica.hold(CONFIG, 6)
    assert index.replica.held_size(CONFIG) == 6
    assert index.replica.cached_here(None, 9) == []
    assert len(index.journal.cached) == 0
    await index.replica.cache(CONFIG, 6)
    assert index.replica.cached_here(None, 9) == [], "the greater role stays"


async def test_a_cached_copy_that_is_gone_is_forgotten_without_a_word(open_node: OpenIndex):
    index = open_node()
    await index.replica.cache(CONFIG, 6)
    await index.replica.release(CONFIG)
    assert index.replica.size_here(CONFIG) is None
    assert index.replica.cached_here(None, 9) == []
    assert log_of(index) == []


async def test_cached_copies_outlast_a_checkpoint_that_is_taken_over(open_node: OpenIndex):
    """Broken: their files stay on the disk for ever, and nobody knows of them."""
    one, other = open_node("a"), open_node("b")
    await one.replica.hold(LAYER, 5)
    await other.replica.cache(CONFIG, 6)
    checkpoint = await one.replica.checkpoint()
    await other.replica.begin_restore(checkpoint.head)
    await other.replica.restore(checkpoint.part(b""))
    await other.replica.end_restore()
    checkpoint.close()
    assert other.replica.size_here(CONFIG) == 6
    assert other.replica.size_here(LAYER) is None


async def test_what_others_hold_is_not_here(open_node: OpenIndex):
    one, other = open_node("a"), open_node("b")
    await one.replica.hold(CONFIG, 6)
    await hear(other, one)
    await other.metadata.put(AddBlob("lib/app", LAYER, 5, held=False))
    assert sizes(other) == [None, None]


async def test_a_restart_builds_it_anew(open_node: OpenIndex):
    """Broken: after a restart a node fetches what is on its own disk."""
    store = MemoryStore()
    first = open_node(store=store)
    await first.replica.hold(CONFIG, 6)
    await first.replica.hold(LAYER, 5)
    await first.replica.release(CONFIG)
    first.writer.close()
    again = open_node(store=store)
    assert sizes(again) == [None, 5]
    assert (len(again.journal.own), again.journal.own.bytes) == (1, 5)


async def test_what_could_not_be_synced_is_not_there(open_node: OpenIndex):
    """Broken: memory says what was refused, and its blob counts as a copy for ever."""
    store = FailingStore()
    index = open_node(store=store)
    await index.replica.hold(LAYER, 5)
    store.failing = True
    with pytest.raises(StorageFailure):
        await index.replica.hold(CONFIG, 6)
    with pytest.raises(StorageFailure):
        await index.replica.release(LAYER)
    store.failing = False
    await index.replica.hold(Digest.of(b"other"), 5)
    assert sizes(index) == [None, 5]
    assert len(index.journal.own) == 2


async def test_a_row_that_came_back_from_peers_brings_no_blob(open_node: OpenIndex):
    """Broken: a node whose disk was replaced counts what it had, and confirms it to others."""
    before, index = open_node("a"), open_node("a", rng=random.Random("later"))
    await before.replica.hold(CONFIG, 6)
    await before.replica.hold(LAYER, 5)
    await index.replica.hold(LAYER, 5)
    await hear(index, before)
    assert sizes(index) == [None, 5], "one is here all the same"
    await index.replica.hold(CONFIG, 6)
    assert sizes(index) == [6, 5]


async def test_rows_that_came_back_from_peers_leave_a_cached_copy(open_node: OpenIndex):
    """Broken: its file stays on the disk, and no row names it."""
    before, index = open_node("a"), open_node("a", rng=random.Random("later"))
    await index.replica.cache(CONFIG, 6)
    await index.replica.cache(LAYER, 5)
    await before.replica.hold(CONFIG, 6)
    await before.replica.hold(LAYER, 5)
    await before.replica.release(CONFIG)
    await hear(index, before)
    assert [index.replica.size_here(digest) for digest in (CONFIG, LAYER)] == [6, 5]
    assert sizes(index) == [None, None]


async def test_an_empty_blob_is_a_blob(open_node: OpenIndex):
    index, empty = open_node(), Digest.of(b"")
    await index.replica.hold(empty, 0)
    assert index.replica.held_size(empty) == 0
    await index.replica.cache(empty, 0)
    assert index.replica.cached_here(None, 9) == []


async def test_a_checkpoint_that_is_taken_over_says_the_same(open_node: OpenIndex):
    one, other = open_node("a"), open_node("b")
    await other.replica.hold(CONFIG, 6)
    await hear(one, other)
    await one.replica.hold(LAYER, 5)
    checkpoint = await one.replica.checkpoint()
    await other.replica.begin_restore(checkpoint.head)
    await other.replica.restore(checkpoint.part(b""))
    await other.replica.end_restore()
    checkpoint.close()
    assert sizes(other) == [6, None]
    assert other.replica.held_here(None, 9)[0].digest == CONFIG


async def test_an_older_row_of_this_node_changes_nothing(open_node: OpenIndex):
    index = open_node("z")
    await index.replica.hold(CONFIG, 6)
    key = Key("holder", "", CONFIG)
    await index.replica.apply([foreign(index, 1, key, Hold(held=False, size=0), stamp=1)])
    assert sizes(index) == [6, None]


def test_two_algorithms_do_not_meet():
    own, short, long = OwnBlobs(), Digest.of(b"x"), Digest.of(b"x", "sha512")
    own.note(short, 1)
    assert (own.size(short), own.size(long)) == (1, None)
    own.note(long, 2)
    own.note(short, None)
    own.note(short, None)
    assert (own.size(short), own.size(long), own.bytes) == (None, 2, 2)
