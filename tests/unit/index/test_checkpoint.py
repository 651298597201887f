"""Checkpoints of the real index: crashes at every step, and the same end as plain replication."""

import asyncio
import random
import threading
from collections.abc import Sequence

import pytest

from cluster.errors import CheckpointUnavailable, NotCaughtUp, StorageFailure
from cluster.model import (
    Digest,
    Member,
    NodeId,
    Origin,
    Region,
    Rumour,
    Standing,
    Status,
)
from node.errors import IndexFull
from node.index import checkpoint as checkpoints
from node.index import history
from node.index.index import Index
from node.index.merkle import Sums
from node.index.store import SHARED_FAMILIES, Change
from node.registry.values import (
    AddBlob,
    DeleteBlob,
    DeleteManifest,
    DeleteTag,
    PutManifest,
    PutSetting,
)
from tests.builders import HandClock
from tests.fakes.ordered_store import FullStore, MemoryStore
from tests.unit.index.conftest import OpenIndex
from tests.unit.index.nodes import (
    CONFIG,
    LAYER,
    check,
    manifest,
    parts_of,
    push,
    replicate,
    restore,
    set_or_delete,
    shared_rows,
)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "_PART_BYTES", 300)


async def fill(index: Index) -> Digest:
    one = await push(index, "lib/app", "x", "a", "b")
    await push(index, "lib/app", "y", "b", subject=one)
    await push(index, "lib/other", "z", "c")
    await index.metadata.delete(DeleteTag("lib/app", "a"))
    await index.metadata.put(PutSetting("project", "lib", '{"history_max":9}'))
    await push(index, "lib/app", "w", "b")
    return one


async def test_an_empty_node_takes_over_everything(open_node: OpenIndex):
    one, other = open_node("a"), open_node("b")
    await fill(one)
    await restore(one, other)
    assert shared_rows(other) == shared_rows(one)
    assert other.journal.sums == Sums.recompute(other.journal.store) == one.journal.sums
    assert other.journal.totals.manifests == one.journal.totals.manifests
    assert len(other.journal.own) == 0, "the blobs are on the other one"
    assert other.replica.vector() == one.replica.vector()


async def test_what_a_node_holds_itself_is_taken_over_with_its_rows(open_node: OpenIndex):
    """Broken: a node that took over an index knows no more which blobs it holds, or others' too."""
    one, other = open_node("a"), open_node("b")
    await other.replica.hold(LAYER, 5)
    await other.replica.hold(CONFIG, 6)
    await replicate(other, one)
    await one.replica.hold(Digest.of(b"one's"), 7)
    await other.replica.release(LAYER)
    await replicate(other, one)
    await other.replica.hold(LAYER, 5)
    before = other.replica.held_here(None, 100)
    await restore(one, other)
    assert other.replica.held_here(None, 100) == before
    assert {held.digest for held in before} == {LAYER, CONFIG}
    assert len(other.journal.own) == 2


async def test_parts_are_bounded_and_can_be_read_again_from_any_place(open_node: OpenIndex):
    """A broken stream goes on where it broke."""
    one = open_node("a")
    await fill(one)
    taken = await one.replica.checkpoint()
    _, parts = await parts_of(one)
    assert len(parts) > 5
    assert [taken.part(part.next) for part in parts[:-1]] == parts[1:]
    families = [family for part in parts for family, _, _ in checkpoints._ROWS.decode(part.data)]
    assert sum(part.rows for part in parts) == len(families)
    assert sum(family in SHARED_FAMILIES for family in families) == taken.head.rows
    small = [part for part in parts if part.rows > 1]
    assert small
    assert all(len(part.data) < 900 for part in small)


