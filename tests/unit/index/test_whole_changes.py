"""Changes of several events, among those of other logs."""

from types import SimpleNamespace
from typing import Any

import pytest

from cluster.clock import COUNTER_BITS
from cluster.driver.intake import Intake
from cluster.errors import EventAhead, EventGap
from cluster.gossip.antientropy import batches, size_of
from cluster.model import Dot, Event, Key, Origin
from cluster.objects.events import Add, Write, in_causal_order
from cluster.rpc.channel import MESSAGE_MAX
from node.index.index import Index
from tests.builders import HandClock, an_event
from tests.unit.index.conftest import OpenIndex
from tests.unit.index.nodes import REPO, digest_of

MISSING = Dot("c", 1, 7)


class Quiet:
    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def intake_of(index: Index) -> Intake:
    env: Any = SimpleNamespace(
        events=index.replica,
        log=Quiet(),
        changes=Quiet(),
        me=SimpleNamespace(node="x"),
        counters=SimpleNamespace(events_parked=0, events_received=0),
        config=SimpleNamespace(gap_patience_s=10),
    )
    return Intake(env)


def write(node: str, seq: int, ms: int, rest: int = 0, *, replaces: tuple[Dot, ...] = ()) -> Event:
    body, key = Write(replaces, digest_of("x")), Key("tag", REPO, f"t{seq}")
    stamp = ms << COUNTER_BITS | seq
    return an_event(Dot(node, 1, seq), key, body, stamp, rest)


@pytest.mark.parametrize("ahead_ms", [0, 400])
async def test_a_log_that_stands_still_does_not_hold_up_a_change_of_another(
    open_node: OpenIndex, wall: HandClock, ahead_ms: int
):
    """Broken: b's event, stamped between two of one change of a, takes the first of them along."""
    index, ms = open_node("n"), wall.ms + ahead_ms
    a = [write("a", 1, ms, 1), write("a", 2, ms + 2)]
    b = [write("b", 1, ms + 1, replaces=(MISSING,))]
    gaps = await intake_of(index).take(list(in_causal_order([a, b])))
    assert index.replica.vector() == {Origin("a", 1): 2}
    assert gaps == {Origin("b", 1)}


async def test_every_stamp_of_a_change_is_within_the_bound(open_node: OpenIndex, wall: HandClock):
    """Broken: a deletion of the year 2300, in front of an event of today, hides every push."""
    change = [write("z", 1, wall.ms + 10**13, 1), write("z", 2, wall.ms)]
    with pytest.raises(EventAhead):
        await open_node("n").replica.apply(change)


@pytest.mark.parametrize("rests", [(7, 9, 0), (1, 1, 0), (0, 5), (2, 0)])
async def test_a_change_counts_down(open_node: OpenIndex, wall: HandClock, rests: tuple[int, ...]):
    """Broken: what fsck calls damage is taken from a peer."""
    index = open_node("n")
    change = [write("z", seq, wall.ms, rest) for seq, rest in enumerate(rests, 1)]
    with pytest.raises(EventGap):
        await index.replica.apply(change)
    assert index.replica.vector() == ({Origin("z", 1): 1} if rests[0] == 0 else {})


def test_a_message_of_a_pull_is_never_longer_than_a_message_may_be():
    """Broken: changes of 8 MiB, made at the same time, go as one message that gRPC refuses."""
    logs = [
        [
            an_event(
                Dot(node, 1, seq),
                Key("manifest", REPO, "d"),
                Add((), b"x" * size),
                stamp=ms << COUNTER_BITS,
                rest=3 - seq,
            )
            for seq, (size, ms) in enumerate([(4 << 20, 0), (4 << 20, 30), (100, 31)], 1)
        ]
        for node in "abc"
    ]
    for batch in batches(in_causal_order(logs), 1 << 20):
        assert size_of(batch) <= MESSAGE_MAX
