"""The index as replication sees it: logs, gaps, order, poison."""

import json
from collections.abc import Iterator

import pytest

from cluster.errors import BelowFloor, ClockAhead, EventAhead, EventGap
from cluster.model import Digest, Dot, Event, Held, Key, Origin
from cluster.objects.events import (
    Add,
    Body,
    Hold,
    Remove,
    Write,
    changes,
    decode_body,
)
from node.errors import IndexFull, StorageFailure
from node.errors.startup import StartupError
from node.index import objects
from node.index.index import Index
from node.index.rows import ManifestPayload, encode
from node.index.store import FAMILIES, Mutation
from node.registry.media_types import DOCKER_MANIFEST, OCI_MANIFEST
from node.registry.values import (
    AddBlob,
    DeleteManifest,
    DeleteSetting,
    DeleteTag,
    ManifestRecord,
    PutManifest,
    PutSetting,
)
from tests.builders import HandClock
from tests.fakes.ordered_store import MemoryStore
from tests.unit.index.conftest import OpenIndex
from tests.unit.index.nodes import (
    CONFIG,
    MAX,
    check,
    foreign,
    hear,
    log_of,
    manifest,
    push,
    push_index,
    rows_of,
)


async def test_a_replayed_log_gives_byte_identical_rows(open_node: OpenIndex):
    one, other = open_node("a"), open_node("b")
    digest = await push(one, "lib/app", "x", "a", "b")
    await push(one, "lib/app", "y", "b", subject=digest)
    await one.metadata.delete(DeleteTag("lib/app", "a"))
    await one.metadata.delete(DeleteManifest("lib/app", digest))
    await hear(other, one)
    assert rows_of(other) == rows_of(one)
    assert other.replica.vector() == one.replica.vector()


async def test_concurrent_writers_converge_in_either_order(open_node: OpenIndex):
    one, other, third = open_node("a"), open_node("b"), open_node("c")
    await push(one, "lib/app", "x", "latest")
    await push(other, "lib/app", "y", "latest")
    first, second = log_of(one), log_of(other)
    await one.replica.apply(second)
    await other.replica.apply(first)
    await third.replica.apply(second)
    await third.replica.apply(first)
    assert rows_of(one) == rows_of(other) == rows_of(third)
    assert one.metadata.tag("lib/app", "latest") is not None


async def test_a_delete_that_arrives_before_the_push_it_saw(open_node: OpenIndex):
    one, other, third = open_node("a"), open_node("b"), open_node("c")
    digest = await push(one, "lib/app", "x", "latest")
    await hear(other, one)
    await other.metadata.delete(DeleteManifest("lib/app", digest))
    with pytest.raises(EventGap):
        await hear(third, other)
    await hear(third, one)
    await hear(third, other)
    check(third, absent=[digest])
    assert rows_of(third) == rows_of(other)


async def test_a_deletion_never_uncovers_what_its_tag_was_before(open_node: OpenIndex):
    """Broken: a node that hears of a deletion before the write it deletes serves the older one."""
    one, other, third, reader = (open_node(name) for name in "abcd")
    await push(one, "lib/app", "old", "latest")
    for index in (other, third, reader):
        await hear(index, one)
    await push(other, "lib/app", "new", "latest")
    await hear(third, other)
    await third.metadata.delete(DeleteTag("lib/app", "latest"))
    with pytest.raises(EventGap):
        await hear(reader, third)
    assert reader.replica.vector().get(third.replica.origin, 0) == 0
    await hear(reader, other, third)
    check(reader, tags={})
    assert rows_of(reader) == rows_of(third)


async def test_events_apply_once(open_node: OpenIndex):
    one, other = open_node("a"), open_node("b")
    await push(one, "lib/app", "x", "a")
    await hear(other, one)
    before = rows_of(other)
    await hear(other, one)
    assert rows_of(other) == before


async def test_a_manifest_waits_for_the_blobs_that_came_through_another_node(
    open_node: OpenIndex,
):
    """Broken: the second copy of an acknowledged push may lack a blob of it for ever."""
    one, other, third = open_node("a"), open_node("b"), open_node("c")
    await one.metadata.put(AddBlob("lib/app", CONFIG, 6, held=True))
    await hear(other, one)
    digest, record = manifest("x")
    await other.metadata.put(PutManifest("lib/app", digest, record, ["latest"]))
    with pytest.raises(EventGap):
        await hear(third, other)
    check(third, tags={})
    await hear(third, one, other)
    assert third.metadata.blob("lib/app", CONFIG) == 6
    assert rows_of(third) == rows_of(other)