async def test_what_only_this_node_knows_survives(open_node: OpenIndex):
    """A wipe of what was acknowledged here alone would lose it."""
    one, other, plain = open_node("a"), open_node("b"), open_node("c")
    await fill(one)
    await replicate(one, other)
    mine = await push(other, "lib/app", "mine", "b")
    await push(one, "lib/app", "theirs", "b")
    await one.replica.trim(one.replica.vector())
    await restore(one, other)
    check(other, found=[mine])
    await restore(one, plain)
    await replicate(other, plain)
    assert shared_rows(plain) == shared_rows(other)


async def test_what_only_this_node_knows_is_applied_behind_what_it_replaced(
    open_node: OpenIndex, monkeypatch: pytest.MonkeyPatch
):
    """Broken: a write that was replaced counts as left of a history that has dropped both."""
    monkeypatch.setattr(history, "KEPT_MAX", 2)
    one, other, target = open_node("a"), open_node("b"), open_node("c")
    for writer, text in [(one, "v"), (other, "w"), (one, "x"), (one, "y"), (one, "z")]:
        await replicate(other if writer is one else one, writer)
        await push(writer, "lib/app", text, "a")
    for source in (one, other):
        await replicate(source, target)
    assert [origin.node for origin in target.replica.vector()] == ["a", "b"]
    await restore(open_node("d"), target)
    await replicate(one, other)
    assert shared_rows(target) == shared_rows(other)


async def test_what_the_group_of_a_restore_wrote_before_it_survives(open_node: OpenIndex):
    """Broken: a push that is acknowledged with the restore's sync is lost, its dot given again."""
    one, other = open_node("a"), open_node("b")
    await fill(one)
    head, parts = await parts_of(one)
    await other.metadata.put(AddBlob("lib/mine", CONFIG, 6, held=True))
    mine, record = manifest("mine")
    gate = threading.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(other.writer.submit(gate.wait))
        await asyncio.sleep(0)
        # Both wait for the writer now, which takes them as one group.
        group.create_task(other.metadata.put(PutManifest("lib/mine", mine, record, ["m"])))
        group.create_task(other.replica.begin_restore(head))
        await asyncio.sleep(0)
        gate.set()
    assert other.replica.restoring
    for part in parts:
        await other.replica.restore(part)
    await other.replica.end_restore()
    assert other.metadata.tag("lib/mine", "m") == mine
    assert other.metadata.tag("lib/app", "b") == one.metadata.tag("lib/app", "b")


async def test_no_read_and_no_write_during_a_restore(open_node: OpenIndex):
    """A half-loaded index would answer 'not found'."""
    one, other = open_node("a"), open_node("b")
    digest = await fill(one)
    await replicate(one, other)
    head, parts = await parts_of(one)
    await other.replica.begin_restore(head)
    await other.replica.restore(parts[0])
    for read in (
        lambda: other.metadata.manifest("lib/app", digest),
        lambda: other.metadata.tag("lib/app", "b"),
        lambda: other.metadata.tags("lib/app", "", 10),
        lambda: other.metadata.repositories("", 10),
        lambda: other.metadata.blob("lib/app", CONFIG),
        lambda: other.metadata.referrers("lib/app", digest, frozenset(), "", 10),
        lambda: other.metadata.tagged("lib/app", "b"),
        lambda: other.metadata.tag_register("lib/app", "b"),
        lambda: other.metadata.tag_history("lib/app", "b"),
        lambda: other.metadata.conflicts(None, None, 10),
        lambda: other.metadata.setting("project", "lib"),
        lambda: other.metadata.settings("project", "", 10),
    ):
        with pytest.raises(NotCaughtUp):
            read()
    with pytest.raises(NotCaughtUp):
        await other.metadata.delete(DeleteTag("lib/app", "b"))
    assert other.metadata.uploads() == [], "uploads are not part of it"


