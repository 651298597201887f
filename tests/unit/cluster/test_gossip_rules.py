"""Vector differences, and when an event is durable enough."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.gossip.antientropy import (
    Missing,
    batches,
    behind,
    missing,
    needs_state,
    without_log,
)
from cluster.gossip.relays import relays
from cluster.model import Dot, Event, Key, NodeId, Origin
from cluster.objects.events import changes, in_causal_order

origins = st.builds(Origin, st.sampled_from("abc"), st.integers(1, 3))
vectors = st.dictionaries(origins, st.integers(0, 20))


@given(vectors, vectors)
def test_what_is_missing_makes_up_the_difference(have, other):
    healed = dict(have)
    for part in missing(have, other):
        assert healed.get(part.origin, 0) == part.after < part.upto
        healed[part.origin] = part.upto
    assert missing(healed, other) == []
    assert behind(have, other) == sum(healed.values()) - sum(have.values())


@pytest.mark.parametrize(
    ("have", "other", "expected"),
    [
        ({}, {}, []),
        ({("a", 1): 3}, {}, []),
        ({}, {("a", 1): 3}, [(("a", 1), 0, 3)]),
        ({("a", 1): 2}, {("a", 1): 3}, [(("a", 1), 2, 3)]),
        ({("a", 1): 9}, {("a", 2): 1}, [(("a", 2), 0, 1)]),
        ({("a", 1): 5}, {("a", 1): 5, ("b", 1): 0}, []),
    ],
)
def test_missing_ranges(have, other, expected):
    have = {Origin(*origin): seq for origin, seq in have.items()}
    other = {Origin(*origin): seq for origin, seq in other.items()}
    assert missing(have, other) == [Missing(Origin(*o), after, upto) for o, after, upto in expected]


def test_only_who_has_nothing_takes_over_a_state():
    """Broken: a node that was away throws away what only it has."""
    far = {Origin("a", 1): 10}
    assert needs_state({}, far, 10)
    assert not needs_state({}, far, 11)
    assert not needs_state({Origin("b", 1): 1}, far, 10)


def event(node: str, seq: int, stamp: int = 0, size: int = 0) -> Event:
    return Event(Dot(node, 1, seq), stamp, "add", Key("", "", ""), b"x" * size)


def test_one_log_that_stops_does_not_hold_up_the_others():
    events = [event("a", 1), event("b", 1), event("a", 2), event("b", 2), event("c", 1)]
    rest = without_log(events, Dot("b", 1, 1))
    assert rest == [event("a", 2), event("c", 1)]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 5)), max_size=20))
def test_causal_order_follows_the_stamps_and_keeps_each_log(steps):
    """Broken: what an event builds on comes behind it, and each such event costs another pull."""
    logs: dict[str, list[Event]] = {}
    stamp = 0
    for node, step in steps:
        stamp += step
        log = logs.setdefault(node, [])
        log.append(event(node, len(log) + 1, stamp))
    merged = list(in_causal_order(logs.values()))
    assert [e.stamp for e in merged] == sorted(e.stamp for log in logs.values() for e in log)
    assert {n: [e for e in merged if e.dot.node == n] for n in logs} == logs


@given(st.lists(st.integers(0, 3000), max_size=20))
def test_batches_hold_everything_and_are_bounded(sizes):
    events = [event("a", number, size=size) for number, size in enumerate(sizes, 1)]
    cut = list(batches(events, 2000))
    assert [e for batch in cut for e in batch] == events
    assert all(len(batch) == 1 or sum(len(e.body) for e in batch) <= 2000 for batch in cut)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 4)), max_size=12))
def test_batches_are_cut_between_changes(drawn):
    """Broken: half a change arrives, and nobody sends the rest in the same message."""
    logs = {"a": [], "b": []}
    for node, size in drawn:
        for rest in range(size - 1, -1, -1):
            made = event(node, len(logs[node]) + 1, size=500)
            logs[node].append(msgspec.structs.replace(made, rest=rest))
    events = list(in_causal_order(logs.values()))
    cut = list(batches(events, 1000))
    assert [e for batch in cut for e in batch] == events
    for batch in cut:
        assert len(batch) <= 1 + 4, "one event, and then a change at most"
        assert all(not change[-1].rest for change in changes(batch))
        assert {e.dot for change in changes(batch) for e in change} == {e.dot for e in batch}


@given(st.sets(st.sampled_from("abcdefgh")), st.sampled_from("abcdefgh"), st.integers(1, 4))
def test_one_relay_that_goes_away_changes_only_itself(region, gone, count):
    nodes = {NodeId(node) for node in region}
    before = relays(NodeId("w"), nodes, count)
    after = relays(NodeId("w"), nodes - {gone}, count)
    assert len(before) == min(count, len(nodes))
    assert before - {gone} <= after
    assert before == after or gone in before


def test_writers_spread_over_the_relays():
    nodes = [NodeId(f"n{n}") for n in range(6)]
    chosen = [node for w in range(300) for node in relays(NodeId(f"w{w}"), nodes, 2)]
    assert all(60 < chosen.count(node) < 140 for node in nodes)
