"""
Three indexes under everything that can happen to one, against a fourth that only hears of it.

Broken: two nodes that heard of the same events differ for ever, as one of them had a power cut, a
failing disk or a checkpoint in between, or heard of the events in another order.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain, islice
from typing import TypeVar

import pytest

from cluster.clock import HybridClock
from cluster.errors import CheckpointUnavailable, EventGap, StorageFailure
from cluster.gossip.stability import Stability
from cluster.model import Digest, Event, Kind, NodeId, Origin
from cluster.objects import Presence, changes, decode_body
from node.fsck.index import IndexCheck
from node.fsck.report import Report
from node.index import checkpoint, keys, objects, references, rows
from node.index.fallback import fallback_tag
from node.index.index import open_index
from node.index.rows import ManifestPayload
from node.index.store import END, Change
from node.index.writer import IndexWriter, Task
from node.registry.manifests import stored_needs
from node.registry.media_types import OCI_INDEX
from node.registry.values import (
    DeleteBlob,
    DeleteManifest,
    DeleteTag,
    ManifestRecord,
    PutManifest,
)
from tests.builders import HandClock
from tests.fakes.ordered_store import MemoryStore
from tests.unit.index.nodes import (
    CONFIG,
    REPO,
    digest_of,
    index_of,
    push_index,
    restore,
    set_or_delete,
    shared_rows,
    store,
)

T = TypeVar("T")

ACTS = 160
TEXTS = "xy"
TAGS = [f"t{number}" for number in range(8)]


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a few rows fit into, so that a deletion, a settling and a checkpoint take several."""
    monkeypatch.setattr(objects, "UNTAGGED_TOGETHER", 2)
    monkeypatch.setattr(objects, "FORGOTTEN_TOGETHER", 3)
    monkeypatch.setattr(references, "WRITTEN_TOGETHER", 2)
    monkeypatch.setattr(checkpoint, "_PART_BYTES", 300)


class FailingStore(MemoryStore):
    """A store whose disk fails at a step, which is a write or a sync, until it is recovered."""

    steps_left: int | None = None

    def write(self, batch: Sequence[Change]) -> None:
        if self.trouble is not None:
            raise self.trouble
        self._step()
        super().write(batch)

    def sync(self) -> None:
        self._step()
        super().sync()

    def crash(self) -> None:
        super().crash()
        self.trouble = self.steps_left = None

    def _step(self) -> None:
        if self.steps_left == 0:
            self.trouble, self.steps_left = StorageFailure("the disk failed"), None
            raise self.trouble
        if self.steps_left is not None:
            self.steps_left -= 1


class InlineWriter(IndexWriter):
    """Carries out each change at once, so that nothing but the seed decides what happens when."""

    async def submit(self, change: Callable[[], T], *, synced: bool = True) -> T:
        task = Task(change, asyncio.get_running_loop(), synced=synced)
        task.settle(self.run_changes([task]) or self.seal())
        return await task.future

    def close(self) -> None:
        """Nothing waits."""


class Node:
    """An index on a disk that may fail, with a clock that is off."""

    def __init__(self, name: str, rng: random.Random) -> None:
        self.name = NodeId(name)
        self.rng = rng
        self.store = FailingStore()
        self.wall = HandClock()
        self.wall.ms += rng.choice([-200, 0, 200])
        self.start()

    def start(self) -> None:
        clock = HybridClock(self.wall)
        self.index = open_index(
            self.store, self.name, clock, self.wall, self.rng, lambda *_: None, InlineWriter
        )
        self.stability = Stability()

    def cut_power(self) -> None:
        self.store.crash()
        self.start()

    async def recover(self) -> None:
        self.store.steps_left = None
        await self.index.writer.submit(lambda: None)

    async def forget_deletions(self) -> None:
        """Forget deletions, as `Trimmer` does."""
        others = dict.fromkeys(NodeId(name) for name in "abc" if name != self.name)
        stable = self.stability.stable(others, self.index.replica.vector())
        await self.index.replica.forget_deletions(stable)


