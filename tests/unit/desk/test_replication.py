"""Where images are: gathered once, until something changes; and no longer than a page may wait."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from cluster import ClusterStatistics
from cluster.layout import Live
from cluster.model import Digest, Dot, NodeId, Region, Spread, SpreadNode
from node.desk.replication import ImageAt, Replication
from node.registry.values import ManifestRecord
from node.remembered.words import Words
from tests.builders import an_image, an_index, descriptor, stored
from tests.fakes.layouts import layout
from tests.fakes.replicator import SoloView

CONFIG, LAYER = Digest.of(b"config"), Digest.of(b"layer")
IMAGE, RECORD = stored(an_image((CONFIG, 100), (LAYER, 300)))


class Rows:
    """An index of holder rows and manifests, that counts how often it is asked."""

    def __init__(self) -> None:
        self.held: dict[Digest, dict[NodeId, int]] = {}
        self.manifests: dict[Digest, ManifestRecord] = {IMAGE: RECORD}
        self.asked = 0

    def manifest(self, repository: str, digest: Digest) -> ManifestRecord | None:
        return self.manifests.get(digest)

    def last_push(self, repository: str, digest: Digest) -> None:
        return None

    def held_since(self, digest: Digest) -> Mapping[NodeId, int]:
        self.asked += 1
        return self.held.get(digest, {})


class Two:
    """A cluster of two regions, in which all is heard of at once."""

    def __init__(self) -> None:
        self._view = SoloView()

    def statistics(self) -> ClusterStatistics:
        return self._view.statistics()

    async def wait_for(
        self, dot: Dot, regions: Sequence[Region] | None, timeout_s: float
    ) -> Spread:
        return Spread((SpreadNode(NodeId("solo"), Region("local"), True, True),))


class Desk:
    """The service over these; *now* is its steady clock."""

    def __init__(self) -> None:
        self.rows, self.words, self.now = Rows(), Words(), 0.0
        self.live = Live(layout("local: solo, us: u1", copies=1))
        self.cached: dict[Digest, int] = {}
        pull: Any = None
        self.service = Replication(
            self.rows,
            pull,
            Two(),
            lambda: self.live,
            self.words,
            lambda: 0,
            self.cached.get,
            self.clock,
        )

    def clock(self) -> float:
        self.now += 0.01
        return self.now

    def hold(self, digest: Digest, node: str) -> None:
        self.rows.held.setdefault(digest, {})[NodeId(node)] = 1
        self.words.change_digest(digest)

    async def where(self, count: int = 1) -> list[dict[str, tuple[str, float]] | None]:
        images = [ImageAt("lib/app", IMAGE, Dot("solo", 1, 1), 0)] * count
        found = await self.service.where(images)
        return [
            None if each is None else {name: (one.state, one.share) for name, one in each.items()}
            for each in found
        ]


async def test_it_is_gathered_once_until_a_row_changes():
    """Broken: each page of a table reads the rows of all its blobs."""
    desk = Desk()
    for blob in (CONFIG, LAYER):
        desk.hold(blob, "solo")
    for _ in range(3):
        assert await desk.where() == [{"local": ("here", 1.0), "us": ("silent", 0.0)}]
    assert desk.rows.asked == 2
    desk.words.change_digest(Digest.of(b"another blob"))
    await desk.where()
    assert desk.rows.asked == 2
    del desk.rows.held[LAYER]
    desk.words.change_digest(LAYER)
    [where] = await desk.where()
    assert where is not None
    assert where["local"] == ("unreadable", 0.25)


async def test_what_came_by_a_pull_is_here_for_the_node_that_has_it():
    """Broken: somebody has pulled it here, and is told for ever that it will come when pulled."""
    desk = Desk()
    desk.hold(CONFIG, "u1")
    desk.hold(LAYER, "u1")
    [where] = await desk.where()
    assert where is not None
    assert where["local"][0] != "here"
    for blob in (CONFIG, LAYER):
        desk.cached[blob] = 1
        desk.words.change_digest(blob)
    [where] = await desk.where()
    assert where is not None
    assert where["local"] == ("here", 1.0)


async def test_another_layout_is_another_answer():
    desk = Desk()
    desk.hold(CONFIG, "solo")
    desk.hold(LAYER, "solo")
    await desk.where()
    desk.live = Live(layout("local: solo, us: u1 u2", copies=2))
    await desk.where()
    assert desk.rows.asked == 4


async def test_what_takes_too_long_is_left_out():
    """Broken: a page of a table waits for all that is not known yet."""
    desk = Desk()
    found = await desk.where(50)
    assert found[0] is not None
    assert found[-1] is None


async def test_what_may_come_is_not_kept():
    """An index that lists what is not there: a push may bring it, and no word says so."""
    desk = Desk()
    index, record = stored(an_index(descriptor(IMAGE, len(RECORD.body))))
    del desk.rows.manifests[IMAGE]
    desk.rows.manifests[index] = record
    images = [ImageAt("lib/app", index, None, 0)]
    [before] = await desk.service.where(images)
    desk.rows.manifests[IMAGE] = RECORD
    [after] = await desk.service.where(images)
    assert before is not None
    assert after is not None
    assert (before["local"].share, after["local"].share) == (1.0, 0.0)
    assert after["local"].state == "unreadable"


async def test_no_more_than_a_page_is_asked_for():
    with pytest.raises(AssertionError):
        await Desk().where(51)
