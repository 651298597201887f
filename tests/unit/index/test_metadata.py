"""The registry's view of the index: what a change makes visible, and what it must not touch."""

import asyncio
import itertools
import json
import random

import pytest

from cluster.model import Digest, Dot
from cluster.objects import Register, Version
from node.errors import (
    IndexDamaged,
    IndexFull,
    ManifestBlobUnknown,
    ManifestInvalid,
    StorageFailure,
)
from node.index import fallback, keys, queries, rows
from node.index.fallback import fallback_tag
from node.index.index import Index
from node.index.store import Mutation
from node.index.writer import TRIES_MAX
from node.registry import structure
from node.registry.values import (
    AddBlob,
    DeleteBlob,
    DeleteManifest,
    DeleteTag,
    PutManifest,
    PutSetting,
    PutUpload,
    UploadRecord,
)
from tests.builders import HandClock
from tests.fakes.ordered_store import FailingStore, FullStore, MemoryStore
from tests.unit.index.conftest import OpenIndex
from tests.unit.index.nodes import CONFIG, LAYER, manifest, push, push_index


@pytest.fixture
async def index(open_node: OpenIndex) -> Index:
    return open_node()


async def test_a_pushed_manifest_is_found_by_tag_and_digest(index: Index):
    digest = await push(index, "lib/app", "x", "latest", "1.0")
    assert index.metadata.tag("lib/app", "latest") == digest
    assert index.metadata.tag("lib/app", "1.0") == digest
    assert index.metadata.manifest("lib/app", digest) == manifest("x")[1]


async def test_names_that_begin_alike_never_meet(index: Index):
    await push(index, "lib/app", "x", "a")
    await push(index, "lib/app2", "y", "b")
    assert index.metadata.tags("lib/app", "", 10).items == ["a"]
    assert index.metadata.tags("lib/ap", "", 10).items == []
    assert not index.metadata.repository_exists("lib")


async def test_knowing_a_digest_gives_no_access_to_another_repository(index: Index):
    digest = await push(index, "lib/app", "x", "a")
    assert index.metadata.manifest("lib/other", digest) is None
    assert index.metadata.blob("lib/other", CONFIG) is None


async def test_missing_content_refuses_the_manifest_and_stores_nothing(index: Index):
    digest, record = manifest()
    with pytest.raises(ManifestBlobUnknown) as refused:
        await index.metadata.put(PutManifest("lib/app", digest, record, ["a"]))
    assert refused.value.missing == (CONFIG,)
    assert index.metadata.manifest("lib/app", digest) is None
    assert index.metadata.tag("lib/app", "a") is None
    assert index.replica.vector() == {}


async def test_a_size_that_is_not_the_stored_one_is_refused(index: Index):
    await index.metadata.put(AddBlob("lib/app", CONFIG, 7, held=True))
    digest, record = manifest()
    with pytest.raises(ManifestInvalid, match="7 bytes"):
        await index.metadata.put(PutManifest("lib/app", digest, record, []))


async def test_a_tag_moves(index: Index):
    await push(index, "lib/app", "x", "latest")
    second = await push(index, "lib/app", "y", "latest")
    assert index.metadata.tag("lib/app", "latest") == second


async def test_a_deleted_manifest_takes_its_tags_along_and_no_others(index: Index):
    first = await push(index, "lib/app", "x", "a", "b")
    second = await push(index, "lib/app", "y", "c")
    assert await index.metadata.delete(DeleteManifest("lib/app", first)) is not None
    assert index.metadata.manifest("lib/app", first) is None
    assert index.metadata.tags("lib/app", "", 10).items == ["c"]
    assert index.metadata.manifest("lib/app", second) is not None
    assert await index.metadata.delete(DeleteManifest("lib/app", first)) is None


async def test_a_deleted_manifest_can_be_pushed_again(index: Index):
    digest = await push(index, "lib/app", "x", "a")
    await index.metadata.delete(DeleteManifest("lib/app", digest))
    assert await push(index, "lib/app", "x", "a") == digest
    assert index.metadata.tag("lib/app", "a") == digest


