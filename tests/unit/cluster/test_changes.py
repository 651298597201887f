"""Only who waits for what changed is woken."""

import asyncio
from collections.abc import Hashable
from functools import partial

import pytest

from cluster.driver.acknowledger import Acknowledger
from cluster.driver.pusher import Pusher
from cluster.model import Consistency, Dot, NodeId, Origin
from cluster.tasks.changes import Changes, Topic
from tests.fakes.fleet import fleet

A, B = NodeId("a"), NodeId("b")
LOG, OTHER = Origin(A, 1), Origin(B, 1)


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def dot(seq: int, log: Origin = LOG) -> Dot:
    return Dot(*log, seq)


@pytest.mark.parametrize(
    ("beats", "woken"),
    [
        ([Topic.MEMBERS], ["members", "both", "all"]),
        ([Topic.STATE], ["both", "all"]),
        ([Topic.MEMBERS, Topic.STATE], ["members", "both", "all"]),
        ([Topic.JOINED], ["all"]),
        ([B], ["b", "all"]),
        ([], ["all"]),
    ],
)
async def test_a_beat_wakes_who_waits_for_its_topic(beats: list[Hashable], woken: list[str]):
    changes, done = Changes(), []

    async def wait(name: str, *topics: Hashable) -> None:
        await changes.wait(*topics)
        done.append(name)

    waits = {
        "members": [Topic.MEMBERS],
        "both": [Topic.MEMBERS, Topic.STATE],
        "b": [B],
        "all": [],
    }
    tasks = [asyncio.create_task(wait(name, *topics)) for name, topics in waits.items()]
    await turns()
    changes.beat(*beats)
    await turns()
    for task in tasks:
        task.cancel()
    assert sorted(done) == sorted(woken)
    assert changes.looks == len(woken)


async def test_progress_of_a_log_wakes_who_waits_for_an_event_that_it_passed():
    """Broken: with 100 pushes waiting, each answer of each member wakes all of them."""
    changes = Changes()
    waits = {seq: asyncio.create_task(changes.wait(dot(seq))) for seq in range(1, 101)}
    others = asyncio.create_task(changes.wait(dot(5, OTHER)))
    await turns()
    changes.note_progress(B, {LOG: (4, 7)})
    await turns()
    assert {seq for seq, task in waits.items() if task.done()} == {5, 6, 7}
    assert not others.done()
    assert changes.looks == 3
    for task in (*waits.values(), others):
        task.cancel()
    await turns()
    assert not changes._awaited, "who is gone is not remembered"
    assert not changes._bare


async def test_a_condition_is_looked_at_after_beats_of_its_topics_only():
    changes, looks = Changes(), []

    def condition() -> bool:
        looks.append(1)
        return False

    task = asyncio.create_task(changes.wait_until(condition, Topic.STATE, dot(3)))
    await turns()
    looks.clear()
    changes.beat(Topic.MEMBERS)
    changes.note_progress(B, {LOG: (0, 2)})
    await turns()
    assert not looks
    changes.beat(Topic.STATE)
    changes.note_progress(B, {LOG: (2, 3)})
    await turns()
    assert len(looks) == 1, "one look for both"
    task.cancel()


PUSHES = 40


async def test_a_waiting_put_is_woken_by_what_it_waits_for(monkeypatch: pytest.MonkeyPatch):
    """
    If this fails, everything that happens anywhere wakes every PUT that waits: with forty of them,
    forty verdicts for each event that another region writes and each greeting.
    """
    verdicts = []
    has_copies = Acknowledger._has_copies

    def counted(self: Acknowledger, dot: Dot, consistency: Consistency) -> bool:
        verdicts.append(dot)
        return has_copies(self, dot, consistency)

    monkeypatch.setattr(Acknowledger, "_has_copies", counted)
    async with fleet() as ships:
        a, b, c = await ships.trio(antientropy_interval_s=1000.0)
        for other in (b, c):
            ships.network.block(other.address, "push")
        dots = [a.records.write(f"by a {number}") for number in range(PUSHES)]
        waits = [asyncio.create_task(a.cluster.wait_durable(dot)) for dot in dots]
        await turns()
        begun = len(verdicts)
        for number in range(PUSHES):
            last = b.records.write(f"by b {number}")
            await ships.until(partial(a.records.knows, last))
        assert not any(task.done() for task in waits)
        woken = len(verdicts) - begun
        for other in (b, c):
            ships.network.unblock(other.address, "push")
        await asyncio.gather(*waits)
    assert woken < PUSHES, "each event of b once woke them all"


async def test_news_of_one_member_has_only_its_link_looked_at(monkeypatch: pytest.MonkeyPatch):
    """If this fails, each greeting has the conditions of all links looked at: of all members."""
    looked = []
    has_more = Pusher._has_more

    def counted(self: Pusher) -> bool:
        looked.append((self._env.me.node, self._member.node))
        return has_more(self)

    monkeypatch.setattr(Pusher, "_has_more", counted)
    async with fleet() as ships:
        a, *_ = await ships.trio()
        changes = a.changes
        await ships.until(lambda: {"b", "c"} <= changes._conditions.keys())
        looked.clear()
        changes.note_progress(B, {LOG: (0, 1)})
        await turns()
        assert [to for me, to in looked if me == "a"] == ["b"]