async def test_an_index_waits_for_the_manifests_that_came_through_another_node(
    open_node: OpenIndex,
):
    one, other, third = open_node("a"), open_node("b"), open_node("c")
    part = await push(one, "lib/app", "part")
    await hear(other, one)
    await push_index(other, "lib/app", "all", part)
    with pytest.raises(EventGap):
        await hear(third, other)
    await hear(third, one, other)
    check(third, found=[part])


async def test_a_manifest_needs_one_event_of_each_other_log_and_none_of_its_own(
    open_node: OpenIndex,
):
    """So that what an event names is bounded by the nodes, not by the blobs of a manifest."""
    one, other = open_node("a"), open_node("b")
    document = json.loads(manifest("x")[1].body)
    document["layers"] = []
    for number in range(5):
        layer = Digest.of(b"%d" % number)
        by = other if number == 4 else one
        await by.metadata.put(AddBlob("lib/app", layer, 1, held=True))
        document["layers"].append({"mediaType": "x/y", "digest": layer, "size": 1})
    await one.metadata.put(AddBlob("lib/app", CONFIG, 6, held=True))
    await hear(other, one)
    body = json.dumps(document).encode()
    record = ManifestRecord(OCI_MANIFEST, body)
    await other.metadata.put(PutManifest("lib/app", Digest.of(body), record, []))
    pushed = decode_body(log_of(other)[-1])
    assert isinstance(pushed, Add)
    assert pushed.needs == (log_of(one)[-1].dot,)


@pytest.mark.parametrize(
    "claimed", [DOCKER_MANIFEST, "text/plain", "a/" + "b" * 256, "a/b\r\nc: d"]
)
async def test_what_a_peer_says_a_manifest_is_changes_nothing(
    open_node: OpenIndex, quarantined: list[tuple[Event, str]], claimed: str
):
    """Broken: one node of another mind, and every node serves the digest as another type."""
    index = open_node()
    digest = await push(index, "lib/app", "x", "a", subject=CONFIG)
    _, record = manifest("x", CONFIG)
    listed = index.metadata.referrers("lib/app", CONFIG, frozenset(), "", 10)
    add = Add((), encode(ManifestPayload(claimed, record.body)))
    await index.replica.apply([foreign(index, 1, Key("manifest", "lib/app", digest), add)])
    assert index.metadata.manifest("lib/app", digest) == record
    assert index.metadata.referrers("lib/app", CONFIG, frozenset(), "", 10) == listed
    assert bool(quarantined) == claimed.startswith("a/b"), (
        "what no header could carry is kept aside"
    )


async def test_bytes_that_do_not_say_what_they_are_are_kept_aside(
    open_node: OpenIndex, quarantined: list[tuple[Event, str]]
):
    """Broken: what this node takes from a peer has no type to be served as."""
    index, body = open_node(), b'{"anything": [1]}'
    digest = Digest.of(body)
    add = Add((), encode(ManifestPayload("application/vnd.acme+json", body)))
    await index.replica.apply([foreign(index, 1, Key("manifest", "lib/app", digest), add)])
    [(_, reason)] = quarantined
    assert "has no mediaType" in reason
    check(index, absent=[digest])


async def test_a_gap_is_refused_after_what_came_before_it(open_node: OpenIndex):
    one, other = open_node("a"), open_node("b")
    await push(one, "lib/app", "x", "a")
    log = log_of(one)
    with pytest.raises(EventGap):
        await other.replica.apply([*log[:2], *log[3:]])
    assert other.replica.vector() == {one.replica.origin: 2}
    await other.replica.apply(log)
    assert rows_of(other) == rows_of(one)


async def test_an_event_from_the_future_waits(open_node: OpenIndex, wall: HandClock):
    one = open_node("a")
    late = (wall.ms + 10_000) << 16
    event = foreign(one, 1, Key("tag", "lib/app", "a"), Write((), None), stamp=late)
    with pytest.raises(ClockAhead):
        await one.replica.apply([event])
    assert one.replica.vector() == {}
    wall.ms += 10_000
    await one.replica.apply([event])
    assert one.replica.vector() == {Origin("z", 7): 1}