async def test_a_deleted_tag_leaves_the_manifest(index: Index):
    digest = await push(index, "lib/app", "x", "a")
    assert await index.metadata.delete(DeleteTag("lib/app", "a")) is not None
    assert index.metadata.tag("lib/app", "a") is None
    assert index.metadata.manifest("lib/app", digest) is not None
    assert await index.metadata.delete(DeleteTag("lib/app", "a")) is None
    assert await index.metadata.delete(DeleteTag("lib/app", "never")) is None


async def test_pages_of_tags_are_in_byte_order_and_complete(index: Index):
    names = ["B", "a", "a.b", "a-b", "a_b", "b", "0"]
    await push(index, "lib/app", "x", *names)
    seen: list[str] = []
    last = ""
    while True:
        page = index.metadata.tags("lib/app", last, 2)
        seen += page.items
        if page.next_after is None:
            break
        last = page.next_after
    assert seen == sorted(names)


async def test_an_empty_page_is_empty(index: Index):
    await push(index, "lib/app", "x", "a")
    assert index.metadata.tags("lib/app", "", 0).items == []


async def test_a_page_of_the_catalog_is_bounded_by_what_is_looked_at(
    index: Index, monkeypatch: pytest.MonkeyPatch
):
    """Broken: repositories that hold a blob and no manifest stop the node for whoever lists."""
    monkeypatch.setattr(queries, "REPOSITORIES_SCAN_MAX", 2)
    await push(index, "a", "x")
    for name in ("b", "c", "d", "e"):
        await index.metadata.put(AddBlob(name, CONFIG, 6, held=True))
    await push(index, "f", "y")
    assert index.metadata.repositories("", 10) == (["a"], "b")
    assert index.metadata.repositories("b", 10) == ([], "d")
    assert index.metadata.repositories("d", 0) == ([], None)
    assert index.metadata.repositories("d", 10) == (["f"], None)


async def test_a_page_of_tags_is_bounded_by_what_is_looked_at(
    index: Index, monkeypatch: pytest.MonkeyPatch
):
    """Broken: whoever lists a repository while a manifest loses its million tags stops the node."""
    monkeypatch.setattr(queries, "TAGS_SCAN_MAX", 2)
    await push(index, "lib/app", "x", "a", "f")
    gone = Register((Version(Dot("a", 1, 1), 1, Digest.of(b"deleted")),))
    index.journal.store.write(
        [Mutation("tags", keys.join("lib/app", tag), rows.encode(gone)) for tag in "bcde"]
    )
    assert index.metadata.tags("lib/app", "", 10) == (["a"], "b")
    assert index.metadata.tags("lib/app", "b", 10) == ([], "d")
    assert index.metadata.tags("lib/app", "d", 10) == (["f"], None)
    assert index.metadata.tags("lib/app", "d", 0) == ([], None)


async def test_a_page_of_settings_is_bounded_by_what_is_looked_at(
    index: Index, monkeypatch: pytest.MonkeyPatch
):
    """The same for those that nobody has a value of: they await an event, or were deleted."""
    monkeypatch.setattr(queries, "SETTINGS_SCAN_MAX", 2)
    await index.metadata.put(PutSetting("project", "e", "{}"))
    awaited = rows.encode(Register((), (Dot("a", 1, 1),)))
    index.journal.store.write(
        [Mutation("settings", keys.join("project", name), awaited) for name in "abcd"]
    )
    assert index.metadata.settings("project", "", 10) == ([], "b")
    assert index.metadata.settings("project", "b", 10) == ([], "d")
    assert index.metadata.settings("project", "d", 10) == (["e"], None)


async def test_the_catalog_lists_repositories_with_manifests(index: Index):
    digest = await push(index, "b", "x")
    await push(index, "a/z", "y")
    await index.metadata.put(AddBlob("blobs-only", CONFIG, 6, held=True))
    assert index.metadata.repositories("", 10) == (["a/z", "b"], None)
    assert index.metadata.repositories("", 1) == (["a/z"], "a/z")
    assert index.metadata.repositories("a/z", 1) == (["b"], None)
    await index.metadata.delete(DeleteManifest("b", digest))
    assert index.metadata.repositories("", 10).items == ["a/z"]
    assert index.metadata.repository_exists("b"), "its blob is still there"


