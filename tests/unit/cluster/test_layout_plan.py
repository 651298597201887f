"""What a change of the layout would move, from a stream of rows."""

import random
import weakref
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.layout.changes import Add, Remove, SetAvailability, SetSettings, SetVoters
from cluster.layout.document import Availability, Layout, Settings, fingerprint
from cluster.layout.placement import Placement
from cluster.layout.plan import Plan, Traffic, plan
from cluster.layout.proposal import changed
from cluster.layout.rows import Row
from cluster.model import Digest, NodeId, Region
from tests.fakes.layouts import digests, layout, member, random_cluster, safe

EU = Region("eu")
BASE = layout("eu: a b c")
MORE = changed(BASE, Add(member("d")))
TWO_REGIONS = layout("eu: a b c, us: x y z")


def placed(of: Layout, count: int, size: int = 1, home: Region = EU) -> Iterator[Row]:
    """Rows of a cluster in which everything is where it belongs."""
    placement = Placement(of)
    return (Row(d, size, placement.targets(d, home=home)) for d in digests(count))


def row(holders: str, size: int = 1, name: str = "blob") -> Row:
    return Row(Digest.of(name.encode()), size, [NodeId(n) for n in holders.split()])


def test_nothing_moves_where_nothing_changes():
    made = plan(BASE, BASE, placed(BASE, 200))
    assert made == Plan(1, fingerprint(BASE), *[0] * 9, {})
    assert made.seconds(1.0) == 0


def test_a_new_store_gets_its_share_and_the_others_have_a_surplus():
    made = plan(BASE, MORE, placed(BASE, 1000, size=10))
    got = made.nodes[NodeId("d")]
    assert made.version == 2
    assert made.fingerprint == fingerprint(MORE)
    assert made.copies == made.blobs == got.blobs_in == made.surplus
    assert made.bytes == got.bytes_in == made.surplus_bytes == 10 * made.copies
    assert 430 < made.copies < 570
    assert (made.owed, made.far_bytes, made.unreadable, got.bytes_out) == (0, 0, 0, 0)
    given_ = [made.nodes[NodeId(n)].bytes_out for n in "abc"]
    assert sum(given_) == made.bytes
    assert max(given_) - min(given_) < 200, "who has given least gives"


def test_the_time_is_that_of_the_one_with_the_most():
    made = plan(BASE, MORE, placed(BASE, 400, size=5))
    assert made.seconds(10.0) == made.nodes[NodeId("d")].bytes_in / 10
    busy = made._replace(nodes={NodeId("a"): Traffic(bytes_in=3, bytes_out=8)})
    assert busy.seconds(2.0) == 4


def test_what_drains_is_copied_to_the_others_and_gives():
    drained = changed(MORE, SetAvailability(NodeId("d"), Availability.DRAINING))
    made = plan(MORE, drained, placed(MORE, 500))
    assert made.nodes[NodeId("d")].blobs_in == 0
    assert made.copies == sum(NodeId("d") in r.holders for r in placed(MORE, 500))
    assert made.nodes[NodeId("d")].blobs_out > 0


def test_a_member_that_is_removed_at_once_gives_what_it_has():
    voters = SetVoters(frozenset(NodeId(n) for n in "abc"))
    gone = changed(MORE, Remove(NodeId("d"), safe(MORE, "d")), voters)
    made = plan(MORE, gone, [row("d", 7)])
    assert (made.blobs, made.copies, made.bytes) == (1, 2, 14)
    assert made.nodes[NodeId("d")] == Traffic(0, 0, 1, 7)
    assert made.surplus == 0, "it is not there any more"


def test_a_blob_crosses_a_long_link_once():
    """P8: the second copy of a region is read from the first one."""
    spread = changed(TWO_REGIONS, SetSettings(Settings(regions_min=2)))
    made = plan(TWO_REGIONS, spread, placed(TWO_REGIONS, 100, size=3))
    assert made.copies == 200
    assert made.far_bytes == 100 * 3
    assert sum(made.nodes[NodeId(n)].bytes_out for n in "xyz") == 100 * 3


