"""What a heartbeat carries, in bytes of the codec and in what the other side learns of it."""

import msgspec
import pytest

from cluster.model import Member, NodeId, Region
from tests.fakes.fleet import Engine, Fleet, fleet
from tests.fakes.heartbeats import Pair, Shape

KIB = 1024
WRITES_S = 100
REMOTE_S, NEAR_S = 1.0, 0.25


@pytest.mark.parametrize(
    "shape", [Shape(10, 10), Shape(30, 10), Shape(100, 10), Shape(100, 1)], ids=str
)
async def test_a_heartbeat_does_not_grow_with_the_cluster(shape: Shape):
    """The rows of docs/limits.md. Each message counts by itself; 100 members, 100 runs of each."""
    pair = Pair(shape)
    first = await pair.beat()
    assert min(first) > 20 * KIB, "the first one is whole"
    assert max(await pair.beat()) <= KIB
    pair.write(round(WRITES_S * (NEAR_S if shape.regions == 1 else REMOTE_S)))
    assert max(await pair.beat()) <= 4 * KIB
    assert max(await pair.beat()) <= KIB


async def test_the_first_greeting_does_not_grow_with_restarts():
    """The rows of bench/CLUSTER.md: 100 members, 100 runs of each."""
    never = max(await Pair(Shape(100, 10, restarts=1)).beat())
    pair = Pair(Shape(100, 10, retired=True))
    assert max(await pair.beat()) <= 2.2 * never
    assert pair.heard_by_both() == (pair.logs, pair.logs)
    assert len(pair.logs) == 200


async def test_both_sides_know_the_whole_vector_all_the_same():
    pair = Pair(Shape(10, 10, restarts=3))
    for events in (0, 1, 25, 0):
        pair.write(events)
        await pair.beat()
        assert pair.heard_by_both() == (pair.logs, pair.logs)


async def test_a_member_that_one_side_lacks_comes_with_the_next_answer():
    """
    If this fails, a node reads by leases without knowing of a member whose writes it needs too: the
    lease that another one grants after it has heard of that one has to bring it along.
    """
    pair = Pair(Shape(3, 1, restarts=1))
    await pair.beat()
    stranger = Member(NodeId("stranger"), Region("region-00"), "s:1", "s:2", 7)
    pair.answering.hear_of(stranger)
    await pair.beat()
    assert pair.asking.member_named(stranger.node) == stranger


async def test_what_holds_for_the_run_is_told_once_a_link():
    pair = Pair(Shape(2, 1, restarts=2))
    first, second = [await pair.greet() for _ in range(2)]
    assert all((first.settings, first.began))
    assert not any((second.settings, second.began))


def gap(lacking: Engine, other: Engine) -> bool:
    """Whether *lacking* has been told less of *other*'s vector than there is."""
    return lacking.told(other.member.node) != other.records.vector()


async def heard_everything(ships: Fleet, *engines: Engine) -> None:
    pairs = [(a, b) for a in engines for b in engines if a is not b]
    await ships.until(lambda: not any(gap(a, b) for a, b in pairs))


async def test_links_come_to_know_everything_after_lost_greetings_and_restarts():
    async with fleet() as ships:
        a, b, c = await ships.trio()
        for engine in (a, b, c):
            engine.records.write(f"by {engine.member.node}")
        await heard_everything(ships, a, b, c)
        ships.network.cut("a:1", "b:1")
        await b.until(lambda _: "a" not in b.connected())
        c.records.write("meanwhile")
        ships.network.heal("a:1", "b:1")
        await heard_everything(ships, a, b, c)
        await ships.kill(b)
        c.records.write("while it is down")
        ships.next_run(b)
        await heard_everything(ships, a, b, c)


async def test_a_lease_needs_what_was_said_in_this_run():
    """If this fails, a disk that was set back reads by a lease that its last run was good for."""
    pair = Pair(Shape(2, 1, restarts=1))
    await pair.greet()
    question = pair.asking.greeting_to(pair.answering.member.node)
    again = msgspec.structs.replace(pair.asking.member, epoch=pair.asking.member.epoch + 1)
    await pair.answering.cluster.service.hello(
        msgspec.structs.replace(question, member=again, have={})
    )
    assert pair.answering.told(again.node) == {}
    assert pair.answering.heard_of(again.node) == (again.epoch, 0)