async def test_a_repository_without_content_is_gone(index: Index):
    await index.metadata.put(AddBlob("lib/app", CONFIG, 6, held=True))
    await index.metadata.delete(DeleteBlob("lib/app", CONFIG))
    assert not index.metadata.repository_exists("lib/app")
    assert list(index.metadata.repositories_with(CONFIG)) == []


async def test_referrers_follow_their_manifests(index: Index):
    subject = await push(index, "lib/app", "subject")
    one = await push(index, "lib/app", "one", subject=subject)
    two = await push(index, "lib/app", "two", subject=subject)
    found, following = index.metadata.referrers("lib/app", subject, frozenset(), "", 10)
    assert sorted(json.loads(entry)["digest"] for entry in found) == sorted([one, two])
    assert following is None
    page, following = index.metadata.referrers("lib/app", subject, frozenset(), "", 1)
    assert following == json.loads(page[0])["digest"]
    rest, end = index.metadata.referrers("lib/app", subject, frozenset(), following, 1)
    assert {json.loads(entry)["digest"] for entry in page + rest} == {one, two}
    assert end is None
    assert index.metadata.referrers("lib/app", subject, frozenset({"a/b"}), "", 10)[0] == found
    assert index.metadata.referrers("lib/app", subject, frozenset({"c/d"}), "", 10)[0] == []
    await index.metadata.delete(DeleteManifest("lib/app", one))
    found, _ = index.metadata.referrers("lib/app", subject, frozenset(), "", 10)
    assert [json.loads(entry)["digest"] for entry in found] == [two]
    assert index.metadata.referrers("lib/other", subject, frozenset(), "", 10)[0] == []


async def referrers_by_pages(
    index: Index, subject: Digest, *artifact_types: str
) -> list[list[Digest]]:
    pages, last = [], ""
    while last is not None:
        found, last = index.metadata.referrers(
            "lib/app", subject, frozenset(artifact_types), last, 1000
        )
        pages.append([json.loads(entry)["digest"] for entry in found])
    return pages


async def test_a_page_of_referrers_has_a_bound_in_bytes(
    index: Index, monkeypatch: pytest.MonkeyPatch
):
    """Broken: a thousand descriptors with annotations are one answer of any size."""
    subject = await push(index, "lib/app", "subject")
    pushed = [await push(index, "lib/app", str(n), subject=subject) for n in range(5)]
    entry = len(index.metadata.referrers("lib/app", subject, frozenset(), "", 1)[0][0])
    monkeypatch.setattr(queries, "REFERRERS_PAGE_BYTES", 2 * entry - 1)
    pages = await referrers_by_pages(index, subject)
    assert [len(page) for page in pages] == [2, 2, 1]
    assert sorted(itertools.chain(*pages)) == sorted(pushed)


async def test_a_filtered_page_of_referrers_looks_at_so_many(
    index: Index, monkeypatch: pytest.MonkeyPatch
):
    """Broken: a filter that nothing passes reads every referrer before it answers."""
    subject = await push(index, "lib/app", "subject")
    pushed = [await push(index, "lib/app", str(n), subject=subject) for n in range(5)]
    monkeypatch.setattr(queries, "REFERRERS_SCAN_MAX", 2)
    assert [len(page) for page in await referrers_by_pages(index, subject, "c/d")] == [0, 0, 0]
    pages = await referrers_by_pages(index, subject, "a/b")
    assert sorted(itertools.chain(*pages)) == sorted(pushed)


def fallback_entries(index: Index, repository: str, tag: str) -> list[str]:
    digest = index.metadata.tag(repository, tag)
    assert digest is not None
    found = index.metadata.manifest(repository, digest)
    assert found is not None
    document = json.loads(found.body)
    assert document["annotations"] == {"kept": "yes"}
    return [entry["digest"] for entry in document["manifests"]]


async def test_a_pushed_fallback_tag_follows_the_referrers(index: Index):
    subject = await push(index, "lib/app", "subject")
    tag = fallback_tag(subject)
    one = await push(index, "lib/app", "one", subject=subject)
    assert index.metadata.tag("lib/app", tag) is None, "nobody needs it, so nobody makes it"
    old = await push_index(index, "lib/app", tag, one)
    two = await push(index, "lib/app", "two", subject=subject)
    assert fallback_entries(index, "lib/app", tag) == [one, two]
    await index.metadata.delete(DeleteManifest("lib/app", one))
    assert fallback_entries(index, "lib/app", tag) == [two]
    assert index.metadata.manifest("lib/app", old) is not None, "nobody has deleted it"


