"""
What a node of an earlier version does with the events of a later one, and after its upgrade.

The earlier version is this one with something taken away: it decodes less. Each story is told once
as the engine is, and once with each of the bugs that it is there for.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from unittest.mock import patch

import msgspec
import pytest

from cluster.errors import CheckpointUnavailable
from cluster.messages import CompareRequest, Difference
from cluster.model import (
    Digest,
    Dot,
    Event,
    Key,
    Kind,
    NodeId,
    Summed,
    Vector,
)
from cluster.objects import Write, changes, comparison, encode_body, events
from node.index import checkpoint, keys, objects
from node.index.index import Index
from node.index.journal import Journal, Transaction
from node.index.merkle import Sums
from node.index.quarantine import Quarantine, partition_of_object
from node.index.rows import BlobPayload, encode
from node.index.store import END, SHARED_FAMILIES, Mutation, RangeDeletion
from node.registry.values import DeleteManifest, DeleteTag, PutSetting
from tests.builders import HandClock
from tests.unit.index.conftest import OpenIndex
from tests.unit.index.nodes import (
    CONFIG,
    MAX,
    REPO,
    check,
    log_of,
    push,
    replicate,
    restore,
    shared_rows,
)


@contextmanager
def an_earlier_version(*unknown: Kind) -> Iterator[None]:
    """In here nobody has heard of those kinds of events."""
    known = {kind: body for kind, body in events._DECODERS.items() if kind not in unknown}
    with patch.object(events, "_DECODERS", known):
        yield


def restart(index: Index, open_node: OpenIndex) -> Index:
    """A new process on the same disk: of today's version, unless it is an earlier one in here."""
    index.writer.close()
    return open_node(index.journal.origin.node, index.journal.store)


async def differences(one: Index, other: Index) -> Sequence[Difference]:
    """What *one* answers to the other's question whether they have the same rows."""
    mine, theirs = await one.replica.summed(), await other.replica.summed()
    asked = CompareRequest(
        NodeId("x"), dict(theirs.vector), theirs.sums, dict(theirs.quarantined), theirs.form
    )
    reply = comparison.answer(mine, asked, sound=True)
    assert reply.same_vector
    return reply.differences


Story = Callable[[OpenIndex], Awaitable[None]]


async def what_was_deleted_stays_deleted(open_node: OpenIndex) -> None:
    """The node can read the deletion and not the push that it names."""
    writer, deleter, old = (open_node(name) for name in "abc")
    digest = await push(writer, REPO, "x", "v1")
    await replicate(writer, deleter)
    await deleter.metadata.delete(DeleteManifest(REPO, digest))
    with an_earlier_version(Kind.ADD):
        await replicate(deleter, old)
        assert old.replica.quarantined() == 2, "the manifest, and its config's link"
        assert old.replica.vector() == deleter.replica.vector(), "it keeps up all the same"
        assert not old.metadata.repository_exists(REPO)
    upgraded = restart(old, open_node)
    assert upgraded.replica.quarantined() == 0
    check(upgraded, absent=[digest])
    assert shared_rows(upgraded) == shared_rows(deleter)


async def it_outlives_the_log(open_node: OpenIndex) -> None:
    writer, old = open_node("a"), open_node("b")
    digest = await push(writer, REPO, "x", "v1")
    with an_earlier_version(Kind.ADD, Kind.WRITE):
        await replicate(writer, old)
        await old.replica.trim(old.replica.vector())
        assert old.replica.floor() == old.replica.vector()
        old = restart(old, open_node)
        assert old.replica.quarantined() == 3
    upgraded = restart(old, open_node)
    check(upgraded, tags={"v1": digest})
    assert shared_rows(upgraded) == shared_rows(writer)


async def it_goes_along_in_checkpoints(open_node: OpenIndex) -> None:
    """To one that can read no more than its source, and to one that can."""
    writer, old, as_old, new = (open_node(name) for name in "abcd")
    digest = await push(writer, REPO, "x", "v1")
    with an_earlier_version(Kind.WRITE):
        await replicate(writer, old)
        await restore(old, as_old)
        assert as_old.replica.quarantined() == old.replica.quarantined() == 1
        check(as_old, tags={})
    await restore(old, new)
    for index in (new, restart(as_old, open_node)):
        assert index.replica.quarantined() == 0
        check(index, tags={"v1": digest})
        assert shared_rows(index) == shared_rows(writer)
        assert index.journal.sums == Sums.recompute(index.journal.store)


