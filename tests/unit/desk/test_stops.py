"""Which nodes may be stopped for a while."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from cluster.layout import Availability, Layout, Live
from node.attention.facts import AccessFacts, BlobSum, NodeCopies
from node.desk.stops import may_stop, stop_verdict
from tests.fakes.layouts import layout, with_member
from tests.unit.desk.pictures import DEAD, copies_with, facts_of

THREE = layout("eu: a b c")
NINE = layout("eu: a b c, us: d e f, ap: g h i")


def kinds(node: str, of: Layout, **told: Any) -> list[str]:
    verdict = stop_verdict(node, Live(of), facts_of(of, **told))
    assert verdict.safe == (not verdict.hindrances)
    return [each.kind for each in verdict.hindrances]


def test_of_three_any_one_may_be_stopped():
    assert [kinds(node, THREE) for node in "abc"] == [[], [], []]
    assert may_stop(Live(THREE), facts_of(THREE)) == ("a", "b", "c")


def test_while_one_is_away_none_of_its_region_may():
    """Broken: an operator stops the second of three, and the region takes no writes."""
    assert kinds("b", THREE, c=DEAD) == ["quorum", "copies", "voters"]
    assert may_stop(Live(NINE), facts_of(NINE, c=DEAD)) == ("d", "e", "f", "g", "h", "i")


@pytest.mark.parametrize("trouble", ["index: damaged: 7.sst is gone", "cluster: it waits for b"])
def test_who_is_there_and_answers_nobody_is_away(trouble: str):
    """Broken: a node that takes over an index is counted on by who stops another one."""
    assert "quorum" in kinds("b", NINE, c={"trouble": trouble})


def test_who_is_away_can_be_missed_or_not():
    facts = facts_of(THREE, c=DEAD)
    verdict = stop_verdict("c", Live(THREE), facts)
    assert (verdict.safe, verdict.there) == (True, False)
    both = facts_of(THREE, b=DEAD, c=DEAD)
    assert not stop_verdict("c", Live(THREE), both).safe
    assert may_stop(Live(THREE), facts) == ()


def test_the_only_store_of_a_region_is_missed_by_its_clients():
    of = layout("eu: a b c, us: d")
    verdict = stop_verdict("d", Live(of), facts_of(of))
    assert [each.text for each in verdict.hindrances] == [
        "no store of region us would be left: its clients would have to go elsewhere"
    ]


def test_of_two_stores_the_witness_makes_a_majority():
    """Two of a region with a witness elsewhere are three."""
    of = layout("eu: a b, us: c d e", copies=2)
    witness = of.witness(of.regions[0])
    assert witness is not None, "genesis names one"
    assert kinds("a", of) == []
    assert "quorum" in kinds("a", of, **{witness: DEAD})
    assert "quorum" in kinds(witness, of, b=DEAD), "it is the witness of eu"


def test_as_many_stores_as_copies_take_writes_on_fewer():
    of = layout("eu: a b", copies=2)
    verdict = stop_verdict("a", Live(of), facts_of(of))
    told = {each.kind: each.text for each in verdict.hindrances}
    assert told["copies"] == (
        "1 stores would be left for 2 copies of what is pushed: pushes would be acknowledged on "
        "fewer"
    )


def test_pushes_that_would_be_refused_are_told_apart():
    of = layout("eu: a b, us: c", copies=3, degraded_writes="refuse")
    told = {h.kind: h.text for h in stop_verdict("c", Live(of), facts_of(of)).hindrances}
    assert told["copies"].endswith("pushes would be refused")


def test_copies_on_who_drains_do_not_count():
    of = with_member(layout("eu: a b c", copies=2), "c", availability=Availability.DRAINING)
    assert "copies" in kinds("b", of)
    assert kinds("c", of) == []


def test_who_alone_has_a_blob_has_to_stay():
    """Broken: an image cannot be pulled while its node restarts, and nobody was told."""
    alone = copies_with(b=NodeCopies(BlobSum(7, 70), BlobSum(2, 20)), c=NodeCopies(BlobSum(9, 90)))
    assert kinds("b", THREE, copies=alone) == ["blobs"]
    assert kinds("c", THREE, copies=alone) == []
    [why] = stop_verdict("b", Live(THREE), facts_of(THREE, copies=alone)).hindrances
    assert why.text == "nobody else who is there has 2 of its blobs (20 bytes)"


def test_what_was_not_counted_is_no_yes():
    """Broken: a node that has not looked says that nothing is at stake."""
    facts = replace(facts_of(THREE), copies=None, counted=None, uncounted={})
    [why] = stop_verdict("b", Live(THREE), facts).hindrances
    assert (why.kind, "not counted yet" in why.text) == ("unknown", True)
    restoring = replace(facts, uncounted={"copies of blobs": "it takes over an index"})
    [why] = stop_verdict("b", Live(THREE), restoring).hindrances
    assert "it takes over an index" in why.text


def test_without_a_layout_nobody_may():
    facts = replace(facts_of(THREE), layout=None, no_layout="there is no layout yet")
    verdict = stop_verdict("a", None, facts)
    assert (verdict.safe, verdict.hindrances[0].kind) == (False, "unknown")


def test_a_majority_of_the_voters_stays():
    of = layout("eu: a b c, us: d e f, ap: g h i")
    voters = [str(disk.node) for disk in of.voters]
    away = dict.fromkeys(voters[: len(voters) // 2], DEAD)
    deciding = voters[-1]
    facts = replace(facts_of(of, **away), access=AccessFacts(cutoff_s=3600.0))
    told = {h.kind: h.text for h in stop_verdict(deciding, Live(of), facts).hindrances}
    assert told["voters"].endswith("after 3600 s nobody could log in")


def test_while_the_layout_changes_both_versions_are_answered_for():
    after = msgspec.structs.replace(layout("eu: a b c d"), version=2)
    live = Live(after, THREE)
    found = stop_verdict("a", live, facts_of(after))
    assert [each.kind for each in found.hindrances] == ["change"]
    away = stop_verdict("a", live, facts_of(after, b=DEAD))
    assert [each.kind for each in away.hindrances].count("quorum") == 2, "in 2 of 3, and of 4"
