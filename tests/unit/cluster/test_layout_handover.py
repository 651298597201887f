"""How a change of the layout ends, and who holds it up."""

import pytest

from cluster.layout import document
from cluster.layout.changes import Remove, Replace, SetVoters, SetWeight
from cluster.layout.document import Layout
from cluster.layout.handover import (
    DRIFT,
    STALLED_AFTER_S,
    Handover,
    Hindrance,
    Phase,
    Report,
)
from cluster.layout.proposal import changed
from cluster.layout.transition import Begin, End, Forsake, Live, Stage
from cluster.model import Disk, NodeId, Region
from tests.fakes.layouts import disk, disks, layout, member, safe

EU, US = Region("eu"), Region("us")
BASE = layout("eu: a b c, us: x y z")
LEASE_S, LAGGARD_S = 1.0, 0.2
WAIT_S = (LEASE_S + LAGGARD_S) * DRIFT


def begin(new: Layout, *lost: str) -> Begin:
    return Begin(document.encode(new), lost)


REPLACED = changed(
    BASE,
    Replace(NodeId("b"), member("d"), safe(BASE, "b")),
    Replace(NodeId("c"), member("e"), safe(BASE, "c")),
    SetVoters(frozenset(NodeId(n) for n in "axyzd")),
)
JOINT = Live(BASE).after(begin(REPLACED))


def handover(live: Live = JOINT) -> Handover:
    return Handover(live, LEASE_S, LAGGARD_S, 0.0)


def report(node: str, pulled: str = "", *, live: Live = JOINT, **fields) -> Report:
    """*node* has asked these."""
    named = {d.node: d for d in live.oldest.disks | live.newest.disks}
    asked = frozenset(named[NodeId(n)] for n in pulled.split())
    return Report(named[NodeId(node)], fields.pop("epoch", 1), live.stage, asked)._replace(**fields)


def told(of: Handover, *reports: Report, now: float = 0.0) -> Phase:
    for each in reports:
        of.note(each, now)
    return of.view(now).phase


def test_a_change_that_moves_no_quorum_ends_at_once():
    live = Live(BASE).after(begin(changed(BASE, SetWeight(NodeId("a"), 5))))
    assert handover(live).view(0.0).phase is Phase.READY


def test_a_majority_of_the_new_has_all_of_a_majority_of_the_old_and_leases_are_over():
    change = handover()
    assert told(change, report("d", "b")) is Phase.PULLING
    assert told(change, report("d", "c")) is Phase.PULLING
    assert told(change, report("e", "b c")) is Phase.WAITING
    assert change.view(1.0).wait_s == pytest.approx(WAIT_S - 1.0)
    assert change.view(WAIT_S - 0.01).phase is Phase.WAITING
    assert change.view(WAIT_S).phase is Phase.READY


def test_who_is_in_both_has_its_own():
    change = handover()
    told(change, report("x", "b c"), report("y", "b c"), report("a", "b"))
    assert change.view(0.0).phase is Phase.PULLING
    assert told(change, report("d", "a c")) is Phase.WAITING


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(report("e", "b"), id="one of three"),
        pytest.param(report("e", "b c", stage=Stage(1, 1)), id="before the change began"),
        pytest.param(report("e", "b c", continuous=False), id="a disk that forgot"),
        pytest.param(report("x", "a b c"), id="another region"),
        pytest.param(report("b", "a c"), id="one that leaves"),
    ],
)
def test_what_does_not_count(wrong: Report):
    change = handover()
    assert told(change, report("d", "b c"), report("x", "b c"), wrong) is Phase.PULLING
    assert told(change, report("e", "b c")) is Phase.WAITING


def test_another_disk_of_the_same_name_does_not_count():
    change = handover()
    again = report("e", "b c", disk=Disk(NodeId("e"), "e-disk2"))
    assert told(change, report("d", "b c"), again) is Phase.PULLING


def test_a_new_run_begins_from_nothing():
    """Its disk may have been set back; so the wait begins anew."""
    change = handover()
    assert told(change, report("d", "b c"), report("e", "b c")) is Phase.WAITING
    assert told(change, report("e", epoch=2), now=1.0) is Phase.PULLING
    assert told(change, report("e", "b c"), now=1.0) is Phase.PULLING, "the run before it"
    assert told(change, report("e", "b c", epoch=2), now=2.0) is Phase.WAITING
    assert change.view(2.0).wait_s == pytest.approx(WAIT_S)