async def test_histories_settings_and_conflicts_come_along(open_node: OpenIndex):
    """A node that took a checkpoint would trim and show by what it does not know."""
    one, two, other = open_node("a"), open_node("b"), open_node("c")
    await fill(one)
    await push(two, "lib/app", "elsewhere", "b")
    await replicate(two, one)
    await restore(one, other)
    assert [tag for tag, _ in one.metadata.conflicts(None, None, 10)[0]] == ["lib/app"]
    for read in (
        lambda index: index.metadata.conflicts(None, None, 10),
        lambda index: index.metadata.tag_history("lib/app", "b"),
        lambda index: index.metadata.setting("project", "lib"),
    ):
        assert read(other) == read(one)
    assert other.metadata.setting("project", "lib") is not None
    assert len(other.metadata.tag_history("lib/app", "b")) == 4
    await replicate(one, two)
    await push(one, "lib/app", "later", "b")
    await replicate(one, two)
    await replicate(one, other)
    assert shared_rows(other) == shared_rows(one) == shared_rows(two)


async def test_members_are_saved_during_a_restore(open_node: OpenIndex):
    """They are this node's own; a cluster that changes meanwhile would end the engine."""
    one, other = open_node("a"), open_node("b")
    await fill(one)
    head, parts = await parts_of(one)
    await other.replica.begin_restore(head)
    met = Rumour(Member(NodeId("a"), Region("eu"), "a:1", "a:2", 1), Standing(Status.ALIVE, 1))
    await other.members.save([met])
    for part in parts:
        await other.replica.restore(part)
    await other.replica.end_restore()
    assert list(other.members.load()) == [met]
    assert shared_rows(other) == shared_rows(one)


async def test_a_disk_that_was_full_meanwhile_ends_the_attempt(open_node: OpenIndex):
    """Broken: a part that the disk did not take is missing, and the sums here count it."""
    one, store = open_node("a"), FullStore()
    other = open_node("b", store=store)
    mine = await push(other, "lib/mine", "only here", "m")
    await fill(one)
    head, parts = await parts_of(one)
    await other.replica.begin_restore(head)
    store.full = True
    with pytest.raises(IndexFull):
        await other.replica.restore(parts[0])
    store.full = False
    with pytest.raises(CheckpointUnavailable):
        await other.replica.restore(parts[1])
    with pytest.raises(CheckpointUnavailable):
        await other.replica.end_restore()
    with pytest.raises(NotCaughtUp):
        other.metadata.tag("lib/mine", "m")
    await restore(one, other)
    assert other.metadata.tag("lib/mine", "m") == mine
    assert other.metadata.tag("lib/app", "b") == one.metadata.tag("lib/app", "b")
    assert other.journal.sums == Sums.recompute(store) == Sums.load(store)


async def test_a_damaged_part_is_noticed(open_node: OpenIndex):
    one, other = open_node("a"), open_node("b")
    await fill(one)
    head, parts = await parts_of(one)
    await other.replica.begin_restore(head)
    for part in parts[:3] + parts[4:]:
        await other.replica.restore(part)
    with pytest.raises(CheckpointUnavailable):
        await other.replica.end_restore()
    with pytest.raises(NotCaughtUp):
        other.metadata.tag("lib/app", "b")
    await restore(one, other)
    assert shared_rows(other) == shared_rows(one)


class DyingStore(MemoryStore):
    """Loses power before its *n*-th write or sync."""

    def __init__(self) -> None:
        super().__init__()
        self.left = -1

    def _step(self) -> None:
        if self.left == 0:
            raise StorageFailure("power cut")
        self.left -= 1

    def write(self, batch: Sequence[Change]) -> None:
        self._step()
        super().write(batch)

    def sync(self) -> None:
        self._step()
        super().sync()


