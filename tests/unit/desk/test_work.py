"""What goes on that takes long."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from cluster import WANTS_STATE
from cluster.layout import Availability, Hindrance, Live, Phase, View
from cluster.model import NodeId, Region
from node.attention.facts import BlobSum, Facts, NodeCopies
from node.desk.courses import STALLED_AFTER_S
from node.desk.values import WorkUnderWay
from node.desk.work import Circumstances, Restoring, WorkLog, waits_for
from tests.fakes.layouts import layout, with_member
from tests.unit.desk.pictures import DEAD, NOW, copies_with, facts_of

THREE = layout("eu: a b c")


def seen(facts: Facts, steady: float = 0.0, **more: Any) -> Circumstances:
    given = {"live": Live(THREE), "change": None, "restoring": None, **more}
    return Circumstances(replace(facts, now=NOW + steady), steady=steady, **given)


def only(found: tuple[WorkUnderWay, ...]) -> WorkUnderWay:
    [work] = found
    return work


def test_a_cluster_that_is_well_does_nothing():
    assert WorkLog().look(seen(facts_of(THREE))) == ()


def test_copies_that_are_made_have_a_rate_and_an_end():
    log = WorkLog()
    first = only(log.look(seen(facts_of(THREE, copies=copies_with(short=40, walk=1)))))
    assert (first.kind, first.done, first.total, first.eta_s) == ("repair", 0, 40, None)
    later = only(log.look(seen(facts_of(THREE, copies=copies_with(short=30, walk=2)), 10.0)))
    assert (later.done, later.total, later.unit) == (10, 40, "blobs")
    assert (later.done_bytes, later.total_bytes, later.bytes_per_s) == (100, 400, 10.0)
    assert (later.eta_s, later.since, later.stalled) == (30.0, NOW, None)
    assert log.look(seen(facts_of(THREE), 20.0)) == ()


def test_what_is_over_begins_anew():
    """Broken: today's repair is half done when it begins, by yesterday's size."""
    log = WorkLog()
    log.look(seen(facts_of(THREE, copies=copies_with(short=40, walk=1))))
    log.look(seen(facts_of(THREE, copies=copies_with(walk=2)), 10.0))
    again = only(log.look(seen(facts_of(THREE, copies=copies_with(short=3, walk=3)), 20.0)))
    assert (again.done, again.total, again.since) == (0, 3, NOW + 20)


def test_a_drain_is_told_by_itself():
    """Broken: the copies that a drain makes are told twice, as its own and as a repair."""
    of = with_member(THREE, "c", availability=Availability.DRAINING)
    log = WorkLog()
    mine = NodeCopies(BlobSum(50, 500), BlobSum(), BlobSum(20, 200))
    drain = only(log.look(seen(facts_of(of, copies=copies_with(short=20, drained=20, c=mine)))))
    assert (drain.kind, drain.subject, drain.done, drain.total) == ("drain", "c", 30, 50)
    assert (drain.done_bytes, drain.total_bytes) == (300, 500)
    over = NodeCopies(BlobSum(50, 500))
    done = only(log.look(seen(facts_of(of, copies=copies_with(walk=2, c=over)), 10.0)))
    assert (done.done, done.total) == (50, 50)
    assert "`atoll node remove c`" in done.told
    long_after = seen(facts_of(of, copies=copies_with(walk=9, c=over)), 900.0)
    assert only(log.look(long_after)).stalled is None, "it waits for a person"


def test_who_drains_and_has_nothing_has_drained():
    of = with_member(THREE, "c", availability=Availability.DRAINING)
    done = only(WorkLog().look(seen(facts_of(of))))
    assert (done.title, done.done, done.total) == ("c has drained", 0, 0)


def test_work_of_which_nothing_comes_is_stalled_and_says_why():
    log = WorkLog()
    for walk, at in enumerate((0.0, 60.0, STALLED_AFTER_S - 1), start=1):
        facts = facts_of(THREE, copies=copies_with(short=4, walk=walk), c=DEAD)
        assert only(log.look(seen(facts, at))).stalled is None
    facts = facts_of(THREE, copies=copies_with(short=4, walk=9), c=DEAD)
    stall = only(log.look(seen(facts, STALLED_AFTER_S))).stalled
    assert stall is not None
    assert stall.since == NOW
    assert stall.why == "what c (dead) had counts as a copy for as long as it is a member"
    assert [step.command for step in stall.next] == ["", "atoll node remove c --lost"]


def test_what_stalls_comes_first():
    of = with_member(THREE, "c", availability=Availability.DRAINING)
    log = WorkLog()
    view = View(Phase.STALLED, (Hindrance(Region("eu"), NodeId("b"), "has not been heard"),))
    mine = NodeCopies(BlobSum(50, 500), BlobSum(), BlobSum(20, 200))
    facts = facts_of(of, copies=copies_with(short=20, drained=20, c=mine))
    change, drain = log.look(seen(facts, change=view))
    assert (change.kind, drain.kind) == ("change", "drain")
    assert change.stalled is not None
    assert change.stalled.why == "region eu: b has not been heard"
    assert change.stalled.next[0].command == "atoll layout show"


@pytest.mark.parametrize(
    ("view", "told"),
    [
        (View(Phase.PULLING, ()), "its quorums get what those before have"),
        (View(Phase.WAITING, (), 4.2), "leases of the version before end in 4 s"),
        (View(Phase.READY, ()), "it can end"),
    ],
)
def test_a_change_is_told_by_its_phase(view: View, told: str):
    work = only(WorkLog().look(seen(facts_of(THREE), change=view)))
    assert (work.kind, work.subject, work.told, work.total) == ("change", "1", told, None)


def test_an_index_that_is_taken_over_counts_rows():
    log = WorkLog()
    log.look(seen(facts_of(THREE), restoring=Restoring(0, 1000)))
    work = only(log.look(seen(facts_of(THREE), 10.0, restoring=Restoring(200, 1000))))
    assert (work.kind, work.subject, work.unit) == ("restore", "a", "rows")
    assert (work.done, work.total, work.total_bytes) == (200, 1000, None)
    assert (work.rate, work.eta_s) == (20.0, 40.0)
    log.look(seen(facts_of(THREE), 70.0, restoring=Restoring(200, 1000)))
    stands = only(log.look(seen(facts_of(THREE), 130.0, restoring=Restoring(200, 1000))))
    assert stands.stalled is not None
    assert (stands.stalled.since, stands.eta_s) == (NOW + 10, None)


def test_what_another_node_does_it_alone_can_count():
    joins = facts_of(THREE, b={"trouble": "cluster: it waits for c"})
    work = only(WorkLog().look(seen(joins)))
    assert (work.kind, work.subject, work.told, work.done) == ("join", "b", "it waits for c", None)
    restores = facts_of(THREE, b={"trouble": f"index: {WANTS_STATE}"})
    work = only(WorkLog().look(seen(restores)))
    assert (work.kind, work.told) == ("restore", "how far it is, b can tell")


def test_what_was_not_counted_is_not_told():
    facts = replace(facts_of(THREE), copies=None, counted=None)
    assert WorkLog().look(seen(facts)) == ()


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"b": {"trouble": "disk: no room: 12 MiB are free"}}, "no room on b"),
        ({"b": {"trouble": "index: damaged"}, "c": {"trouble": "index: damaged"}},
         "1 stores take copies, and 2 are asked for"),
        ({}, "nobody says why"),
    ],
)  # fmt: skip
def test_copies_wait_for_what_can_be_told(members: dict[str, Any], why: str):
    assert waits_for(facts_of(THREE, **members), Live(THREE))[0] == why


def test_before_there_is_a_layout_nothing_changes():
    view = View(Phase.PULLING, ())
    facts = replace(facts_of(THREE), layout=None)
    assert WorkLog().look(seen(facts, live=None, change=view)) == ()


def test_the_next_version_is_another_change():
    log = WorkLog()
    log.look(seen(facts_of(THREE), change=View(Phase.PULLING, ())))
    later = Live(msgspec.structs.replace(THREE, version=2))
    work = only(log.look(seen(facts_of(THREE), 50.0, live=later, change=View(Phase.READY, ()))))
    assert (work.subject, work.since) == ("2", NOW + 50)