def poison(index: Index) -> list[Event]:
    good = Digest.of(b"{}")
    manifest = encode(ManifestPayload(OCI_MANIFEST, json.dumps({"schemaVersion": 2}).encode()))
    keys_and_bodies: list[tuple[Key, Body]] = [
        (Key("tag", "Bad Name", "a"), Write((), None)),
        (Key("tag", "lib/app", "a\0b"), Write((), None)),
        (Key("tag", "lib/app", "a"), Write((), "sha256:zz")),
        (Key("manifest", "lib/app", good), Add((), manifest)),
        (Key("manifest", "lib/app", good), Add((), b"\xc1")),
        (Key("blob", "lib/app\0x", good), Remove(())),
        (Key("blob", "lib/app", "../../etc"), Remove(())),
        (Key("unheard-of", "", ""), Hold(held=True, size=1)),
        (Key("holder", "", "sha256:1"), Hold(held=True, size=1)),
    ]
    events = [
        foreign(index, seq, key, body) for seq, (key, body) in enumerate(keys_and_bodies, start=1)
    ]
    origin, stamp = Dot("z", 7, len(events) + 1), index.journal.clock.tick(0)
    events.append(Event(origin, stamp, "novelty", Key("tag", "lib/app", "a"), b""))
    events.append(
        Event(origin._replace(seq=origin.seq + 1), stamp, "write", Key("tag", "a", "a"), b"\xff")
    )
    return events


@pytest.mark.parametrize("failure", [IndexFull, StorageFailure])
async def test_a_sick_disk_is_no_fault_of_the_event(
    open_node: OpenIndex, monkeypatch: pytest.MonkeyPatch, failure: type[StorageFailure]
):
    """Broken: the event counts as applied, is in quarantine here, and nowhere else."""
    one, other = open_node("a"), open_node("b")
    await push(one, "lib/app", "x", "v1")

    def fail(*_: object) -> None:
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr(objects, "_merge", fail)
        with pytest.raises(failure):
            await hear(other, one)
    assert other.replica.vector() == {}
    await hear(other, one)
    assert rows_of(other) == rows_of(one)


async def test_poison_is_quarantined_and_the_log_goes_on(
    open_node: OpenIndex, quarantined: list[tuple[Event, str]]
):
    one, other = open_node("a"), open_node("b")
    events = poison(one)
    events.append(foreign(one, len(events) + 1, Key("holder", "", CONFIG), Hold(True, 6)))
    await one.replica.apply(events)
    assert one.replica.holders(CONFIG) == {"z": Dot("z", 7, len(events))}
    kept = list(one.journal.store.scan("quarantine", b"", b"\xff\xff"))
    assert one.replica.quarantined() == len(kept)
    assert len(kept) == len(events) - 1
    await other.replica.apply(one.replica.events_after(Origin("z", 7), 0, max_bytes=MAX))
    assert rows_of(other) == rows_of(one), "poison travels on, and is quarantined everywhere"
    await one.replica.hold(CONFIG, 6)
    assert len(quarantined) == 2 * len(kept)


async def test_batches_are_bounded_but_never_empty(open_node: OpenIndex):
    index = open_node()
    await push(index, "lib/app", "x", "a", "b", "c")
    origin = index.replica.origin
    whole = log_of(index)
    first = next(changes(whole))
    assert 1 <= len(first) < len(whole)
    assert index.replica.events_after(origin, 0, max_bytes=1) == first
    assert index.replica.events_after(origin, len(first), max_bytes=MAX) == whole[len(first) :]
    assert index.replica.events_after(origin, len(whole), max_bytes=MAX) == []
    assert index.replica.events_after(Origin("nobody", 1), 0, max_bytes=MAX) == []