async def test_a_fallback_list_never_outgrows_a_manifest(
    index: Index, monkeypatch: pytest.MonkeyPatch
):
    """An event above what a message holds would cut this node off from its peers."""
    subject = await push(index, "lib/app", "subject")
    one = await push(index, "lib/app", "one", subject=subject)
    tag = fallback_tag(subject)
    old = await push_index(index, "lib/app", tag, one)
    monkeypatch.setattr(fallback, "BODY_MAX_BYTES", 600)
    await push(index, "lib/app", "x" * 500, subject=subject)
    assert index.metadata.tag("lib/app", tag) == old
    found, _ = index.metadata.referrers("lib/app", subject, frozenset(), "", 10)
    assert len(found) == 2


async def test_a_fallback_list_never_has_more_json_than_a_manifest(
    index: Index, monkeypatch: pytest.MonkeyPatch
):
    """Broken: from one referrer on, every push of one more is 500."""
    subject = await push(index, "lib/app", "subject")
    tag = fallback_tag(subject)
    await push_index(index, "lib/app", tag)
    monkeypatch.setattr(structure, "TOKENS_MAX", 100)
    listed = [index.metadata.tag("lib/app", tag)]
    for number in range(5):
        await push(index, "lib/app", str(number), subject=subject)
        listed.append(index.metadata.tag("lib/app", tag))
    assert listed[0] != listed[1]
    assert listed[-1] == listed[-2]
    assert len(index.metadata.referrers("lib/app", subject, frozenset(), "", 10)[0]) == 5


async def test_another_thing_under_the_fallback_tag_is_left_alone(index: Index):
    subject = await push(index, "lib/app", "subject")
    tagged = await push(index, "lib/app", "thing", fallback_tag(subject))
    await push(index, "lib/app", "one", subject=subject)
    assert index.metadata.tag("lib/app", fallback_tag(subject)) == tagged


async def test_linking_a_blob_ends_its_upload(index: Index):
    record = UploadRecord("u-1", "lib/app", 5, 12.5)
    await index.metadata.note(PutUpload(record))
    assert index.metadata.uploads() == [record]
    await index.metadata.put(AddBlob("lib/app", CONFIG, 6, held=True, upload_id="u-1"))
    assert index.metadata.uploads() == []


async def test_holding_is_said_once(index: Index):
    await index.replica.hold(CONFIG, 6)
    await index.replica.hold(CONFIG, 6)
    await index.metadata.put(AddBlob("lib/app", CONFIG, 6, held=True))
    assert index.replica.holders(CONFIG) == {"a": Dot(*index.replica.origin, 1)}
    assert index.replica.vector() == {index.replica.origin: 2}


async def test_the_index_survives_a_restart(open_node: OpenIndex):
    store = MemoryStore()
    first = open_node(store=store)
    digest = await push(first, "lib/app", "x", "a")
    first.writer.close()
    again = open_node(store=store)
    assert again.replica.vector() == first.replica.vector()
    assert again.metadata.tag("lib/app", "a") == digest


async def test_every_run_writes_a_log_of_its_own(open_node: OpenIndex, wall: HandClock):
    """
    If this fails, a directory that was rolled back uses a sequence number twice: two events of one
    name, and two nodes that never agree again. A clock set back must not bring an epoch back.
    """
    store = MemoryStore()
    epochs = []
    for _ in range(3):
        index = open_node(store=store)
        epochs.append(index.replica.origin.epoch)
        index.writer.close()
        wall.ms -= 3_600_000
    assert epochs == sorted(set(epochs))


async def test_copies_of_a_directory_differ_in_their_epochs(open_node: OpenIndex):
    """Two machines that start from one image at one moment must not write one log."""
    first, second = (open_node(rng=random.Random(seed)) for seed in (1, 2))
    assert first.replica.origin.epoch >> 16 == second.replica.origin.epoch >> 16
    assert first.replica.origin != second.replica.origin


async def test_what_was_answered_survives_a_power_cut(open_node: OpenIndex):
    store = MemoryStore()
    first = open_node(store=store)
    digest = await push(first, "lib/app", "x", "a")
    first.writer.close()
    store.crash()
    assert open_node(store=store).metadata.tag("lib/app", "a") == digest


