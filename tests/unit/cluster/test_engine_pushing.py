"""Events handed to a peer at the other end of a long link."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

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


async def test_an_event_does_not_wait_for_the_answer_to_the_one_before():
    """Else it is elsewhere up to a round trip later than it could be."""
    async with two_regions() as (ships, a, b):
        ships.network.hold_answers(ABROAD, "push")
        for text in ("one", "two", "three"):
            dot = a.records.write(text)
            await ships.until(lambda: b.records.knows(dot))  # noqa: B023
        assert ships.network.count("push", ABROAD) == 3
        ships.network.release_answers(ABROAD, "push")
        await a.cluster.wait_until(lambda now: now.members[0].lag_events == 0)
        assert a.cluster.statistics().totals.events_pushed == 3


async def test_events_written_in_one_pause_travel_together():
    """A busy node must not send a message for each event."""
    async with two_regions(push_ahead_pause_s=0.2) as (ships, a, b):
        for number in range(50):
            dot = a.records.write(str(number))
        await ships.until(lambda: b.records.knows(dot))
        assert ships.network.count("push", ABROAD) <= 2


async def test_only_so_many_pushes_are_under_way():
    async with two_regions(push_ahead_max=2) as (ships, a, b):
        ships.network.hold_answers(ABROAD, "push")
        for text in ("one", "two"):
            dot = a.records.write(text)
            await ships.until(lambda: b.records.knows(dot))  # noqa: B023
        rest = [a.records.write(str(number)) for number in range(5)]
        await a_while(ships)
        assert ships.network.count("push", ABROAD) == 2
        ships.network.release_answers(ABROAD, "push")
        await ships.until(lambda: b.records.knows(rest[-1]))


async def test_pushes_under_way_have_the_bytes_of_one_batch():
    """They share a link: the last one's answer takes the time of all of them."""
    async with two_regions(push_batch_bytes=1000) as (ships, a, b):
        ships.network.hold_answers(ABROAD, "push")
        first = a.records.write("one", payload=bytes(1000))
        await ships.until(lambda: b.records.knows(first))
        second = a.records.write("two", payload=bytes(1000))
        await a_while(ships)
        assert ships.network.count("push", ABROAD) == 1
        ships.network.release_answers(ABROAD, "push")
        await ships.until(lambda: b.records.knows(second))


async def test_what_was_sent_behind_a_lost_push_is_sent_again():
    """The peer parks none of it: a log has no gaps."""
    async with two_regions(push_timeout_s=0.05) as (ships, a, b):
        ships.network.block("a:1", "pull")  # by which it would get what is missing
        ships.network.lose(ABROAD, "push")
        dots = []
        for text in ("one", "two", "three"):
            before = ships.network.count("push", ABROAD)
            dots.append(a.records.write(text))
            await ships.until(lambda: ships.network.count("push", ABROAD) > before)  # noqa: B023
        assert not b.records.knows(dots[0])
        await ships.until(lambda: b.records.knows(dots[-1]))
        totals = a.cluster.statistics().totals
        assert totals.pushes_unanswered >= 1
        assert totals.links_lost == 0
        assert totals.events_pushed == 3
