"""Words about members: which is the later, how long suspects have, and what is told how often."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cluster.config import MembershipConfig
from cluster.membership.awareness import Awareness
from cluster.membership.members import Members
from cluster.membership.precedence import accuse, first_word, is_news, merge
from cluster.membership.rumours import RumourQueue
from cluster.membership.schedule import Schedule
from cluster.membership.suspicion import confirmations_wanted, timeout_s
from cluster.model import NodeId, Rumour, Standing, Status
from tests.builders import a_member

accusers = st.sets(st.sampled_from("abcdefg"), min_size=1, max_size=4)
standings = st.one_of(
    st.builds(
        Standing,
        st.sampled_from([Status.ALIVE, Status.DEAD, Status.LEFT]),
        st.integers(0, 3),
    ),
    st.builds(
        lambda incarnation, names: Standing(
            Status.SUSPECT, incarnation, tuple(NodeId(name) for name in sorted(names))
        ),
        st.integers(0, 3),
        accusers,
    ),
)
rumours = st.builds(
    Rumour,
    st.builds(
        lambda epoch, host, store: replace(a_member("x", epoch=epoch, host=host), store=store),
        st.integers(0, 2), st.sampled_from(["x", "y"]), st.sampled_from(["one", "two"]),
    ),
    standings,
)  # fmt: skip


@given(rumours, rumours)
def test_the_order_of_rumours_does_not_matter(one: Rumour, other: Rumour):
    assert merge(one, other) == merge(other, one)


@given(rumours, rumours, rumours)
def test_the_way_of_rumours_does_not_matter(one: Rumour, other: Rumour, third: Rumour):
    assert merge(merge(one, other), third) == merge(one, merge(other, third))


@given(rumours, rumours)
def test_repeated_rumours_say_nothing_new(one: Rumour, other: Rumour):
    assert merge(one, one) == one
    assert not is_news(one, merge(one, other))


@given(st.lists(rumours, min_size=1), st.randoms())
def test_no_two_nodes_disagree_after_an_exchange(heard: list[Rumour], rng: random.Random):
    """Each hears some of the rumours, in its own order; then they compare."""
    tables = [Members(a_member(name), 10) for name in "pq"]
    for table in tables:
        for rumour in rng.sample(heard, rng.randint(1, len(heard))):
            table.restore(rumour) if table.rumour(NodeId("x")) is None else table.take(rumour)
    one, other = tables
    for each in other.rumours():
        one.take(each)
    for each in one.rumours():
        other.take(each)
    # A suspicion of before a restart is not kept, which `restore` stands for here.
    assert one.rumours() == other.rumours()


X = a_member("x", epoch=5)


@pytest.mark.parametrize(
    ("known", "said", "status"),
    [
        (Standing(Status.ALIVE, 5), Standing(Status.SUSPECT, 5, (NodeId("a"),)), Status.SUSPECT),
        (Standing(Status.ALIVE, 6), Standing(Status.SUSPECT, 5, (NodeId("a"),)), Status.ALIVE),
        (Standing(Status.SUSPECT, 5, (NodeId("a"),)), Standing(Status.ALIVE, 5), Status.SUSPECT),
        (Standing(Status.SUSPECT, 5, (NodeId("a"),)), Standing(Status.ALIVE, 6), Status.ALIVE),
        (Standing(Status.SUSPECT, 5, (NodeId("a"),)), Standing(Status.DEAD, 5), Status.DEAD),
        (Standing(Status.DEAD, 5), Standing(Status.SUSPECT, 5, (NodeId("a"),)), Status.DEAD),
        (Standing(Status.DEAD, 5), Standing(Status.ALIVE, 6), Status.ALIVE),
        (Standing(Status.LEFT, 5), Standing(Status.DEAD, 5), Status.LEFT),
        (Standing(Status.LEFT, 5), Standing(Status.ALIVE, 6), Status.ALIVE),
    ],
)
def test_precedence(known: Standing, said: Standing, status: Status):
    assert merge(Rumour(X, known), Rumour(X, said)).standing.status is status


@pytest.mark.parametrize("last", [Status.DEAD, Status.LEFT])
def test_a_new_run_outranks_all_that_was_said_of_the_last(last: Status):
    """A restarted node would have to wait until it heard that it is dead."""
    old = Rumour(X, Standing(last, X.epoch + 3))
    again = a_member("x", epoch=X.epoch + (1 << 16))
    assert merge(old, first_word(again)) == first_word(again)


def test_accusers_add_up():
    known = first_word(X)
    for name in ("d", "b", "c", "b", "e", "a"):
        known = accuse(known, NodeId(name))
    assert known.standing.accusers == ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("confirmations", "wanted", "seconds"),
    [
        (0, 0, 4.0),
        (0, 1, 24.0),
        (1, 1, 4.0),
        (0, 2, 24.0),
        (1, 2, 11.381),
        (2, 2, 4.0),
        (0, 3, 24.0),
        (1, 3, 14.0),
        (2, 3, 8.150),
        (3, 3, 4.0),
        (9, 3, 4.0),
    ],
)
def test_suspicion_times(confirmations: int, wanted: int, seconds: float):
    """The table of the default values inside a region."""
    lan = MembershipConfig()
    found = timeout_s(confirmations, wanted, lan.suspicion_min_s, lan.suspicion_max_s)
    assert found == pytest.approx(seconds, abs=0.001)


def test_across_regions_suspicion_takes_six_times_as_long():
    lan, wan = MembershipConfig(), MembershipConfig.wan()
    assert (wan.suspicion_min_s, wan.suspicion_max_s) == (
        6 * lan.suspicion_min_s,
        6 * lan.suspicion_max_s,
    )


@pytest.mark.parametrize(
    ("members", "wanted"), [(1, 0), (2, 0), (3, 1), (4, 1), (5, 2), (6, 2), (7, 3), (50, 3)]
)
def test_confirmations_wanted(members: int, wanted: int):
    assert confirmations_wanted(members, 3) == wanted


@pytest.mark.parametrize(
    "tuning",
    [
        {"probe_timeout_s": 1.0},
        {"suspicion_min_s": 30.0},
        {"helpers": 0},
        {"probe_interval_s": -1.0},
    ],
)
def test_impossible_tuning_is_refused(tuning: dict[str, float]):
    with pytest.raises(ValueError, match=r"_s |_s must|helpers"):
        MembershipConfig(**tuning)  # type: ignore[arg-type]


def test_health_stays_between_its_ends():
    health = Awareness(8)
    health.improve()
    assert (health.score, health.patient(0.5)) == (0, 0.5)
    health.worsen(3)
    assert (health.score, health.patient(0.5)) == (3, 2.0)
    health.worsen(100)
    assert (health.score, health.patient(1.0)) == (8, 9.0)
    health.improve()
    assert health.score == 7


def about(node: str) -> Rumour:
    return first_word(a_member(node))


def told(queue: RumourQueue, most: int = 10, members: int = 3) -> list[str]:
    return [rumour.member.node for rumour in queue.take(most, members)]


def test_each_rumour_is_told_a_few_times():
    queue = RumourQueue(10, 2)
    queue.put(about("a"))
    assert [told(queue) for _ in range(5)] == [["a"]] * 4 + [[]]
    assert queue.times(255) == 16


def test_the_least_told_goes_first_and_newer_news_replaces_older():
    queue = RumourQueue(10, 2)
    queue.put(about("a"))
    assert told(queue, 1) == ["a"]
    queue.put(about("b"))
    assert told(queue, 1) == ["b"]
    queue.put(about("a"))
    assert told(queue, 1) == ["a"]
    assert len(queue) == 2
    assert [each.member.node for each in queue.peek(5)] == ["b", "a"]


def test_a_full_queue_drops_what_was_told_most_and_counts_it():
    """A storm of changes would fill the memory."""
    queue = RumourQueue(3, 2)
    for name in "abc":
        queue.put(about(name))
    assert told(queue, 1) == ["a"]
    queue.put(about("d"))
    assert (queue.dropped, len(queue)) == (1, 3)
    assert sorted(told(queue)) == ["b", "c", "d"]


@given(st.integers(1, 20), st.integers(0, 1000))
def test_nobody_waits_longer_than_a_round_and_a_half(size: int, seed: int):
    nodes = {NodeId(f"n{n}") for n in range(size)}
    schedule = Schedule(random.Random(seed))
    drawn = [schedule.next(nodes) for _ in range(size * 6)]
    for node in nodes:
        turns = [turn for turn, name in enumerate(drawn) if name == node]
        gaps = [after - before for before, after in pairwise(turns)]
        assert max(gaps[1:]) <= size + size // 2 + 1


def test_urgent_ones_first_and_only_if_they_are_candidates():
    schedule = Schedule(random.Random(1))
    nodes = {NodeId("a"), NodeId("b")}
    schedule.promote(NodeId("gone"))
    schedule.promote(NodeId("b"))
    schedule.promote(NodeId("b"))
    assert schedule.next(nodes) == "b"
    assert {schedule.next(nodes), schedule.next(nodes)} == nodes
    assert schedule.next(set()) is None