def test_what_lacks_without_a_change_is_told_apart():
    rows = list(placed(BASE, 50, size=5))
    some = [rows[0]._replace(holders=rows[0].holders[:1]), *rows[1:]]
    made, short = plan(BASE, MORE, rows), plan(BASE, MORE, some)
    assert (made.owed, made.owed_bytes) == (0, 0)
    assert (short.owed, short.owed_bytes) == (1, 5)
    same = plan(BASE, BASE, some)
    assert (same.owed, same.copies, same.bytes) == (1, 1, 5)


def test_who_does_not_answer_gives_nothing():
    nobody = plan(BASE, MORE, [row("a", 5)], answering=[NodeId("b"), NodeId("d")])
    assert (nobody.unreadable, nobody.blobs, nobody.nodes) == (1, 0, {})
    strangers = plan(BASE, MORE, [row("gone")])
    assert strangers.unreadable == 1
    other = plan(BASE, BASE, placed(BASE, 100), answering=[NodeId("b")])
    assert other.copies == 0, "what it has is where it belongs, and it may be back"


def test_rows_are_read_one_by_one():
    """Broken: a plan needs all rows of the index in memory."""

    class Holders(frozenset[NodeId]):
        """One that a weak reference can be made of."""

    alive: list[weakref.ref[Holders]] = []

    def rows() -> Iterator[Row]:
        for each in placed(BASE, 50):
            holders = Holders(each.holders)
            alive.append(weakref.ref(holders))
            yield each._replace(holders=holders)
            del holders
            # The loop that reads this still has the last one.
            assert sum(ref() is not None for ref in alive) <= 1

    assert plan(BASE, MORE, rows()) == plan(BASE, MORE, placed(BASE, 50))
    assert len(alive) == 50


nodes = st.sampled_from([NodeId(n) for n in "abcxyz"])
held = st.lists(st.frozensets(nodes, min_size=1), max_size=12)


@settings(max_examples=60)
@given(st.integers(0, 1000), held, st.integers(1, 2), st.integers(1, 3))
def test_once_it_is_done_nothing_is_left_to_do(seed, holders, regions_min, copies):
    """Broken: repair copies blobs to and fro for ever."""
    of = changed(TWO_REGIONS, SetSettings(Settings(copies, regions_min)))
    placement = Placement(of)
    for number, has in enumerate(holders):
        digest = Digest.of(f"{seed}/{number}".encode())
        wanted = placement.targets(digest, has)
        assert len(wanted) >= copies
        after = has | set(wanted)
        assert set(placement.targets(digest, after)) <= after
        made = plan(of, of, [Row(digest, 1, after)])
        assert (made.copies, made.owed) == (0, 0)


@pytest.mark.parametrize("seed", range(10))
def test_what_is_given_is_what_is_got(seed: int):
    rng = random.Random(seed)
    before = random_cluster(rng, 2)
    drained = rng.choice(before.members).node
    after = changed(before, SetAvailability(drained, Availability.DRAINING))
    rows = [
        Row(
            d, rng.randrange(1, 100), rng.sample([m.node for m in before.members], rng.randrange(4))
        )
        for d in digests(100)
    ]
    made = plan(before, after, rows)
    placement = Placement(after)
    copies = unreadable = 0
    for each in rows:
        lacking = set(placement.targets(each.digest, each.holders)) - set(each.holders)
        copies += len(lacking) if each.holders else 0
        unreadable += not each.holders
    assert (made.copies, made.unreadable) == (copies, unreadable)
    traffic = made.nodes.values()
    assert sum(t.bytes_in for t in traffic) == sum(t.bytes_out for t in traffic) == made.bytes
    assert sum(t.blobs_in for t in traffic) == sum(t.blobs_out for t in traffic) == made.copies