class World:
    """Three nodes that change things, a fourth that does not, and what there is to hear."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        *self.nodes, self.fourth = [Node(name, self.rng) for name in "abcd"]
        self.logs: dict[Origin, list[Event]] = {}
        self.pushed: dict[Digest, bytes] = {}
        """Every manifest that somebody pushed at some time."""

    async def act(self) -> None:
        node = self.rng.choice(self.nodes)
        passed_ms = self.rng.choice([0, 1, 10, 500, 1500, 4000])
        for each in [*self.nodes, self.fourth]:
            each.wall.ms += passed_ms
        node.store.steps_left = self.rng.choice([None] * 3 + list(range(6)))
        try:
            await self._act(node)
        except StorageFailure:
            if self.rng.randrange(2):
                node.cut_power()
        await node.recover()
        while node.index.replica.restoring:
            await self._restore(node)
        self._remember(node)

    async def _act(self, node: Node) -> None:
        rng, metadata = self.rng, node.index.metadata
        match rng.randrange(22):
            case 0 | 1 | 2:
                tags = rng.sample(TAGS, rng.randrange(len(TAGS) + 1))
                subject = rng.choice([digest_of(rng.choice(TEXTS)), None, None])
                await store(node.index, rng.choice(TEXTS), *tags, subject=subject)
            case 3:
                await push_index(node.index, REPO, fallback_tag(digest_of(rng.choice(TEXTS))))
            case 4 if tags := metadata.tags(REPO, "", 100).items:
                await metadata.delete(DeleteTag(REPO, rng.choice(tags)))
            case 5 | 6 if found := list(node.store.scan("manifest_bytes", b"", END)):
                key, _ = rng.choice(found)
                await metadata.delete(DeleteManifest(REPO, Digest(keys.split(key)[1])))
            case 7:
                await metadata.delete(DeleteBlob(REPO, CONFIG))
            case 8:
                value = rng.choice([None, '{"a":1}', '{"a":2}'])
                await set_or_delete(node.index, "kind", "s", value)
            case 9 | 10 | 11:
                for _ in range(rng.randrange(10)):
                    await self.hear(node)
            case 12:
                self.greet(node, rng.choice(self.nodes))
            case 13:
                await node.forget_deletions()
            case 14:
                await self._trim(node)
            case 15 if rng.randrange(2):
                node.cut_power()
            case 15:
                await self._restore(node)
            case 16 | 17 | 18 | 19:
                await self._push_index(node)
            case 20 if self.pushed:
                await metadata.delete(DeleteManifest(REPO, rng.choice([*self.pushed])))
            case 21:
                for other in self.nodes:
                    self.greet(node, other)
                await node.forget_deletions()

    async def _push_index(self, node: Node) -> None:
        """Of images and of other indexes, deleted ones included; some do without what is gone."""
        known = self.rng.sample(
            [*self.pushed.items()], min(self.rng.randrange(4), len(self.pushed))
        )
        lacks = [d for d, _ in known if node.index.metadata.manifest(REPO, d) is None]
        if known and (not lacks or self.rng.randrange(2)):
            index = index_of(*((d, ManifestRecord(OCI_INDEX, body)) for d, body in known))
            await node.index.metadata.put(PutManifest(REPO, *index, [], lacks))

    async def _trim(self, node: Node) -> None:
        """Forget what every node has."""
        vectors = [each.index.replica.vector() for each in self.nodes]
        upto = {origin: min(v.get(origin, 0) for v in vectors) for origin in vectors[0]}
        await node.index.replica.trim(upto)

    async def _restore(self, node: Node) -> None:
        source = self.rng.choice([each for each in self.nodes if each is not node])
        with suppress(CheckpointUnavailable):
            await restore(source.index, node.index)

    def _remember(self, node: Node) -> None:
        for origin in node.index.replica.vector():
            log = self.logs.setdefault(origin, [])
            new = node.index.replica.events_after(origin, len(log), max_bytes=1 << 30)
            log += new
            for event in new:
                if event.key.collection == "manifest" and event.kind == Kind.ADD:
                    payload = rows.decode(ManifestPayload, decode_body(event).payload)
                    self.pushed[Digest(event.key.name)] = payload.body

    async def hear(self, node: Node) -> bool:
        """Tell *node* the next changes of one log, where they can be; returns if there were any."""
        have = node.index.replica.vector()
        rest = [log[have.get(origin, 0) :] for origin, log in self.logs.items()]
        ahead = [log for log in rest if log]
        if ahead:
            some = islice(changes(self.rng.choice(ahead)), self.rng.randrange(1, 4))
            # They may build on those of another log.
            with suppress(EventGap):
                await node.index.replica.apply(list(chain.from_iterable(some)))
        return bool(ahead)

    def greet(self, node: Node, other: Node) -> None:
        """Let *node* know what *other* has."""
        if other is not node:
            said, mine = other.index.replica.vector(), node.index.replica.vector()
            node.stability.note(other.name, said, mine)

    def readable(self, node: Node) -> set[Digest]:
        """The manifests that can be read by their digests, and the blob that images name."""
        metadata = node.index.metadata
        found = {d for d, body in self.pushed.items() if metadata.manifest(REPO, d) is not None}
        return found if metadata.blob(REPO, CONFIG) is None else found | {CONFIG}

    def present(self, node: Node) -> set[Digest]:
        """What should be: all that nobody deleted, and what that names, directly or not."""
        found, ahead = set[Digest](), list[Digest]()
        for family in ("manifests", "blobs"):
            for key, row in node.store.scan(family, b"", END):
                state, digest = rows.decode(Presence, row), Digest(keys.split(key)[1])
                if state.present:
                    found.add(digest)
                if family == "manifests" and references.is_anchor(state):
                    ahead.append(digest)
        while ahead:
            digest = ahead.pop()
            names = {need.digest for need in stored_needs(digest, self.pushed[digest])}
            ahead += names & self.pushed.keys()
            found |= names
        return found


def named(node: Node) -> list[tuple[bytes, bytes]]:
    return list(node.store.scan("named", b"", END))


@pytest.mark.parametrize("seed", range(25))
async def test_nodes_that_heard_of_the_same_events_are_the_same(seed: int):
    world = World(seed)
    for _ in range(ACTS):
        await world.act()
    for node in [*world.nodes, world.fourth]:
        while await world.hear(node):
            pass
    for node in world.nodes:
        assert shared_rows(node.index) == shared_rows(world.fourth.index), node.name
        assert node.index.journal.sums == world.fourth.index.journal.sums
        assert named(node) == named(world.fourth)
    for node in [*world.nodes, world.fourth]:
        assert world.readable(node) == world.present(node), node.name
    # At first what somebody said earlier counts, and the second time what is said now.
    for node in world.nodes * 2:
        for other in world.nodes:
            world.greet(node, other)
        await node.forget_deletions()
    for node in world.nodes:
        for family in ("deletions", "kept_named"):
            assert list(node.store.scan(family, b"", END)) == []
        assert world.readable(node) == world.present(node)
        report = Report()
        IndexCheck(node.store, node.name, report, lambda _: None).run()
        assert report.problems == []
        assert node.index.replica.quarantined() == 0