@pytest.mark.parametrize("keep", [False, True], ids=["lost", "kept"])
async def test_a_crash_at_any_step_leaves_all_or_a_node_that_begins_again(
    open_node: OpenIndex, keep: bool
):
    """*keep*: a disk may also have what was never synced."""
    one = open_node("a")
    await fill(one)
    seed = open_node("c")
    await replicate(one, seed)
    await one.replica.trim(one.replica.vector())
    finished = False
    for steps in range(400):
        store = DyingStore()
        other = open_node("b", store=store)
        mine = await push(other, "lib/mine", "only here", "m")
        own = other.replica.origin
        store.left = steps
        try:
            await restore(one, other)
            finished = True
        except StorageFailure:
            pass
        store.left = -1
        other.writer.close()
        if not keep:
            store.crash()
        again = open_node("b", store=store)
        assert again.replica.vector().get(own, 0) == other.replica.vector()[own]
        if again.replica.restoring:
            with pytest.raises(NotCaughtUp):
                again.metadata.tag("lib/mine", "m")
            await restore(one, again)
        elif not finished:
            assert again.metadata.tag("lib/mine", "m") == mine, f"half an index after {steps} steps"
            await restore(one, again)
        assert again.metadata.tag("lib/mine", "m") == mine
        assert again.metadata.tag("lib/app", "b") == one.metadata.tag("lib/app", "b")
        assert again.journal.sums == Sums.recompute(store) == Sums.load(store)
        if finished:
            break
    assert finished


async def test_stamps_go_on_behind_those_of_a_trimmed_log(open_node: OpenIndex, wall: HandClock):
    """A clock set back would otherwise issue stamps that lose against what they replace."""
    store = MemoryStore()
    one = open_node("a", store=store)
    await fill(one)
    last = one.journal.clock.tick(0)
    await one.replica.trim(one.replica.vector())
    one.writer.close()
    wall.ms -= 3_600_000
    again = open_node("a", store=store)
    assert again.journal.clock.tick(0) > last - (1 << 16)


@pytest.mark.parametrize("seed", range(25))
async def test_trims_and_checkpoints_end_like_plain_replication(open_node: OpenIndex, seed: int):
    """Three nodes write, hear of each other, trim and restore as it comes; a fourth replays all."""
    rng = random.Random(seed)
    nodes = [open_node(name) for name in "abc"]
    plain = open_node("d")
    for _ in range(30):
        node = rng.choice(nodes)
        match rng.randrange(10):
            case 8:
                value = rng.choice(["{}", '{"history_max":9}', None])
                await set_or_delete(node, "project", rng.choice("xyz"), value)
            case 9:
                await node.metadata.delete(DeleteBlob("lib/app", CONFIG))
            case 0 | 1 | 2:
                await push(node, "lib/app", str(rng.randrange(6)), rng.choice("xyz"))
            case 3:
                await node.metadata.delete(DeleteTag("lib/app", rng.choice("xyz")))
            case 4:
                digest = node.metadata.tag("lib/app", rng.choice("xyz"))
                await node.metadata.delete(DeleteManifest("lib/app", digest or CONFIG))
            case _:
                await replicate(rng.choice(nodes), node)
        # The plain one keeps every log, so it must hear of all before anybody trims.
        await replicate(node, plain)
        if rng.random() < 0.3:
            everywhere = _known_to_all(nodes)
            far = {o: rng.randint(0, seq) for o, seq in everywhere.items()}
            await node.replica.trim(far)
        if rng.random() < 0.1:
            # As after a repair by compare, or a peer that trimmed by age.
            source = rng.choice([other for other in nodes if other is not node])
            if all(
                source.replica.vector().get(o, 0) >= floor
                for o, floor in node.replica.floor().items()
            ):
                await restore(source, node)
    for _ in range(2):
        for source in nodes:
            for target in nodes:
                if source is not target:
                    await replicate(source, target)
    for node in nodes:
        assert node.replica.vector() == plain.replica.vector()
        assert shared_rows(node) == shared_rows(plain)
        assert node.journal.sums == plain.journal.sums == Sums.recompute(node.journal.store)


def _known_to_all(nodes: list[Index]) -> dict[Origin, int]:
    vectors = [node.replica.vector() for node in nodes]
    return {o: min(v.get(o, 0) for v in vectors) for vector in vectors for o in vector}
