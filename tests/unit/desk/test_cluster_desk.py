"""Who looks, and when copies are counted anew."""

from dataclasses import replace

import pytest

from cluster.errors import MemberMissing, NotDecided
from cluster.layout import Entry, Live
from cluster.model import NodeId, Region, Status
from cluster.statistics import MemberStatistics
from node.attention.collector import AttentionSources, Collector
from node.attention.facts import CopyFacts, StorageFacts
from node.attention.service import Attention
from node.desk.cluster import ClusterDesk, ClusterSources
from node.desk.series import STEP_S, Tally
from tests.fakes.layouts import layout
from tests.fakes.replicator import SoloView


class Parts:
    """What a desk asks, as a test sets it."""

    def __init__(self) -> None:
        self.view = SoloView()
        self.live = Live(layout("local: b c solo"))
        self.absent: NotDecided | None = None
        self.shortfall = CopyFacts(9, 90)
        self.counts = 0
        self.now = 1_000.0
        self.link("b")
        self.link("c")
        sources = AttentionSources(
            statistics=self.view.statistics,
            live=self.live_layout,
            change=lambda: None,
            voters=lambda: ([NodeId("solo"), NodeId("b"), NodeId("c")], []),
            copies=self.copies,
            conflicts=self.conflicts,
            has_admin=lambda: True,
            can_sign=lambda: True,
            apart_s=lambda: 0.0,
            login_cutoff_s=3600.0,
            storage=lambda: StorageFacts(),
            wall=lambda: self.now,
            steady=lambda: self.now,
        )
        self.desk = ClusterDesk(
            ClusterSources(
                attention=Attention(Collector(sources)),
                statistics=self.view.statistics,
                live=self.live_layout,
                change=lambda: None,
                entries=lambda: [Entry(2, NodeId("solo"), self.live)],
                planned=list,
                round_trips_s=lambda: self.view.round_trips_s,
                written_at=self.view.written_at.get,
                tally=lambda: self.view.tally,
                steady=lambda: self.now,
            )
        )

    def link(self, node: str, **fields: object) -> None:
        known = MemberStatistics(
            node=NodeId(node),
            region=Region("local"),
            rpc="127.0.0.1:1",
            http="127.0.0.1:2",
            connected=True,
            status=Status.ALIVE,
            incarnation=1,
            lag_events=0,
            ahead_events=0,
        )
        others = [each for each in self.view.members if each.node != node]
        self.view.members = (*others, replace(known, **fields))  # type: ignore[arg-type]

    def live_layout(self) -> Live:
        if self.absent is not None:
            raise self.absent
        return self.live

    async def copies(self) -> CopyFacts:
        self.counts += 1
        return self.shortfall

    async def conflicts(self) -> int:
        return 0


@pytest.fixture
def parts() -> Parts:
    return Parts()


async def test_copies_are_counted_while_some_lack_and_when_somebody_came_or_went(parts: Parts):
    """Broken: a node looks at a million blobs every ten seconds, and all is well."""
    for _ in range(3):
        await parts.desk.count_if_due()
    assert parts.counts == 1, "nothing has changed"
    parts.link("b", connected=False)
    parts.shortfall = CopyFacts(9, 90, short=2, short_bytes=20)
    for _ in range(3):
        await parts.desk.count_if_due()
    assert parts.counts == 4, "some lack"
    parts.shortfall = CopyFacts(9, 90)
    for _ in range(3):
        await parts.desk.count_if_due()
    assert parts.counts == 5
    parts.link("b")
    await parts.desk.count_if_due()
    assert parts.counts == 6


async def test_who_has_no_layout_counts_nothing(parts: Parts):
    parts.absent = NotDecided("there is no layout yet")
    await parts.desk.count_if_due()
    assert parts.counts == 0
    assert parts.desk.nodes().may_stop == []
    with pytest.raises(NotDecided):
        await parts.desk.safe_to_stop(NodeId("b"))
    assert parts.desk.layout().version is None


async def test_whether_a_node_may_be_stopped_is_counted_for(parts: Parts):
    """Broken: nobody may be stopped in the first ten minutes of a node, or all may."""
    assert parts.desk.nodes().may_stop == [], "nothing was counted yet"
    assert (await parts.desk.safe_to_stop(NodeId("b"))).safe
    assert parts.desk.nodes().may_stop == ["b", "c", "solo"]
    with pytest.raises(MemberMissing):
        await parts.desk.safe_to_stop(NodeId("x"))


def test_the_samples_are_this_nodes_alone(parts: Parts):
    """Broken: a figure of one node is taken for that of the cluster."""
    parts.link("c", lag_events=4)
    parts.view.written_at[4] = parts.now - 1.5
    parts.desk.sample()
    parts.now += STEP_S
    parts.view.tally = Tally(pushes=10)
    parts.desk.sample()
    found = parts.desk.series(points=1)
    assert (found.of, found.missing) == (("solo",), ["b", "c"])
    assert {each.name: each.now for each in found.series} == {
        "pushes": 2.0, "pulls": 0.0, "errors": 0.0, "bytes_out": 0.0, "lag": 6.5
    }  # fmt: skip
    [pushes] = parts.desk.series(name="pushes").series
    assert pushes.points == [2.0]


def test_what_somebody_lacks_is_as_old_as_it_is(parts: Parts):
    parts.link("b", lag_events=4)
    parts.link("c", lag_events=9)
    parts.view.written_at[4] = parts.now - 1.5
    nodes = {node.node: node for node in parts.desk.nodes().nodes}
    assert (nodes["b"].behind_events, nodes["b"].behind_s) == (4, 1.5)
    assert (nodes["c"].behind_events, nodes["c"].behind_s) == (9, None), "the disk did not tell"
    assert parts.desk.look().lag_s is None


async def test_work_keeps_its_course_between_two_who_ask(parts: Parts):
    parts.shortfall = CopyFacts(9, 90, short=2, short_bytes=20)
    await parts.desk.count_if_due()
    parts.desk.sample()
    parts.now += 30.0
    [work] = parts.desk.work().work
    assert (work.kind, work.total, work.since) == ("repair", 2, 1_000.0)
