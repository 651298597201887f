"""What this node holds, answered from memory: always what its own rows say."""

import pytest

from cluster.model import Digest, Key
from cluster.objects import Hold
from node.errors import StorageFailure
from node.index.memory import MemoryStore
from node.index.opening import Index
from node.index.own import OwnBlobs
from node.index.rows import HolderRow
from tests.unit.index.conftest import OpenIndex
from tests.unit.index.test_metadata import CONFIG, LAYER, FailingStore
from tests.unit.index.test_replica import foreign, log_of


def sizes(index: Index) -> list[int | None]:
    return [index.replica.held_size(digest) for digest in (CONFIG, LAYER)]


async def test_it_follows_what_the_node_says(open_node: OpenIndex):
    """Broken: a blob that is here is fetched from elsewhere, or one that is gone is counted."""
    index = open_node()
    assert sizes(index) == [None, None]
    await index.replica.hold(CONFIG, 6)
    await index.metadata.link_blob("lib/app", LAYER, 5, held=True, upload_id=None)
    assert sizes(index) == [6, 5]
    assert (len(index.journal.own), index.journal.own.bytes) == (2, 11)
    await index.replica.release(CONFIG)
    assert sizes(index) == [None, 5]
    assert (len(index.journal.own), index.journal.own.bytes) == (1, 5)


async def test_what_others_hold_is_not_here(open_node: OpenIndex):
    one, other = open_node("a"), open_node("b")
    await one.replica.hold(CONFIG, 6)
    await other.replica.apply(log_of(one))
    await other.metadata.link_blob("lib/app", LAYER, 5, held=False, upload_id=None)
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
    before, index = open_node("a"), open_node("a")
    await before.replica.hold(CONFIG, 6)
    await before.replica.hold(LAYER, 5)
    await index.replica.hold(LAYER, 5)
    await index.replica.apply(log_of(before))
    assert sizes(index) == [None, 5], "one is here all the same"
    await index.replica.hold(CONFIG, 6)
    assert sizes(index) == [6, 5]


async def test_a_checkpoint_that_is_taken_over_says_the_same(open_node: OpenIndex):
    one, other = open_node("a"), open_node("b")
    await other.replica.hold(CONFIG, 6)
    await one.replica.apply(log_of(other))
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
    own.note(short, HolderRow(True, 1, 1, 1, 1), stands=True)
    assert (own.size(short), own.size(long)) == (1, None)
    own.note(long, HolderRow(True, 2, 1, 1, 2), stands=True)
    for _ in range(2):
        own.note(short, HolderRow(False, 0, 2, 1, 3), stands=True)
    assert (own.size(short), own.size(long), own.bytes) == (None, 2, 2)
