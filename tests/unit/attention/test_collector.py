"""The facts, from what the parts of a node tell; and the looks that come of them."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from cluster.errors import NotCaughtUp, NotDecided, StorageFailure
from cluster.layout import Hindrance, Live, Phase, View
from cluster.model import NodeId, Region, Vitals
from cluster.statistics import ClusterStatistics, Counters
from node.attention.codes import Code
from node.attention.collector import AttentionSources, Collector
from node.attention.facts import CopyFacts, CopyPlaces, HindranceFacts, StorageFacts
from node.attention.rules.requests import RECENT_S
from node.attention.service import Attention
from tests.fakes.layouts import layout
from tests.fakes.replicator import SoloView


class Parts:
    """What a collector asks, as a test sets it."""

    def __init__(self) -> None:
        self.view = SoloView()
        self.totals = Counters()
        self.live = Live(layout("local: solo", copies=1))
        self.absent: NotDecided | None = None
        self.change: View | None = None
        self.unknown: Exception | None = None
        self.shortfall = CopyFacts(9, 90)
        self.in_conflict = 3
        self.now = 1_000.0
        self.collector = Collector(
            AttentionSources(
                statistics=self.statistics,
                live=self.live_layout,
                change=lambda: self.change,
                voters=lambda: ([NodeId("solo")], []),
                copies=self.copies,
                conflicts=self.conflicts,
                has_admin=self.yes,
                can_sign=self.yes,
                apart_s=lambda: 0.0,
                login_cutoff_s=3600.0,
                storage=lambda: StorageFacts(),
                wall=lambda: self.now,
                steady=lambda: self.now,
            )
        )

    def statistics(self) -> ClusterStatistics:
        return replace(self.view.statistics(), totals=replace(self.totals))

    def live_layout(self) -> Live:
        if self.absent is not None:
            raise self.absent
        return self.live

    def yes(self) -> bool:
        if self.unknown is not None:
            raise self.unknown
        return True

    async def copies(self) -> CopyFacts:
        self.yes()
        return self.shortfall

    async def conflicts(self) -> int:
        self.yes()
        return self.in_conflict


@pytest.fixture
def parts() -> Parts:
    return Parts()


async def test_what_takes_long_is_as_it_was_when_it_was_counted(parts: Parts):
    """Broken: a scrape of `/metrics` walks all blobs."""
    assert (parts.collector.facts().copies, parts.collector.facts().conflicts) == (None, None)
    await parts.collector.count()
    parts.shortfall = parts.shortfall._replace(short=2)
    facts = parts.collector.facts()
    assert facts.copies is not None
    assert (facts.copies.blobs, facts.copies.short, facts.conflicts) == (9, 0, 3)
    await parts.collector.count()
    assert parts.collector.facts().copies == CopyFacts(9, 90, 2)


async def test_a_count_is_as_old_as_the_look_that_it_comes_of(parts: Parts):
    """Broken: who asks often is told that what was counted a while ago was counted now."""
    assert parts.collector.facts().counted is None
    for walk, counted in ((1, 1_000.0), (1, 1_000.0), (2, 1_020.0)):
        parts.shortfall = CopyFacts(9, 90, places=CopyPlaces(walk=walk))
        await parts.collector.count()
        assert parts.collector.facts().counted == counted
        parts.now += 10.0
    parts.unknown = NotCaughtUp("it restores")
    await parts.collector.count()
    assert parts.collector.facts().counted is None


@pytest.mark.parametrize("problem", [NotCaughtUp("it restores"), StorageFailure("the disk")])
async def test_what_is_not_known_is_said(parts: Parts, problem: Exception):
    """Broken: what was counted before it failed is shown as if it were so now."""
    await parts.collector.count()
    parts.unknown = problem
    await parts.collector.count()
    facts = parts.collector.facts()
    assert (facts.copies, facts.conflicts, facts.access.has_admin) == (None, None, None)
    assert set(facts.uncounted.values()) == {str(problem)}
    parts.unknown = None
    await parts.collector.count()
    assert parts.collector.facts().uncounted == {}


async def test_conflicts_are_counted_without_the_copies(parts: Parts):
    """Broken: a conflict is shown ten minutes after it arose."""
    await parts.collector.count()
    parts.in_conflict, parts.shortfall = 7, CopyFacts(1, 10, 1)
    await parts.collector.count_conflicts()
    facts = parts.collector.facts()
    assert facts.copies is not None
    assert (facts.conflicts, facts.copies.short) == (7, 0)
    parts.unknown = NotCaughtUp("it restores")
    await parts.collector.count_conflicts()
    assert parts.collector.facts().uncounted == {"conflicts": "it restores"}
    assert parts.collector.facts().copies is not None


def test_without_a_layout_it_is_said_why(parts: Parts):
    parts.absent = NotDecided("there is no layout yet")
    facts = parts.collector.facts()
    assert facts.layout is None
    assert facts.no_layout == "not decided: there is no layout yet"


@pytest.mark.parametrize("phase", Phase)
def test_only_a_change_that_stalls_is_a_fact(parts: Parts, phase: Phase):
    parts.change = View(phase, (Hindrance(Region("local"), NodeId("b"), "has not been heard"),))
    stalled = parts.collector.facts().stalled
    if phase is not Phase.STALLED:
        assert stalled is None
        return
    assert stalled is not None
    assert stalled.hindrances == (HindranceFacts("b", "region local: b has not been heard"),)


def test_reads_of_long_ago_are_no_trouble_of_now(parts: Parts):
    """Broken: one refused read is an alarm until the node is started again."""
    assert parts.collector.facts().reads == (0, 0)
    parts.totals.reads_refused, parts.totals.reads_unconfirmed = 2, 5
    parts.now += 1
    assert parts.collector.facts().reads == (2, 5)
    parts.now += 9
    assert parts.collector.facts().reads == (2, 5)
    parts.totals.reads_unconfirmed += 1
    for _ in range(int(RECENT_S) // 10):
        parts.now += 10
        reads = parts.collector.facts().reads
    assert reads == (0, 1)
    parts.now += 10
    assert parts.collector.facts().reads == (0, 0)


async def test_a_look_counts_and_a_glance_does_not(parts: Parts):
    attention = Attention(parts.collector)
    parts.shortfall = parts.shortfall._replace(short=2)
    assert attention.see().concerns == ()
    seen = await attention.look()
    assert [each.finding.code for each in seen.concerns] == [
        Code.COPIES_SHORT, Code.TAG_CONFLICTS,
    ]  # fmt: skip
    assert attention.see().concerns == seen.concerns


async def test_notices_are_not_pressing(parts: Parts):
    parts.view.vitals = Vitals("1.2.3", 1000, 400, 7, 70)
    attention, before = Attention(parts.collector), parts.statistics

    def open_to_all() -> ClusterStatistics:
        return replace(before(), settings={"auth": "open"})

    parts.collector._sources = replace(parts.collector._sources, statistics=open_to_all)
    seen = attention.see()
    assert [each.finding.code for each in seen.concerns] == [Code.AUTH_OPEN]
    assert seen.pressing == ()


async def test_somebody_looks_when_nobody_asks(parts: Parts, monkeypatch: pytest.MonkeyPatch):
    """Broken: what began at night is as old as the first who asked in the morning."""
    attention, pauses = Attention(parts.collector), list[float]()
    really = asyncio.sleep

    async def moment(seconds: float, *_: Any) -> None:
        pauses.append(seconds)
        parts.now += 1
        await really(0)

    monkeypatch.setattr(asyncio, "sleep", moment)
    parts.view.logs = 500
    running = asyncio.ensure_future(attention.run())
    while len(pauses) < 6:
        await really(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    [many] = [each for each in attention.see().concerns if each.finding.code is Code.LOGS_MANY]
    assert many.since == 1_000.0
    assert parts.collector.facts().conflicts == 3, "and counts, though more rarely"