def test_copies_of_what_a_leaving_member_has():
    """
    Broken: an event that c and one of us have, and the others of eu do not, is on one disk when c
    has gone.
    """
    live = Live(BASE).after(
        begin(
            changed(
                BASE,
                Remove(NodeId("c"), safe(BASE, "c")),
                SetVoters(frozenset(NodeId(n) for n in "abxyz")),
            )
        )
    )
    change = handover(live)
    reports = [report("a", "b", live=live), report("b", "a", live=live)]
    witness = live.newest.witness(EU)
    assert witness == "x"
    assert told(change, *reports, report("x", "a b", live=live)) is Phase.PULLING
    assert told(change, report("x", "c", live=live)) is Phase.PULLING
    assert told(change, report("z", "c", live=live)) is Phase.WAITING


def hindered(change: Handover, now: float) -> set[tuple[str, str]]:
    assert all(h.region == EU for h in change.view(now).hindrances)
    return {(h.node, h.why) for h in change.view(now).hindrances}


def test_who_holds_a_change_up_and_why():
    change = handover()
    change.note(report("x", "b c"), 0.0)
    change.note(report("y", "b c"), 0.0)
    change.note(report("d", "b"), 1.0)
    change.note(report("e", "b c", continuous=False), 1.0)
    change.note(report("a", stage=Stage(1, 1)), 2.0)
    assert hindered(change, 2.0) == {
        ("a", "goes by version 1"),
        ("b", "has not been heard"),
        ("c", "has not been heard"),
        ("d", "has not everything of a, c"),
        ("e", "has not got back what its disk lost"),
    }
    assert change.view(STALLED_AFTER_S).phase is Phase.PULLING
    assert change.view(1.0 + STALLED_AFTER_S).phase is Phase.STALLED
    assert (
        str(Hindrance(EU, NodeId("b"), "has not been heard")) == "region eu: b has not been heard"
    )
    change.note(report("c"), 12.0)
    assert change.view(12.0).phase is Phase.PULLING, "something has come of it"


def test_a_change_ends_without_the_dead_by_an_operators_word():
    change = handover()
    assert told(change, report("a", "c"), report("d", "a c"), report("x", "c")) is Phase.PULLING
    assert ("b", "has not been heard") in hindered(change, 50.0)
    assert change.view(50.0).phase is Phase.STALLED
    live = JOINT.after(Forsake(2, ("b-disk1",)))
    assert live.quorum_set(BASE, EU) == disks(BASE, "a c")
    change.forsake(live, 50.0)
    assert change.view(50.0).phase is Phase.WAITING
    assert change.view(50.0 + WAIT_S).phase is Phase.READY
    assert live.after(End(2)).lost == frozenset()


def test_who_is_lost_and_still_named_does_not_count_until_it_is_removed():
    live = JOINT.after(Forsake(2, ("a-disk1",))).after(End(2))
    assert live.quorums[EU] == (disks(REPLACED, "d e"),)
    assert disk(REPLACED, "a") not in live.members
    gone = changed(
        REPLACED,
        Replace(NodeId("a"), member("a", disk=2), safe(REPLACED, "a")),
        SetVoters(frozenset(NodeId(n) for n in "dexyz")),
    )
    after = live.after(begin(gone))
    assert after.majority(EU, {disk(gone, "a"), disk(gone, "d"), disk(gone, "e")})
    assert after.after(End(3)).quorums[EU] == (gone.quorum_set(EU),)


def test_with_everybody_of_a_region_lost_there_is_nothing_to_ask_for():
    gone = changed(BASE, SetWeight(NodeId("a"), 5))
    live = Live(BASE).after(begin(gone, "x-disk1", "y-disk1", "z-disk1"))
    assert live.quorums[US] == ()
    assert not live.majority(US, BASE.disks)
    assert handover(live).view(0.0).phase is Phase.READY


def test_what_members_go_by_is_known_for_verdicts():
    change = handover()
    told(change, report("a"), report("x", stage=Stage(1, 1)), report("a", stage=Stage(1, 1)))
    assert change.heard == {"a": 2, "x": 1}