async def test_peers_are_handed_what_was_read_once(
    open_node: OpenIndex, monkeypatch: pytest.MonkeyPatch
):
    index = open_node()
    await push(index, "lib/app", "x", "a")
    origin, scans = index.replica.origin, list[str]()
    scan = index.journal.store.scan

    def counted(family: str, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        scans.append(family)
        return scan(family, start, stop)

    monkeypatch.setattr(index.journal.store, "scan", counted)
    whole = log_of(index)
    assert log_of(index) == whole
    assert scans == ["log"]
    assert index.replica.events_after(origin, 0, max_bytes=1) == next(changes(whole))
    await push(index, "lib/app", "y", "b")
    assert log_of(index)[: len(whole)] == whole
    assert len(log_of(index)) > len(whole)
    last = len(log_of(index))
    await index.replica.trim({origin: last})
    with pytest.raises(BelowFloor):
        log_of(index)


async def test_subscribers_hear_of_own_events(open_node: OpenIndex):
    index = open_node()
    heard: list[int] = []
    index.replica.subscribe(lambda: heard.append(index.replica.vector()[index.replica.origin]))
    await index.replica.hold(CONFIG, 6)
    await index.replica.hold(Digest.of(b"other"), 5)
    assert heard
    assert heard[-1] == 2


async def test_what_a_node_holds_is_found_without_the_rows_of_others(
    open_node: OpenIndex, monkeypatch: pytest.MonkeyPatch
):
    """Broken: one look at its own blobs costs a node seconds where others hold millions."""
    one, other, read = open_node("a"), open_node("b"), list[str]()
    for number in range(300):
        await other.replica.hold(Digest.of(b"%d" % number), 5)
    await one.replica.hold(CONFIG, 6)
    await hear(one, other)
    store = one.journal.store
    scan = store.scan

    def counting(family: str, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        for row in scan(family, start, stop):
            read.append(family)
            yield row

    monkeypatch.setattr(store, "scan", counting)
    assert one.replica.held_here(None, 10) == [Held(CONFIG, 6, stands=True)]
    assert one.replica.held_here(CONFIG, 10) == []
    assert read == ["own"]


def standing(index: Index) -> dict[Digest, bool]:
    return {held.digest: held.stands for held in index.replica.held_here(None, 100)}


async def test_rows_that_a_disk_set_back_has_lost_do_not_count_when_they_are_pulled(
    open_node: OpenIndex,
):
    """If this fails, a node restored from a snapshot is taken for a holder of what it lost."""
    store, other = MemoryStore(), Digest.of(b"other")
    first = open_node(store=store)
    await first.replica.hold(CONFIG, 6)
    snapshot = MemoryStore()
    for family in FAMILIES:
        snapshot.write([Mutation(family, *row) for row in store.scan(family, b"", b"\xff" * 9)])
    await first.replica.hold(other, 5)
    lost = first.replica.events_after(first.replica.origin, 0, max_bytes=MAX)
    again = open_node(store=snapshot)
    assert again.replica.began == {first.replica.origin: 1}
    await again.replica.apply(lost)
    assert standing(again) == {CONFIG: True, other: False}
    await again.replica.hold(CONFIG, 6)
    await again.replica.hold(other, 5)
    assert standing(again) == {CONFIG: True, other: True}
    assert again.replica.vector()[again.replica.origin] == 1, "only what did not count is said anew"


async def test_stamps_rise_across_a_restart_with_the_clock_set_back(
    open_node: OpenIndex, wall: HandClock
):
    store = MemoryStore()
    first = open_node(store=store)
    await first.replica.hold(CONFIG, 6)
    first.writer.close()
    wall.ms -= 3_600_000
    again = open_node(store=store)
    await again.replica.hold(Digest.of(b"other"), 5)
    stamps = [event.stamp for event in log_of(again)]
    assert stamps == sorted(set(stamps))


async def test_a_store_belongs_to_one_node(open_node: OpenIndex):
    store = MemoryStore()
    open_node("a", store)
    with pytest.raises(StartupError, match="belongs to node 'a'"):
        open_node("b", store)


async def test_what_builds_on_an_event_from_the_future_is_from_there_too(
    open_node: OpenIndex, wall: HandClock
):
    """Were it a gap, one clock would make every look-up that misses say "try again"."""
    ahead, between, behind = (open_node(name) for name in "abc")
    wall.ms += 700
    await ahead.metadata.put(PutSetting("project", "lib", "{}"))
    wall.ms -= 400
    [first] = ahead.replica.events_after(ahead.replica.origin, 0, max_bytes=1 << 20)
    await between.replica.apply([first])
    await between.metadata.delete(DeleteSetting("project", "lib"))
    [second] = between.replica.events_after(between.replica.origin, 0, max_bytes=1 << 20)
    wall.ms -= 300
    with pytest.raises(EventAhead):
        await behind.replica.apply([first])
    with pytest.raises(EventAhead):
        await behind.replica.apply([second])
    wall.ms += 700
    await behind.replica.apply([first, second])
    assert behind.replica.vector() == {first.dot.origin: 1, second.dot.origin: 1}