async def test_a_failing_disk_is_an_error_and_never_not_found(open_node: OpenIndex):
    store = FailingStore()
    index = open_node(store=store)
    digest = await push(index, "lib/app", "x", "a")
    store.failing = True
    with pytest.raises(StorageFailure):
        index.metadata.tag("lib/app", "a")
    with pytest.raises(StorageFailure):
        index.metadata.manifest("lib/app", digest)
    with pytest.raises(StorageFailure):
        await index.metadata.delete(DeleteTag("lib/app", "a"))


async def test_a_change_whose_sync_failed_is_refused_and_the_next_one_taken(open_node: OpenIndex):
    """Broken: one error that passes, and the node takes no writes until somebody restarts it."""
    store = FailingStore()
    index = open_node(store=store)
    store.failing = True
    with pytest.raises(StorageFailure):
        await index.replica.hold(CONFIG, 6)
    assert index.writer.trouble is not None
    store.failing = False
    await index.replica.hold(LAYER, 5)
    assert index.writer.trouble is None
    assert index.writer.failed is None
    held = {row.digest for row in index.replica.held_here(None, 100)}
    assert held == {LAYER}, "what was refused must not be there, and what was taken must"


async def test_a_disk_that_goes_on_failing_stops_the_writer(
    open_node: OpenIndex, monkeypatch: pytest.MonkeyPatch
):
    """Broken: a broken disk is written to for ever, each change a new chance to lose something."""
    monkeypatch.setattr("node.index.writer.RETRY_S", 60.0)
    store = FailingStore()
    index = open_node(store=store)
    store.failing = True
    for _ in range(TRIES_MAX + 1):
        assert index.writer.failed is None
        with pytest.raises(StorageFailure):
            await index.replica.hold(CONFIG, 6)
    store.failing = False
    assert index.writer.failed is not None
    with pytest.raises(StorageFailure):
        await index.replica.hold(CONFIG, 6)


async def test_a_damaged_store_stops_the_writer_at_once(open_node: OpenIndex):
    """Broken: events are merged with rows that are not what was written."""
    store = FailingStore()
    index = open_node(store=store)
    store.trouble = IndexDamaged("a table is gone")
    for _ in range(3):
        with pytest.raises(IndexDamaged):
            await index.replica.hold(CONFIG, 6)
    assert isinstance(index.writer.failed, IndexDamaged)


async def test_a_store_that_failed_is_tried_though_nobody_writes(
    open_node: OpenIndex, monkeypatch: pytest.MonkeyPatch
):
    """Broken: /readyz says for ever what is long over, and no balancer sends anybody here."""
    monkeypatch.setattr("node.index.writer.RETRY_S", 0.001)
    store = FullStore()
    index = open_node(store=store)
    store.full = True
    with pytest.raises(StorageFailure):
        await index.replica.hold(CONFIG, 6)
    store.full = False
    async with asyncio.timeout(10):
        while index.writer.trouble is not None:
            await asyncio.sleep(0)


async def test_a_full_disk_refuses_writes_until_there_is_room(open_node: OpenIndex):
    """Broken: the node has to be restarted, or counts what the disk never took."""
    store = FullStore()
    index = open_node(store=store)
    kept = await push(index, "lib/app", "kept", "a")
    before, totals = index.replica.vector(), index.journal.totals
    store.full = True
    for text in ("refused", "again"):
        with pytest.raises(IndexFull):
            await push(index, "lib/app", text, "a")
    assert index.replica.vector() == before, "what was not synced must not reach a peer"
    assert index.writer.failed is None
    store.full = False
    taken = await push(index, "lib/app", "taken", "b")
    assert index.metadata.tag("lib/app", "a") == kept
    assert index.metadata.tag("lib/app", "b") == taken
    assert index.metadata.manifest("lib/app", manifest("refused")[0]) is None
    assert index.journal.totals.manifests == totals.manifests + 1
    [(origin, seq)] = index.replica.vector().items()
    logged = index.replica.events_after(origin, 0, max_bytes=1 << 20)
    assert [event.dot.seq for event in logged] == list(range(1, seq + 1))
