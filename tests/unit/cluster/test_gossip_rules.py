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
from cluster.gossip.dissemination import Verdict
from cluster.gossip.leases import Grants, Leases
from cluster.gossip.relays import relays
from cluster.model import Dot, Event, Key, NodeId, Origin
from cluster.objects.events import changes, in_causal_order
from tests.fakes.progress import judge, say

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


B, C = NodeId("b"), NodeId("c")
WAIT, LEASED, DURABLE = Verdict


@pytest.mark.parametrize(
    ("acked", "leased", "awaited", "enough", "expected"),
    [
        # The event in question is number 5; for whom it is enough, `cluster.driver.roll` tells.
        pytest.param({}, "", "", False, WAIT, id="too few have it"),
        pytest.param({}, "", "", True, DURABLE, id="enough have it"),
        pytest.param({"b": 9}, "b", "", False, WAIT, id="who reads has it, and is not enough"),
        pytest.param({"b": 9}, "b", "", True, DURABLE, id="who reads has it, and more"),
        pytest.param({"b": 5}, "b", "", True, DURABLE, id="who reads has it"),
        pytest.param({"b": 4}, "b", "", True, LEASED, id="who reads lacks it"),
        pytest.param({}, "b", "", True, LEASED, id="who reads was never heard"),
        pytest.param({"b": 5, "c": 4}, "bc", "", True, LEASED, id="one of those who read lacks it"),
        pytest.param({"b": 5, "c": 4}, "b", "", True, DURABLE, id="who lacks it may not read"),
        pytest.param({"b": 5, "c": 4}, "", "bc", True, WAIT, id="one that is waited for lacks it"),
        pytest.param({"b": 5, "c": 5}, "", "bc", True, DURABLE, id="all waited for have it"),
        pytest.param({"b": 4, "c": 4}, "b", "c", True, WAIT, id="a lease is no matter until then"),
    ],
)
def test_verdicts(acked, leased, awaited, enough, expected):
    progress, acks = judge()
    for node, seq in acked.items():
        say(progress, node, seq)
    assert acks.verdict(5, nodes(leased), nodes(awaited), enough=enough) is expected


def nodes(names: str) -> list[NodeId]:
    return [NodeId(name) for name in names]


@given(st.dictionaries(st.sampled_from("bcdef"), st.booleans()), st.booleans(), st.data())
def test_one_more_acknowledgement_never_takes_durability_away(peers, enough, data):
    leased = data.draw(st.sets(st.sampled_from(sorted(peers)))) if peers else ()
    awaited = data.draw(st.sets(st.sampled_from(sorted(peers)))) if peers else ()
    progress, acks = judge()
    for node, has in peers.items():
        say(progress, node, 5 if has else 0)
    for node in peers:
        before = acks.verdict(5, nodes(leased), nodes(awaited), enough=enough)
        say(progress, node, 5)
        after = acks.verdict(5, nodes(leased), nodes(awaited), enough=enough)
        assert [WAIT, LEASED, DURABLE].index(before) <= [WAIT, LEASED, DURABLE].index(after)


def test_a_lease_from_a_node_that_is_gone_holds_up_the_acknowledgement():
    """If this fails, a node that was cut off a moment ago serves the tag as it was."""
    progress, acks = judge()
    say(progress, "c", 5)
    assert acks.verdict(5, [B], enough=True) is LEASED
    assert acks.verdict(5, [], enough=True) is DURABLE


def test_who_lacks_something_acknowledged_may_not_read():
    progress, acks = judge()
    say(progress, B, 4)
    assert acks.may_grant(B)
    acks.note_acknowledged(5)
    assert not acks.may_grant(B)
    say(progress, B, 5)
    assert acks.may_grant(B)


def test_a_lease_is_withheld_until_the_wait_for_it_is_over():
    """If this fails, a slow disk renews its lease for ever, and no write ends."""
    progress, acks = judge()
    say(progress, B, 4)
    assert acks.withhold(B, 6)
    assert not acks.withhold(B, 5)
    say(progress, B, 5)
    assert not acks.may_grant(B)
    say(progress, B, 6)
    assert acks.may_grant(B)


@given(st.floats(0, 1e6), st.floats(0, 0.3), st.floats(0, 0.3), st.floats(0.1, 10))
def test_the_readers_lease_is_over_before_the_writers(began, there, back, lease_s):
    """The one property that everything rests on, whatever the two ways take."""
    grants, leases = Grants(lease_s, began - 100 * lease_s), Leases(lease_s)
    leases.take(B, asked_at=began)
    grants.grant(B, now=began + there)
    over = grants.until(B)
    assert not leases.cover([B], over)
    assert not leases.cover([B, NodeId("c")], began)
    assert leases.cover([], over + back)


def test_a_new_run_waits_for_the_leases_of_the_last_one():
    assert Grants(0.8, now=100.0).until(B) > 100.8


def test_who_has_just_heard_of_a_writer_may_have_told_nobody_yet():
    """If this fails, a member that knows nothing of a new writer serves the old tag beside it."""
    grants = Grants(0.8, now=100.0)
    grants.become_known(105.0)
    assert grants.until(B) > 105.8


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
