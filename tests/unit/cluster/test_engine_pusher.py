"""Events handed to a peer at the other end of a long link."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cluster.layout.changes import Add
from cluster.model import Digest
from tests.fakes.fleet import Engine, Fleet, fleet

ABROAD = "b:1"


@asynccontextmanager
async def two_regions(**tuning: object) -> AsyncIterator[tuple[Fleet, Engine, Engine]]:
    """Two linked engines; nothing but pushes brings an event from one to the other."""
    async with fleet() as ships:
        a, b = await ships.pair("eu", "us", antientropy_interval_s=1000.0, **tuning)
        yield ships, a, b


async def a_while(ships: Fleet) -> None:
    """Long enough for a push that may be sent: ten greetings."""
    until = ships.network.count("hello") + 20
    await ships.until(lambda: ships.network.count("hello") >= until)


async def delivered(a: Engine, text: str) -> None:
    """Write, and wait for the answer: from then on one more push may follow the last one."""
    a.records.write(text)
    pushed = a.statistics.totals.events_pushed
    await a.until(lambda now: now.totals.events_pushed > pushed)


def pushes(ships: Fleet) -> int:
    return ships.network.count("push", ABROAD)


async def test_an_event_does_not_wait_for_the_answer_to_the_one_before():
    """Else it is elsewhere up to a round trip later than it could be."""
    async with two_regions() as (ships, a, b):
        await delivered(a, "zero")
        ships.network.hold_answers(ABROAD, "push")
        for text in ("one", "two"):
            dot = a.records.write(text)
            await ships.until(lambda: b.records.knows(dot))  # noqa: B023
        assert pushes(ships) == 3
        ships.network.release_answers(ABROAD, "push")
        await a.until(lambda now: now.totals.events_pushed == 3)


async def test_what_has_to_wait_for_an_answer_leaves_together():
    """A busy node must not send a message for each event, nor a slow peer get one."""
    async with two_regions() as (ships, a, b):
        ships.network.hold_answers(ABROAD, "push")
        first = a.records.write("first")
        await ships.until(lambda: b.records.knows(first))
        rest = [a.records.write(str(number)) for number in range(50)]
        await a_while(ships)
        assert not b.records.knows(rest[0])
        ships.network.release_answers(ABROAD, "push")
        await ships.until(lambda: b.records.knows(rest[-1]))
        assert pushes(ships) == 2


async def test_more_than_there_is_room_for_waits_until_all_of_it_is_free():
    """Else each answer lets as small a batch follow as it is for, however much is due."""
    async with two_regions(push_batch_bytes=1000) as (ships, a, b):
        await delivered(a, "zero")
        ships.network.hold_answers(ABROAD, "push")
        first = a.records.write("one", payload=bytes(650))
        await ships.until(lambda: b.records.knows(first))
        rest = [a.records.write(str(number), payload=bytes(200)) for number in range(3)]
        await a_while(ships)
        assert not b.records.knows(rest[0])
        ships.network.release_answers(ABROAD, "push")
        await ships.until(lambda: b.records.knows(rest[-1]))
        assert pushes(ships) == 3


async def test_what_was_sent_behind_a_lost_push_is_sent_again():
    """The peer keeps none of it: a log has no gaps."""
    async with two_regions(push_timeout_s=0.5) as (ships, a, b):
        await delivered(a, "zero")
        ships.network.lose(ABROAD, "push")
        a.records.write("one")
        await a_while(ships)
        dot = a.records.write("two")
        await ships.until(lambda: b.records.knows(dot))
        await a.until(lambda now: now.totals.events_pushed == 3)
        assert a.statistics.totals.pushes_unanswered == 2
        assert a.statistics.totals.links_lost == 0


async def test_what_is_due_again_waits_for_nothing_else_to_happen():
    """A greeting told first how far the peer got with a batch, so that the answer is no news."""
    async with two_regions() as (ships, a, b):
        b.records.clock_limit = 5
        ships.network.hold_answers(ABROAD, "push")
        for number in range(10):
            dot = a.records.write(str(number), stamp=1 if number < 5 else 9)
        await a.until(lambda now: now.members[0].lag_events == 5)
        b.records.clock_limit = None
        ships.network.release_answers(ABROAD, "push")
        await ships.until(lambda: b.records.knows(dot))


async def test_what_is_behind_a_parked_event_is_not_pulled():
    """It is there, and waits for the same time to come; each push would bring all of it again."""
    async with two_regions() as (ships, a, b):
        ships.network.block(ABROAD, "push")
        b.records.clock_limit = 5
        for number in range(2):
            a.records.write(str(number), stamp=9)
        events = a.records.logs[a.records.origin]
        pulls = ships.network.count("pull", "a:1")
        for event in events:
            await b.cluster.service.push(a.member.node, a.stage, [event])
        assert b.statistics.totals.events_parked == 1
        assert ships.network.count("pull", "a:1") == pulls
        b.records.clock_limit = None
        await b.cluster.service.push(a.member.node, a.stage, events)
        assert b.records.knows(events[1].dot)


async def test_a_stranger_pushes_nothing_before_it_is_added():
    """
    Broken: each push is refused, and ends the link by which it is to catch up, and so for ever.

    Who took it for what it was before its disk was replaced has it hold a blob, and so it writes.
    """
    async with fleet() as ships:
        tuning = {"open_joining": False, "antientropy_interval_s": 1000.0}
        a, b, c = await ships.trio(**tuning)
        d = ships.add("d", seeds=("a:1",), **tuning)
        ships.start(d)
        await d.until_connected("a", "b", "c")
        await ships.until(lambda: d.stage == a.stage)
        seq = await d.cluster.service.hold(Digest.of(b"data"), 4, [], b"data")
        await a_while(ships)
        assert d.statistics.totals.links_lost == 0
        assert d.connected() == {"a", "b", "c"}
        await ships.until(lambda: a.heard_joined(d))
        await a.cluster.layouts.change(Add(a.cluster.layouts.newcomer(d.member.node)))
        mine = d.records.origin
        await ships.until(lambda: all(e.records.vector().get(mine, 0) >= seq for e in (a, b, c)))