async def it_is_no_damage(open_node: OpenIndex) -> None:
    """
    Two versions with the same events have other rows; what is none of that is compared as ever.

    Broken: a rolling upgrade has every node say that its index, or its neighbour's, is damaged.
    """
    writer, old, as_old = (open_node(name) for name in "abc")
    await push(writer, REPO, "x", "v1")
    await writer.metadata.put(PutSetting("project", "lib", "{}"))
    with an_earlier_version(Kind.ADD):
        await replicate(writer, old)
        await replicate(writer, as_old)
    assert shared_rows(old) != shared_rows(writer)
    assert await differences(old, writer) == await differences(writer, old) == ()
    spoil(as_old, "settings", keys.join("project", "lib"))
    setting = partition_of_object(Key("setting", "project", "lib"))
    assert await differences(writer, as_old) == (Difference(setting, 1),)
    spoil(as_old, "tags", keys.join(REPO, "v1"))
    assert len(await differences(old, as_old)) == 2, "as they keep the same, they have the same"
    assert len(await differences(writer, as_old)) == 1
    assert await differences(restart(old, open_node), writer) == ()


async def what_stays_there_says_why_it_is_there_now(open_node: OpenIndex) -> None:
    """
    Poison that came to an earlier version, and by a checkpoint of its: the kind is known by now.

    Broken: an operator is told to upgrade a node of the latest version, for good.
    """
    old, as_old, taker, new = (open_node(name) for name in "abcd")
    poison = Event(Dot("z", 7, 1), 0, "add", Key("blob", REPO, CONFIG), b"\xc1")
    await new.replica.apply([poison])
    with an_earlier_version(Kind.ADD):
        for index in (old, as_old):
            await index.replica.apply([poison])
        assert kept_rows(restart(as_old, open_node)) == kept_rows(old) != kept_rows(new)
        assert "unknown kind" in str(kept_rows(old))
    await restore(old, taker)
    for index in (taker, restart(old, open_node)):
        assert index.replica.quarantined() == 1
        assert kept_rows(index) == kept_rows(new)
        assert index.journal.quarantine.marks == new.journal.quarantine.marks


def kept_rows(index: Index) -> list[tuple[bytes, bytes]]:
    return list(index.journal.store.scan("quarantine", b"", END))


def spoil(index: Index, family: str, key: bytes) -> None:
    """A row that something else than an event has changed, in sums and all."""
    index.journal.store.write([Mutation(family, key, b"\x92\x90\x90")])
    index.journal.sums = Sums.recompute(index.journal.store)


STORIES = (
    what_was_deleted_stays_deleted,
    it_outlives_the_log,
    it_goes_along_in_checkpoints,
    it_is_no_damage,
    what_stays_there_says_why_it_is_there_now,
)


@pytest.mark.parametrize("story", STORIES)
async def test_an_event_that_cannot_be_read_is_as_good_as_one_that_comes_late(
    open_node: OpenIndex, story: Story
):
    await story(open_node)


_trim, _retry, _differences = Journal.trim, objects.retry, comparison.differences


def _trim_quarantine(journal: Journal, upto: object) -> None:
    _trim(journal, upto)
    journal.store.write([RangeDeletion("quarantine", b"", END)])


def _compare_all(mine: Summed, other: CompareRequest) -> list[Difference]:
    return _differences(
        mine._replace(quarantined={}), msgspec.structs.replace(other, quarantined={})
    )


def _retry_as_it_was(journal: Journal) -> None:
    """What cannot be applied stays as it was kept."""
    before = list(journal.store.scan("quarantine", b"", END))
    _retry(journal)
    still = {key for key, _ in journal.store.scan("quarantine", b"", END)}
    journal.store.write([Mutation("quarantine", *row) for row in before if row[0] in still])


MUTANTS = {
    "seen though in quarantine": (
        patch.object(Transaction, "seen", Transaction.has), what_was_deleted_stays_deleted,
    ),
    "trimmed with the log": (patch.object(Journal, "trim", _trim_quarantine), it_outlives_the_log),
    "not in checkpoints": (
        patch.object(checkpoint, "SENT_FAMILIES", SHARED_FAMILIES), it_goes_along_in_checkpoints,
    ),
    "not tried again after a checkpoint, nor at a start": (
        patch.object(objects, "retry", lambda journal: None), it_goes_along_in_checkpoints,
    ),
    "kept for the reason of another version": (
        patch.object(objects, "retry", _retry_as_it_was), what_stays_there_says_why_it_is_there_now,
    ),
    "its key in the sums": (
        patch.object(comparison, "differences", _compare_all), it_is_no_damage,
    ),
}  # fmt: skip


@pytest.mark.parametrize("bug", MUTANTS)
async def test_each_of_these_bugs_is_noticed(open_node: OpenIndex, bug: str):
    mutant, story = MUTANTS[bug]
    with mutant, pytest.raises(AssertionError):
        await story(open_node)


_forget_deletions = objects.forget_deletions


def _in_spite_of_it(journal: Journal, stable: Vector, after: bytes) -> bytes | None:
    with patch.object(journal, "quarantine", Quarantine()):
        return _forget_deletions(journal, stable, after)


@pytest.mark.parametrize("bug", [False, True])
async def test_no_deletion_is_settled_where_an_older_push_may_be_in_quarantine(
    open_node: OpenIndex, wall: HandClock, bug: bool
):
    """Broken: a push that its deletion had not seen comes back with the upgrade of one node."""
    writer, deleter, old, reader = (open_node(name) for name in "abcd")
    digest = await push(writer, REPO, "x")
    wall.ms += 10_000
    await push(deleter, REPO, "x")
    await deleter.metadata.delete(DeleteManifest(REPO, digest))
    await replicate(writer, deleter)
    await replicate(deleter, reader)
    with an_earlier_version(Kind.ADD):
        await replicate(deleter, old)
        bug_or_not = _in_spite_of_it if bug else _forget_deletions
        with patch.object(objects, "forget_deletions", bug_or_not):
            await old.replica.forget_deletions(old.replica.vector())
    upgraded = restart(old, open_node)
    assert (upgraded.metadata.manifest(REPO, digest) is not None) is bug
    assert (shared_rows(upgraded) == shared_rows(reader)) is not bug
    check(reader, absent=[digest])


async def test_a_body_with_more_than_this_version_knows_is_not_half_read(open_node: OpenIndex):
    """Broken: a later version's event means something else here, and nobody ever notices."""
    one, other = open_node("a"), open_node("b")
    body = [[], "a value", "what the next version adds"]
    payload = [6, "and here"]
    link = [[], msgspec.msgpack.encode(payload), []]
    for seq, (key, kind, fields) in enumerate(
        [
            (Key("setting", "project", "lib"), Kind.WRITE, body),
            (Key("blob", REPO, CONFIG), Kind.ADD, link),
        ],
        start=1,
    ):
        event = Event(Dot("z", 7, seq), 0, kind, key, msgspec.msgpack.encode(fields))
        await one.replica.apply([event])
        assert one.replica.quarantined() == seq
    await replicate(one, other)
    assert other.replica.quarantined() == 2
    assert log_of_z(other) == log_of_z(one), "it is passed on byte for byte"
    assert encode(BlobPayload(6)) == msgspec.msgpack.encode(payload[:1])


def log_of_z(index: Index) -> Sequence[Event]:
    [origin] = [origin for origin in index.replica.vector() if origin.node == "z"]
    return index.replica.events_after(origin, 0, max_bytes=MAX)


async def test_a_checkpoint_with_what_is_no_event_is_refused(open_node: OpenIndex):
    """Broken: the node takes it over, and ends at this start and at every later one."""
    source, target = open_node("a"), open_node("b")
    source.journal.store.write([Mutation("quarantine", b"a\0", b"\xc1")])
    with pytest.raises(CheckpointUnavailable, match="cannot be read"):
        await restore(source, target)


async def test_every_event_changes_rows_of_one_partition(open_node: OpenIndex):
    """Broken: what one node keeps in quarantine makes other partitions differ too."""
    writer, reader = open_node("a"), open_node("b")
    digest = await push(writer, REPO, "x", "v1", "v2")
    await push(writer, REPO, "y", "v1", subject=digest)
    await writer.metadata.put(PutSetting("project", "lib", "{}"))
    await writer.replica.hold(CONFIG, 6)
    await writer.metadata.delete(DeleteTag(REPO, "v1"))
    await writer.metadata.delete(DeleteManifest(REPO, digest))
    await writer.replica.release(CONFIG)
    for change in changes(log_of(writer)):
        before = reader.journal.sums
        await reader.replica.apply(change)
        changed = {
            number
            for number, (old, new) in enumerate(
                zip(before.partitions, reader.journal.sums.partitions, strict=True)
            )
            if old != new
        }
        assert changed <= {partition_of_object(event.key) for event in change}, change
    assert shared_rows(reader) == shared_rows(writer)


async def test_the_marks_are_those_of_what_is_kept(open_node: OpenIndex):
    """Broken: after a failure of the disk, or a restart, a node compares what differs."""
    index = open_node("a")
    for seq in range(1, 4):
        key = Key("tag", REPO, f"v{seq}")
        body = encode_body(Write((), str(Digest.of(b"x"))))
        await index.replica.apply([Event(Dot("z", 7, seq), 0, "from tomorrow", key, body)])
        found = Quarantine.load(index.journal.store)
        assert found.events == index.replica.quarantined() == seq
        assert found.marks == index.journal.quarantine.marks
        assert list(found.marks) == [partition_of_object(key)]
    index.journal.recover()
    assert index.journal.quarantine.marks == found.marks
